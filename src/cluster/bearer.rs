//! The `Authorization` header from a token file that somebody renews.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::credentials::BearerToken;

/// A token file, read at most once a minute as client-go does, and trimmed as it does.
///
/// When the file cannot be read any longer, or holds no token, the last one stays in use.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<(Instant, HeaderValue)>,
}

const REREAD: Duration = Duration::from_secs(60);

impl TokenFile {
    /// Reads the file for the first time.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let header = read(&path)?;
        Ok(Self {
            path,
            last: Mutex::new((Instant::now(), header)),
        })
    }

    /// Adds the header to a request.
    pub(super) fn sign<B>(&self, mut request: http::Request<B>) -> http::Request<B> {
        request.headers_mut().insert(AUTHORIZATION, self.header());
        request
    }

    fn header(&self) -> HeaderValue {
        let mut last = self.last.lock();
        if last.0.elapsed() >= REREAD {
            let header = read(&self.path).unwrap_or_else(|_| last.1.clone());
            *last = (Instant::now(), header);
        }
        last.1.clone()
    }
}

fn read(path: &Path) -> io::Result<HeaderValue> {
    let no_token = || io::Error::new(io::ErrorKind::InvalidData, "there is no token in it");
    let token = BearerToken::read(&std::fs::read(path)?).ok_or_else(no_token)?;
    let header = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
    let mut header = header.map_err(|_| no_token())?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_renewed_token_is_used_within_a_minute_and_a_lost_file_changes_nothing() {
        let path = std::env::temp_dir().join(format!("loadline-token-{}", std::process::id()));
        std::fs::write(&path, "first\n").unwrap();
        let file = TokenFile::open(path.clone()).unwrap();
        let sent = || {
            let request = file.sign(http::Request::new(()));
            request.headers()[AUTHORIZATION]
                .to_str()
                .unwrap()
                .to_owned()
        };
        std::fs::write(&path, "second").unwrap();
        assert_eq!(sent(), "Bearer first");
        tokio::time::advance(REREAD).await;
        assert_eq!(sent(), "Bearer second");
        for none in ["", " \n", "a b"] {
            std::fs::write(&path, none).unwrap();
            tokio::time::advance(REREAD).await;
            assert_eq!(sent(), "Bearer second", "{none:?}");
            assert!(TokenFile::open(path.clone()).is_err(), "{none:?}");
        }
        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(REREAD).await;
        assert_eq!(sent(), "Bearer second");
        assert!(!format!("{file:?}").contains("second"));
    }
}
