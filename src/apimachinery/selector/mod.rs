//! Label and field selectors: grammar, validation, matching and Go's error texts.

mod field;
mod label;
mod lexer;
mod parser;
mod validation;

pub use field::{FieldOperator, FieldRequirement, FieldSelector, InvalidFieldSelector};
pub use label::{InvalidLabelSelector, LabelOperator, LabelRequirement, LabelSelector};
