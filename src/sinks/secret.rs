//! A text nobody may see.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A password or a token. Wiped from memory when dropped; `Debug` shows `***`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text, for where it has to be sent.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(SecretString::from(text.into()))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
