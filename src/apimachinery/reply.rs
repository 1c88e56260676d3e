//! An answer that is whole, or comes bit by bit.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;

/// How a request is answered.
#[derive(Debug)]
pub enum Reply {
    /// At once.
    Whole(Response<Bytes>),
    /// Bit by bit, as things happen.
    Stream(Stream),
    /// Once somebody else has answered, or there is room.
    Later(Later),
}

/// An answer that has to wait, and computes nothing meanwhile: whoever bounds how
/// much is computed at a time need not count it. Dropping it gives up.
pub struct Later(BoxFuture<'static, Reply>);

/// An answer whose body goes on.
pub struct Stream {
    /// Everything before the body.
    pub head: Response<()>,
    /// After which time the body ends, if it did not before.
    pub lasts: Duration,
    /// Whether the body may end anywhere, as that of a watch may. Any other that is not made to its
    /// end is broken off, so that nobody takes it for complete.
    pub open_ended: bool,
    /// The body.
    pub pieces: Box<dyn Pieces>,
}

/// The body of a [`Stream`]. Nobody asks for a piece before the client has taken the one before, so
/// what makes them keeps none back.
pub trait Pieces: Send {
    /// Makes the next piece. May compute for a while, and may not wait.
    fn next(&mut self) -> Piece;

    /// Returns when it makes sense to ask for a piece again, after there was none. May be dropped
    /// and called again.
    fn wait(&mut self) -> BoxFuture<'_, ()>;
}

/// What [`Pieces::next`] made.
#[derive(Debug)]
pub enum Piece {
    /// The next bytes of the body; never empty.
    Bytes(Bytes),
    /// Nothing at the moment.
    Later,
    /// The body is complete.
    End,
}

impl Later {
    /// What `answer` will be.
    #[must_use]
    pub fn new(answer: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self(Box::pin(answer))
    }

    /// Waits for it.
    pub async fn answer(self) -> Reply {
        self.0.await
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").finish_non_exhaustive()
    }
}

impl From<Response<Bytes>> for Reply {
    fn from(response: Response<Bytes>) -> Self {
        Self::Whole(response)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("head", &self.head)
            .field("lasts", &self.lasts)
            .finish_non_exhaustive()
    }
}
