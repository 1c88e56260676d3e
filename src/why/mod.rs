//! `loadline why`: why a pod has no number, or an autoscaler cannot decide.
//!
//! Reads from the API server what everybody may read who may view the namespace: the pod, its
//! metrics through the aggregator, how its node fares, the autoscaler. What follows from that is
//! decided by pure functions.

mod answer;
mod hpa;
mod pod;
mod reader;

use std::sync::Arc;

use crate::domain::Clock;

pub use answer::{Answer, Reason};

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A pod: why has it no number?
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A HorizontalPodAutoscaler: why does it not decide?
    Hpa {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Answers.
pub async fn why(client: &kube::Client, subject: &Subject, clock: &Arc<dyn Clock>) -> Answer {
    let reader = reader::Reader::new(client.clone());
    match subject {
        Subject::Pod { namespace, name } => {
            let facts = pod::Facts::read(&reader, namespace, name).await;
            pod::judge(&facts, clock.now())
        }
        Subject::Hpa { namespace, name } => {
            let facts = hpa::Facts::read(&reader, namespace, name).await;
            hpa::judge(&facts, clock.now())
        }
    }
}
