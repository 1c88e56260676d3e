//! The last two points of every container and node, and the view requests read.

mod view;

pub use view::{NodeView, PodView, View};
