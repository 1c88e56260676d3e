//! Bounds the requests under way.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Context, finished, goes_on, info, user};
use crate::apimachinery::{RequestInfo, plain};
use crate::server::Limits;
use crate::server::metrics::{Counted, Metrics, RequestKind};

/// How many requests of each kind may be under way.
pub(super) struct InFlight {
    reads: Option<Arc<Semaphore>>,
    mutations: Option<Arc<Semaphore>>,
    watches: Arc<Semaphore>,
    masters_watches: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// A request that was let in; held until it is answered, a body that goes on until it ends.
pub(in crate::server) struct Admitted {
    _permit: Option<OwnedSemaphorePermit>,
    _counted: Counted,
}

/// Answers 429 when the limit is reached. `system:masters` are let in all the same: kube-apiserver
/// asks as one of them whether we are there at all. So are the probes, or an overload would be
/// mistaken for a death. Watches are counted by themselves, since they stay; `system:masters` have
/// some that nobody else can take.
pub(super) async fn limit(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Response {
    let info = info(&request);
    let probe = matches!(info.path.as_str(), "/healthz" | "/livez" | "/readyz");
    let exempt = probe || user(&request).is_master();
    let Some(admitted) = context.in_flight.admit(&info, exempt) else {
        return finished(plain::too_many_requests());
    };
    let admitted = Arc::new(admitted);
    request.extensions_mut().insert(Arc::clone(&admitted));
    let response = next.run(request).await;
    drop(admitted);
    response
}

impl InFlight {
    pub(super) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        let semaphore = |most: usize| (most > 0).then(|| Arc::new(Semaphore::new(most)));
        Self {
            reads: semaphore(limits.reads_in_flight),
            mutations: semaphore(limits.mutations_in_flight),
            watches: Arc::new(Semaphore::new(limits.watches)),
            masters_watches: Arc::new(Semaphore::new(limits.watches.div_ceil(5))),
            metrics,
        }
    }

    fn admit(&self, info: &RequestInfo, exempt: bool) -> Option<Admitted> {
        if goes_on(info) {
            let taken = Arc::clone(&self.watches).try_acquire_owned();
            let reserve = || Arc::clone(&self.masters_watches).try_acquire_owned();
            let permit = match taken {
                Err(_) if exempt => reserve(),
                taken => taken,
            };
            let permit = permit.ok()?;
            return Some(Admitted {
                _permit: Some(permit),
                _counted: self.metrics.in_flight(RequestKind::Watch),
            });
        }
        let (kind, semaphore) = if info.is_read_only() {
            (RequestKind::Read, &self.reads)
        } else {
            (RequestKind::Mutating, &self.mutations)
        };
        let permit = match semaphore {
            None => None,
            Some(semaphore) => match Arc::clone(semaphore).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) if exempt => None,
                Err(_) => return None,
            },
        };
        Some(Admitted {
            _permit: permit,
            _counted: self.metrics.in_flight(kind),
        })
    }
}
