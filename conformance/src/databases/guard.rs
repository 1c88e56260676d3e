//! What a database is guarded with: a certificate, and a password.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Door, Login, subfolder};
use crate::lab::{Authority, LeafFiles, Request, write};

/// The one who is let in.
pub const LOGIN: Login = ("loadline", "the-right-pw");
/// Not the password.
pub const WRONG: &str = "the-wrong-pw";
/// The password as bcrypt has it, with the fewest rounds there are: each request is checked.
pub(super) const HASH: &str = "$2a$04$HYwK7Pfhxq2Ev7CnnkQLWu9r21UE9NWc70.tYBtWYMqp1d82JPf9i";

/// Certificates of an authority nobody knows but who is told.
#[derive(Debug)]
pub struct Guard {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The certificate of another authority of the same name.
    pub stranger: PathBuf,
    /// The server's certificate, for the address servers have here.
    pub server: LeafFiles,
    /// One of a client, for servers that speak to each other.
    pub(super) client: LeafFiles,
    authority: Authority,
}

impl Guard {
    /// New certificates, in a folder below this one.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        let folder = subfolder(folder, "guard")?;
        let (authority, other) = (Authority::new(NAME)?, Authority::new(NAME)?);
        let [ca, stranger] = [(&authority, "ca"), (&other, "stranger")].map(|(authority, name)| {
            let path = folder.join(format!("{name}.crt"));
            write(&path, authority.pem()).map(|()| path)
        });
        let server = authority.issue(&Request::server(NAME, &["127.0.0.1"]))?;
        let client = authority.issue(&Request::client(NAME, &[]))?;
        Ok(Self {
            ca: ca?,
            stranger: stranger?,
            server: server.write(&folder, "server")?,
            client: client.write(&folder, "client")?,
            authority,
        })
    }

    /// The way in, without a login.
    ///
    /// # Errors
    /// When the certificate is none.
    pub fn door(&self, address: SocketAddr) -> Result<Door> {
        Door::secure(address, self.authority.der().clone())
    }
}

/// The common name of all of them.
pub(super) const NAME: &str = "databases";
