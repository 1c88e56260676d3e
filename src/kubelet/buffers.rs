//! Memory for bodies, shared by all requests.

use parking_lot::Mutex;

/// Buffers that lie idle, to be lent.
#[derive(Debug)]
pub struct Buffers {
    idle: Mutex<Vec<Vec<u8>>>,
    most: usize,
}

/// One of them: taken once there is something to put into it, so that a request whose answer has not
/// begun holds none, and given back when this is dropped.
#[derive(Debug)]
pub struct Buffer<'p> {
    pool: &'p Buffers,
    taken: Option<Vec<u8>>,
}

/// The largest buffer worth keeping: the answer of a node with some 500 containers.
const LARGEST_KEPT: usize = 1 << 20;

impl Buffers {
    /// None yet; `most` of those given back are kept, and freed are those beyond them and those above
    /// a MiB.
    #[must_use]
    pub const fn keeping(most: usize) -> Self {
        let idle = Mutex::new(Vec::new());
        Self { idle, most }
    }

    /// Lends one, for a request.
    pub const fn lend(&self) -> Buffer<'_> {
        Buffer {
            pool: self,
            taken: None,
        }
    }
}

impl Buffer<'_> {
    #[cfg(test)]
    pub(super) const fn is_taken(&self) -> bool {
        self.taken.is_some()
    }

    /// The buffer itself, with what was put into it; empty at first.
    pub fn taken(&mut self) -> &mut Vec<u8> {
        let pool = self.pool;
        self.taken.get_or_insert_with(|| {
            let mut buffer = pool.idle.lock().pop().unwrap_or_default();
            buffer.clear();
            buffer
        })
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        let Some(buffer) = self.taken.take() else {
            return;
        };
        let mut idle = self.pool.idle.lock();
        if idle.len() < self.pool.most && buffer.capacity() <= LARGEST_KEPT {
            idle.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_taken_when_it_is_used_and_lent_again_empty() {
        let pool = Buffers::keeping(1);
        let (mut first, mut second, unused) = (pool.lend(), pool.lend(), pool.lend());
        first.taken().extend_from_slice(b"first");
        assert_eq!(first.taken(), b"first");
        second.taken().push(b'2');
        let at = second.taken().as_ptr();
        for buffer in [unused, second, first] {
            drop(buffer);
        }
        assert_eq!(pool.idle.lock().len(), 1);
        let mut again = pool.lend();
        assert!(again.taken().is_empty());
        assert_eq!(again.taken().as_ptr(), at);
    }

    #[test]
    fn a_large_buffer_is_freed() {
        let pool = Buffers::keeping(1);
        pool.lend().taken().reserve(LARGEST_KEPT + 1);
        assert!(pool.idle.lock().is_empty());
    }
}
