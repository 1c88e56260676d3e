//! The TLS session with one kubelet that the next handshake resumes.

use std::fmt;

use parking_lot::Mutex;
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;

/// What the last handshakes with one server left: the newest session and the group it chose.
///
/// rustls' own store is for many servers: it has room for eight sessions of each, and tables to find
/// them by name, 2.4 KB for each node. This one is kept by the configuration of one node, so there
/// is one name, and one session to resume: two connections at most are open to a node, and only when
/// both are lost at once does one of them shake hands in full.
#[derive(Default)]
pub(super) struct LastSession(Mutex<Last>);

#[derive(Default)]
struct Last {
    group: Option<NamedGroup>,
    tls12: Option<Box<Tls12ClientSessionValue>>,
    tls13: Option<Box<Tls13ClientSessionValue>>,
}

impl ClientSessionStore for LastSession {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.lock().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.lock().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.0.lock().tls12 = Some(Box::new(session));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.lock().tls12.as_deref().cloned()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.lock().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.lock().tls13 = Some(Box::new(ticket));
    }

    /// RFC 8446, C.4: a ticket is used once.
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().tls13.take().map(|ticket| *ticket)
    }
}

impl fmt::Debug for LastSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastSession").finish_non_exhaustive()
    }
}
