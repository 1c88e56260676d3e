//! What tests look at besides results: the lines of the log.

use std::io;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use tracing::Dispatch;

/// Hears everything and keeps nothing. While there is one other subscriber alone, a place in the
/// code that speaks for the first time on a thread without one would be silent on all threads.
static NOBODY: LazyLock<Dispatch> = LazyLock::new(|| {
    let nobody = tracing_subscriber::fmt().with_writer(io::sink);
    Dispatch::new(nobody.finish())
});

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged at info and above, level by level.
pub(crate) fn logged(act: impl FnOnce()) -> Vec<String> {
    LazyLock::force(&NOBODY);
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, act);
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    text.lines().map(|line| line.trim().to_string()).collect()
}
