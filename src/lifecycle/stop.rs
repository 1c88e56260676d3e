//! The one signal that ends everything.

use tokio::sync::watch;

/// Tells a task when to stop. Cheap to clone; every long-lived `run` takes one.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// The other end of [`Stop`], held by the wiring.
#[derive(Clone, Debug)]
pub struct StopSender(watch::Sender<bool>);

impl Stop {
    /// A stop signal and the hand that gives it.
    #[must_use]
    pub fn channel() -> (StopSender, Self) {
        let (sender, receiver) = watch::channel(false);
        (StopSender(sender), Self(receiver))
    }

    /// Returns once stopping has begun, at once if it already has. Safe to drop and call again.
    pub async fn stopped(&self) {
        // An error means that the sender is gone, which is an end too.
        let _ = self.0.clone().wait_for(|stopping| *stopping).await;
    }

    /// Tells whether stopping has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Runs `future` until it ends or stopping begins; `None` when it was cut short.
    pub async fn until<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.stopped() => None,
            output = future => Some(output),
        }
    }
}

impl StopSender {
    /// Begins to stop. Calling it again changes nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_hears_the_stop_also_late_comers() {
        let (sender, stop) = Stop::channel();
        assert!(!stop.is_stopping());
        sender.stop();
        stop.stopped().await;
        assert!(stop.clone().is_stopping());
        assert_eq!(stop.until(std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_lost_sender_is_a_stop() {
        let (sender, stop) = Stop::channel();
        drop(sender);
        stop.stopped().await;
        assert!(stop.is_stopping());
    }
}
