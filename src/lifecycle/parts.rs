//! Work on many items at once, divided among the processors.

use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread::{self, Builder};

use tokio::runtime::Handle;

/// The most parts one piece of work is divided into: one answer must not take every processor of a
/// large machine, on which other things run.
const MOST: usize = 4;

/// Works on contiguous parts of `items` at the same time; gives what became of each, in their order.
///
/// The first part goes on with `first`, the others begin with an empty result on threads of their
/// own, which end before this returns. A part has `least` items or more: below twice that, and where
/// there is one processor, the caller does everything itself. There are no more parts than
/// processors this process may use, and four at most.
pub fn in_parts<T, R>(
    items: &[T],
    least: usize,
    first: R,
    work: impl Fn(R, &[T]) -> R + Sync,
) -> Vec<R>
where
    T: Sync,
    R: Default + Send,
{
    let parts = processors().min(MOST).min(items.len() / least.max(1));
    let mut parts = items.chunks(items.len().div_ceil(parts.max(1)).max(1));
    let mine = parts.next().unwrap_or_default();
    thread::scope(|scope| {
        let work = &work;
        let begun: Vec<_> = parts
            .map(|part| {
                let thread = Builder::new().spawn_scoped(scope, move || work(R::default(), part));
                (thread, part)
            })
            .collect();
        let mut made = Vec::with_capacity(begun.len() + 1);
        made.push(work(first, mine));
        for (thread, part) in begun {
            made.push(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // No thread is to be had, which is no reason to fail.
                Err(_) => work(R::default(), part),
            });
        }
        made
    })
}

/// As many as the runtime was given, which flags may limit; as many as there are outside of one.
fn processors() -> usize {
    static ALL: OnceLock<usize> = OnceLock::new();
    if let Ok(runtime) = Handle::try_current() {
        return runtime.metrics().num_workers();
    }
    // It reads files of the control group each time.
    *ALL.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_the_parts_comes_in_their_order() {
        let workers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .build()
            .unwrap();
        let _entered = workers.enter();
        for len in [0, 1, 9, 10, 20, 21, 29, 30, 31, 1000] {
            let items: Vec<usize> = (0..len).collect();
            let parts = in_parts(&items, 10, vec![7], |mut made, part| {
                made.extend_from_slice(part);
                made
            });
            let expected = (len / 10).clamp(1, 3);
            assert_eq!(parts.len(), expected, "{len}");
            let mut all = vec![7];
            all.extend(&items);
            assert_eq!(parts.concat(), all);
        }
    }

    #[test]
    fn one_processor_divides_nothing() {
        let worker = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let _entered = worker.enter();
        let caller = thread::current().id();
        let parts = in_parts(&[0; 1000], 1, None, |_, _| Some(thread::current().id()));
        assert_eq!(parts, [Some(caller)]);
    }

    #[test]
    #[should_panic(expected = "the last part")]
    fn a_panic_reaches_the_caller() {
        let workers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let _entered = workers.enter();
        in_parts(&[1, 2], 1, (), |(), part| {
            assert_eq!(part, [1], "the last part");
        });
    }
}
