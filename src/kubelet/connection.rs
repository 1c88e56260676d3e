//! The one connection we keep to a node.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::Target;
use super::buffers::Buffer;
use super::http1::{Fault, Response, exchange};
use super::tls::{NodeTls, Tls};
use super::tls_stream::TlsStream;

/// What is kept of a node between two requests: the open connection, if there is one, and the TLS
/// sessions that can be resumed on the next. Belongs to whoever scrapes the node.
///
/// Clones share both. The open connection is whose request comes first: one that finds it taken
/// opens another, and of the two the one given back last stays open. Dropping the last clone closes
/// it.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    open: Option<Open>,
    tls: Option<Prepared>,
}

/// An open connection and what it may be used for.
#[derive(Debug)]
pub(super) struct Open {
    stream: Stream,
    target: Target,
    tls: Option<Arc<Tls>>,
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

#[derive(Debug)]
struct Prepared {
    target: Target,
    tls: Arc<Tls>,
    node: NodeTls,
}

impl Connection {
    /// Nothing open yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the open connection out if it still leads where `target` is, was made with the
    /// credentials of today, and nothing was said on it since. It is closed unless it is given back
    /// by [`Connection::keep`], so a request that is dropped midway closes it too.
    pub(super) fn take(&self, target: &Target, tls: Option<&Arc<Tls>>) -> Option<Open> {
        let mut open = self.kept.lock().open.take()?;
        let same_tls = match (&open.tls, tls) {
            (Some(ours), Some(current)) => Arc::ptr_eq(ours, current),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let same_peer = same_peer(&open.target, target);
        (same_tls && same_peer && open.stream.is_silent()).then_some(open)
    }

    /// Keeps a connection for the next request, unless the peer has closed it, or says more than
    /// was asked.
    pub(super) fn keep(&self, mut open: Open) {
        if !open.stream.is_silent() {
            return;
        }
        let before = self.kept.lock().open.replace(open);
        // Closed outside the lock.
        drop(before);
    }

    /// What to use for a handshake with `target`.
    pub(super) fn node_tls(&self, target: &Target, tls: &Arc<Tls>) -> Option<NodeTls> {
        let mut kept = self.kept.lock();
        if let Some(prepared) = &kept.tls
            && Arc::ptr_eq(&prepared.tls, tls)
            && same_peer(&prepared.target, target)
        {
            return Some(prepared.node.clone());
        }
        let node = tls.for_node(target)?;
        kept.tls = Some(Prepared {
            target: target.clone(),
            tls: Arc::clone(tls),
            node: node.clone(),
        });
        Some(node)
    }
}

impl Open {
    pub(super) const fn new(stream: Stream, target: Target, tls: Option<Arc<Tls>>) -> Self {
        Self {
            stream,
            target,
            tls,
        }
    }

    pub(super) async fn exchange(
        &mut self,
        request: &[u8],
        buffer: &mut Buffer<'_>,
        max_body: usize,
    ) -> Result<Response, Fault> {
        match &mut self.stream {
            Stream::Plain(stream) => exchange(stream, request, buffer, max_body).await,
            Stream::Tls(stream) => exchange(&mut **stream, request, buffer, max_body).await,
        }
    }
}

impl Stream {
    /// Whether there is nothing to read, nor an end, as far as the kernel has told: it is not
    /// asked.
    fn is_silent(&mut self) -> bool {
        match self {
            Self::Plain(stream) => {
                let mut byte = [0];
                let mut byte = ReadBuf::new(&mut byte);
                let mut nobody = Context::from_waker(Waker::noop());
                let read = Pin::new(stream).poll_read(&mut nobody, &mut byte);
                read.is_pending()
            }
            Self::Tls(stream) => stream.is_silent(),
        }
    }
}

fn same_peer(a: &Target, b: &Target) -> bool {
    (a.node(), a.uid(), a.host(), a.port()) == (b.node(), b.uid(), b.host(), b.port())
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}
