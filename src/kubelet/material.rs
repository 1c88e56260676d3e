//! Credentials and CAs that live in files and change while we run.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::cluster::Material;
use crate::domain::Clock;

/// Why the configured credentials or CA cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The CA holds no certificate that can be used.
    #[error("no usable CA certificate in {from}")]
    NoCa {
        /// The file, or that it was given.
        from: String,
    },
    /// The client certificate or its key cannot be used, or they do not belong together.
    #[error("unusable client certificate or key: {reason}")]
    ClientCertificate {
        /// What the TLS library says.
        reason: String,
    },
    /// The token is empty or holds bytes no header may have.
    #[error("no usable bearer token in {from}")]
    Token {
        /// The file, or that it was given.
        from: String,
    },
    /// The TLS library offers no protocol version.
    #[error("TLS cannot be set up: {reason}")]
    Tls {
        /// What it says.
        reason: String,
    },
}

/// Something made from materials, made anew when their content changes.
///
/// Content is compared, not times or events, because a Kubernetes volume swaps symbolic links.
/// Whoever asks at least [`CHECK_EVERY`] after the last check reads the files again; the others go
/// on with what there is. New content that cannot be used leaves the old in place, with one warning
/// until it is usable again.
pub(super) struct Watched<T> {
    sources: Vec<Material>,
    make: Box<Make<T>>,
    current: ArcSwap<T>,
    checks: Mutex<Checks>,
    clock: Arc<dyn Clock>,
}

type Make<T> = dyn Fn(&[Vec<u8>]) -> Result<T, MaterialError> + Send + Sync;

struct Checks {
    last: Instant,
    contents: Vec<Vec<u8>>,
    failing: bool,
}

/// How often files are read again, at most.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// The largest file that is read: CA bundles have some hundred kB.
const MAX_FILE: u64 = 4 << 20;

impl<T> Watched<T> {
    /// Makes the first one.
    ///
    /// # Errors
    /// When a file cannot be read, or whatever `make` objects to.
    pub(super) async fn new<M>(
        sources: Vec<Material>,
        clock: Arc<dyn Clock>,
        make: M,
    ) -> Result<Self, MaterialError>
    where
        M: Fn(&[Vec<u8>]) -> Result<T, MaterialError> + Send + Sync + 'static,
    {
        let contents = read_all(&sources).await?;
        Ok(Self {
            current: ArcSwap::from_pointee(make(&contents)?),
            make: Box::new(make),
            checks: Mutex::new(Checks {
                last: clock.monotonic(),
                contents,
                failing: false,
            }),
            sources,
            clock,
        })
    }

    /// The newest one that could be made.
    pub(super) async fn current(&self) -> Arc<T> {
        if self.sources.iter().any(can_change) && self.claim_check() {
            match read_all(&self.sources).await {
                Ok(contents) => self.replace(contents),
                Err(error) => self.failed(&error),
            }
        }
        self.current.load_full()
    }

    /// Makes the next [`Watched::current`] read the files again: a peer refused what we have.
    pub(super) fn distrust(&self) {
        let mut checks = self.checks.lock();
        if let Some(due) = self.clock.monotonic().checked_sub(CHECK_EVERY) {
            checks.last = checks.last.min(due);
        }
    }

    /// Takes the turn to check if one is due.
    fn claim_check(&self) -> bool {
        let now = self.clock.monotonic();
        let mut checks = self.checks.lock();
        let due = now.saturating_duration_since(checks.last) >= CHECK_EVERY;
        if due {
            checks.last = now;
        }
        due
    }

    fn replace(&self, contents: Vec<Vec<u8>>) {
        let mut checks = self.checks.lock();
        if checks.contents == contents {
            checks.failing = false;
            return;
        }
        match (self.make)(&contents) {
            Ok(made) => {
                self.current.store(Arc::new(made));
                checks.contents = contents;
                checks.failing = false;
                tracing::info!(sources = ?self.sources, "kubelet credentials changed");
            }
            Err(error) => {
                drop(checks);
                self.failed(&error);
            }
        }
    }

    fn failed(&self, error: &MaterialError) {
        let before = std::mem::replace(&mut self.checks.lock().failing, true);
        if !before {
            tracing::warn!(%error, "kubelet credentials cannot be read again, keeping the old ones");
        }
    }
}

const fn can_change(source: &Material) -> bool {
    matches!(source, Material::File(_))
}

fn read(source: &Material) -> Result<Vec<u8>, MaterialError> {
    let path = match source {
        Material::Inline(text) => return Ok(text.to_vec()),
        Material::File(path) => path,
    };
    let read = || {
        let mut content = Vec::new();
        File::open(path)?.take(MAX_FILE).read_to_end(&mut content)?;
        Ok(content)
    };
    read().map_err(|source| MaterialError::Unreadable {
        path: path.clone(),
        source,
    })
}

/// Reads in one go on a thread that may block: with `tokio::fs` each step of each file would change
/// threads.
async fn read_all(sources: &[Material]) -> Result<Vec<Vec<u8>>, MaterialError> {
    let owned = sources.to_vec();
    let read = move || owned.iter().map(read).collect();
    let path = sources.iter().find_map(|source| match source {
        Material::File(path) => Some(path.clone()),
        Material::Inline(_) => None,
    });
    let gone = |source: tokio::task::JoinError| MaterialError::Unreadable {
        path: path.unwrap_or_default(),
        source: source.into(),
    };
    tokio::task::spawn_blocking(read).await.map_err(gone)?
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}
