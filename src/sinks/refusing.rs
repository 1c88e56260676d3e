//! What a backend refuses for good, and what the log is told of it.

use tracing::{info, warn};

use super::chunks::Progress;

/// How much of a batch a backend refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    #[default]
    Nothing,
    Some,
    All,
}

/// What the log was told last. More is told of at once, less once it has been so for some batches:
/// backends that refuse a point now and then are told of once.
#[derive(Debug, Default)]
pub(super) struct Refusing {
    told: Share,
    /// How many batches in a row have been better than that.
    better: u32,
}

/// So many batches in a row are no chance.
const STEADY: u32 = 3;

impl Refusing {
    /// Notes what became of a batch; a line of the log when that is another state.
    pub(super) fn note(&mut self, sink: &str, progress: &Progress) {
        let Some(share) = self.change(progress) else {
            return;
        };
        let (points, complaint) = (progress.refused, progress.complaint.as_deref());
        match share {
            Share::Nothing => info!(sink, "the sink takes all points again"),
            Share::Some => warn!(sink, points, complaint, "the sink refuses points"),
            Share::All => warn!(sink, points, complaint, "the sink refuses all points"),
        }
    }

    fn change(&mut self, progress: &Progress) -> Option<Share> {
        let share = match (progress.sent, progress.complaint.is_some()) {
            (0, true) => Share::All,
            (_, true) => Share::Some,
            // Nothing was sent, and nobody knows what would have become of it.
            (0, false) => return None,
            (_, false) => Share::Nothing,
        };
        self.better = match share < self.told {
            true => self.better + 1,
            false => 0,
        };
        let changed = share > self.told || self.better >= STEADY;
        changed.then(|| {
            *self = Self {
                told: share,
                better: 0,
            };
            share
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_told_at_once_and_less_once_it_is_steady() {
        let mut refusing = Refusing::default();
        let mut batches = |sent: u64, refused: u64, times: usize| -> Vec<Option<Share>> {
            let mut progress = Progress::default();
            (progress.sent, progress.refused) = (sent, refused);
            progress.complaint = (refused > 0).then(|| "too old".to_owned());
            (0..times).map(|_| refusing.change(&progress)).collect()
        };
        assert_eq!(batches(5, 0, 3), [None; 3]);
        assert_eq!(batches(4, 1, 2), [Some(Share::Some), None]);
        assert_eq!(batches(0, 5, 3), [Some(Share::All), None, None]);
        // One that gets through by chance is no other state, nor is one that sends nothing.
        assert_eq!(batches(5, 0, 2), [None; 2]);
        assert_eq!(batches(0, 0, 5), [None; 5]);
        assert_eq!(batches(0, 5, 1), [None]);
        assert_eq!(batches(3, 2, 4), [None, None, Some(Share::Some), None]);
        assert_eq!(batches(5, 0, 4), [None, None, Some(Share::Nothing), None]);
        assert_eq!(batches(0, 1, 1), [Some(Share::All)]);
    }
}
