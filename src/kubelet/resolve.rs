//! From a host's name to its addresses.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Asks the system's resolver, which blocks a thread for as long as it likes.
///
/// At most [`AT_ONCE`] names are looked up at once. A look-up keeps its turn until the resolver has
/// answered, also when whoever asked has given up; the others wait for theirs within their own
/// deadlines. So a resolver that hangs costs nodes that are dialled by name their attempts, and
/// nobody else a thread.
pub(super) struct Resolver {
    turns: Arc<Semaphore>,
    look_up: Arc<LookUp>,
}

type LookUp = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The most names looked up at once: one that is answered takes milliseconds, and addresses need no
/// look-up.
const AT_ONCE: usize = 32;

impl Resolver {
    fn new(at_once: usize, look_up: Arc<LookUp>) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            look_up,
        }
    }

    /// The addresses of `host`, which may be one itself. Waits as long as the resolver does: the
    /// caller sets the deadline.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(io::Error::other)?;
        let (look_up, host) = (Arc::clone(&self.look_up), host.to_owned());
        let looked_up = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            look_up(&host, port)
        });
        looked_up.await.map_err(io::Error::other)?
    }
}

impl Default for Resolver {
    /// The system's resolver.
    fn default() -> Self {
        let look_up = |host: &str, port| Ok((host, port).to_socket_addrs()?.collect());
        Self::new(AT_ONCE, Arc::new(look_up))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use parking_lot::Mutex;

    use super::*;

    #[tokio::test]
    async fn an_address_needs_no_turn() {
        let resolver = Resolver::new(0, Arc::new(|_, _| Err(io::ErrorKind::NotFound.into())));
        for (host, address) in [("10.0.0.1", "10.0.0.1:10250"), ("::1", "[::1]:10250")] {
            let found = resolver.resolve(host, 10250).await.unwrap();
            assert_eq!(found, [address.parse().unwrap()]);
        }
    }

    #[tokio::test]
    async fn a_name_somebody_gave_up_on_keeps_its_turn_until_the_resolver_answers() {
        let (answer, answers) = mpsc::channel::<SocketAddr>();
        let answers = Mutex::new(answers);
        let (begun, mut begins) = tokio::sync::mpsc::channel(2);
        let look_up = move |host: &str, _| {
            begun.try_send(host.to_owned()).unwrap();
            Ok(vec![answers.lock().recv().unwrap()])
        };
        let resolver = Resolver::new(1, Arc::new(look_up));
        tokio::select! {
            found = resolver.resolve("slow", 1) => panic!("{found:?}"),
            host = begins.recv() => assert_eq!(host.as_deref(), Some("slow")),
        }
        assert_eq!(resolver.turns.available_permits(), 0);
        for address in ["10.0.0.1:1", "10.0.0.2:1"] {
            answer.send(address.parse().unwrap()).unwrap();
        }
        let next = resolver.resolve("next", 1).await.unwrap();
        assert_eq!(next, ["10.0.0.2:1".parse().unwrap()]);
        assert_eq!(begins.recv().await.as_deref(), Some("next"));
    }

    #[tokio::test]
    async fn the_system_is_asked_for_names() {
        let resolver = Resolver::default();
        let found = resolver.resolve("localhost", 7).await.unwrap();
        assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 7));
        assert!(!found.is_empty());
    }
}
