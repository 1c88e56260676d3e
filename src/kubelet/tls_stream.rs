//! TLS to a kubelet, without buffers of its own.
//!
//! `tokio-rustls` keeps 4 KiB for reading in each connection and lets them grow to a record and
//! shrink again with each answer: with a thousand kubelets that is a third of the heap, most of it
//! holes. Here what is received stands in one buffer that all connections share, for as long as it
//! takes to decipher it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;
use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::http1::Wire;

/// Where all connections receive what they decipher at once.
pub(super) type Scratch = Mutex<Vec<u8>>;

/// An open connection.
pub(super) struct TlsStream {
    tcp: TcpStream,
    tls: UnbufferedClientConnection,
    /// Received, and not the whole of a record yet.
    unread: Vec<u8>,
    unsent: Vec<u8>,
    /// The peer has said that this was all.
    ended: bool,
    scratch: Arc<Scratch>,
}

/// What has to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// What is unsent has to be sent.
    Send,
    /// What was to be said is among what is unsent.
    Said,
    /// More has to be received, for the handshake to go on.
    Handshake,
    /// Nothing: both sides may speak.
    Open,
}

/// The most that is received at once: four records, in which a node with 70 pods answers.
const AT_ONCE: usize = (64 << 10) + 4 * AROUND_RECORD;
/// The most that may be kept of what is not whole yet: rustls itself refuses handshake messages above
/// 64 KiB.
const UNREAD: usize = 128 << 10;
/// How often what is no answer is read between two of them.
const READS: usize = 4;
/// What a record adds to what is said in it, and more.
const AROUND_RECORD: usize = 64;
const RECORD: usize = 16 << 10;

impl TlsStream {
    /// Shakes hands with the server of this name.
    ///
    /// # Errors
    /// As the connection has them; with a [`rustls::Error`] inside where TLS was at fault, which the
    /// peer is told of.
    pub(super) async fn connect(
        tcp: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        scratch: Arc<Scratch>,
    ) -> io::Result<Self> {
        let mut stream = Self {
            tcp,
            tls: UnbufferedClientConnection::new(config, name).map_err(invalid)?,
            unread: Vec::new(),
            unsent: Vec::new(),
            ended: false,
            scratch,
        };
        let mut early = Vec::new();
        let mut state = stream.work(&[], &mut early)?;
        while state != State::Open {
            state = match state {
                State::Send | State::Said => {
                    stream.flush().await?;
                    stream.work(&[], &mut early)?
                }
                State::Handshake | State::Open => {
                    poll_fn(|context| stream.poll_read(context, &mut early)).await?
                }
            };
        }
        // A server may speak first, but a kubelet has been asked nothing.
        match early.is_empty() {
            true => Ok(stream),
            false => Err(unasked()),
        }
    }

    /// Whether there is nothing to read, nor an end, as far as the kernel has told. Who says much
    /// that is no answer does not count as silent.
    pub(super) fn is_silent(&mut self) -> bool {
        let mut said = Vec::new();
        let mut nobody = Context::from_waker(Waker::noop());
        for _ in 0..READS {
            match self.poll_read(&mut nobody, &mut said) {
                // What is no answer, as a session to be resumed is none.
                Poll::Ready(Ok(State::Open)) if said.is_empty() && !self.ended => {}
                Poll::Ready(_) => return false,
                Poll::Pending => return self.unread.is_empty() && !self.ended,
            }
        }
        false
    }

    /// Receives what is there and works on it, once something is there.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        plain: &mut Vec<u8>,
    ) -> Poll<io::Result<State>> {
        let scratch = Arc::clone(&self.scratch);
        let mut scratch = scratch.lock();
        let kept = self.unread.len();
        if kept > UNREAD {
            return Poll::Ready(Err(invalid("a record without an end")));
        }
        if scratch.len() < kept + AT_ONCE {
            scratch.resize(kept + AT_ONCE, 0);
        }
        let (before, room) = scratch.split_at_mut(kept);
        // Unlike `try_read` this knows that nothing is left when less came than there was room for,
        // and does not ask the kernel again.
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(&mut self.tcp).poll_read(context, &mut room))?;
        let read = room.filled().len();
        if read == 0 {
            let cut = "the connection ended, and TLS had not";
            let cut = io::Error::new(io::ErrorKind::UnexpectedEof, cut);
            return Poll::Ready(Err(cut));
        }
        before.copy_from_slice(&self.unread);
        let received = scratch.get_mut(..kept + read).unwrap_or_default();
        let (done, state) = self.process(received, &[], plain);
        self.unread = received.get(done..).unwrap_or_default().to_vec();
        Poll::Ready(state.map_err(|error| self.fail(error)))
    }

    /// Works on what was received before, and says something as soon as that is possible.
    fn work(&mut self, say: &[u8], plain: &mut Vec<u8>) -> io::Result<State> {
        let mut received = std::mem::take(&mut self.unread);
        let (done, state) = self.process(&mut received, say, plain);
        received.drain(..done.min(received.len()));
        self.unread = received;
        state.map_err(|error| self.fail(error))
    }

    /// Goes on until something has to be waited for. Also tells how much of what was received is
    /// done with.
    fn process(
        &mut self,
        received: &mut [u8],
        say: &[u8],
        plain: &mut Vec<u8>,
    ) -> (usize, Result<State, rustls::Error>) {
        let mut done = 0;
        loop {
            let rest = received.get_mut(done..).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(rest);
            done += discard;
            let next = match state {
                Err(error) => Some(Err(error)),
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    let mut broken = None;
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                done += record.discard;
                                plain.extend_from_slice(record.payload);
                            }
                            Err(error) => broken = Some(Err(error)),
                        }
                    }
                    broken
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.unsent);
                    None
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Some(Ok(State::Send))
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) if !say.is_empty() => {
                    let room = say.len() + AROUND_RECORD * (say.len() / RECORD + 1);
                    let said = append(&mut self.unsent, room, |out| {
                        traffic.encrypt(say, out).map_err(|error| match error {
                            EncryptError::InsufficientSize(size) => Some(size.required_size),
                            EncryptError::EncryptExhausted => None,
                        })
                    });
                    Some(match said {
                        true => Ok(State::Said),
                        false => Err(rustls::Error::EncryptError),
                    })
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    Some(Ok(State::Open))
                }
                Ok(ConnectionState::WriteTraffic(_)) => Some(Ok(State::Open)),
                Ok(_) => Some(Ok(State::Handshake)),
            };
            if let Some(state) = next {
                return (done, state);
            }
        }
    }

    /// Tells the peer why, as far as that can be done without waiting.
    fn fail(&mut self, error: rustls::Error) -> io::Error {
        if let Ok(ConnectionState::EncodeTlsData(mut alert)) =
            self.tls.process_tls_records(&mut []).state
        {
            encode(&mut alert, &mut self.unsent);
            // Nobody is left to tell when even this fails.
            let _ = self.tcp.try_write(&self.unsent);
        }
        invalid(error)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        self.tcp.write_all(&unsent).await
    }
}

impl Wire for TlsStream {
    async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        let mut early = Vec::new();
        while self.work(request, &mut early)? != State::Said {
            if self.ended || !early.is_empty() {
                return Err(unasked());
            }
            self.flush().await?;
        }
        self.flush().await
    }

    async fn ready(&self) -> io::Result<()> {
        if self.unread.is_empty() && !self.ended {
            self.tcp.readable().await?;
        }
        Ok(())
    }

    async fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let before = buffer.len();
        while buffer.len() == before && !self.ended {
            let mut state = poll_fn(|context| self.poll_read(context, buffer)).await?;
            while state == State::Send {
                self.flush().await?;
                state = self.work(&[], buffer)?;
            }
        }
        Ok(buffer.len() - before)
    }
}

/// Appends what the handshake says.
fn encode<D>(data: &mut EncodeTlsData<'_, D>, out: &mut Vec<u8>) {
    append(out, 0, |out| {
        data.encode(out).map_err(|error| match error {
            EncodeError::InsufficientSize(size) => Some(size.required_size),
            EncodeError::AlreadyEncoded => None,
        })
    });
}

/// Appends what `write` writes, which tells how much room it wants when `room` is too little; whether
/// it wrote.
fn append(
    out: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> bool {
    let from = out.len();
    loop {
        out.resize(from + room, 0);
        match write(out.get_mut(from..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(from + written);
                return true;
            }
            Err(Some(wanted)) if wanted > room => room = wanted,
            Err(_) => {
                out.truncate(from);
                return false;
            }
        }
    }
}

fn unasked() -> io::Error {
    invalid("something was said that was not asked")
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
