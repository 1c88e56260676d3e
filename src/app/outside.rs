//! The databases outside: sinks that are sent columns, and the store that is asked for what was.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::story;
use crate::config::Settings;
use crate::domain::Clock;
use crate::history::HistoricalSource;
use crate::rollup::Labelling;
use crate::sinks::{self, Labeller, Problems, Sinks};
use crate::stores::{SetupError, Store};
use crate::telemetry::Registry;

/// How long sinks have at the end for what waits: a little less than is waited for any task then.
const FLUSH: Duration = Duration::from_secs(4);

/// A store that is asked.
type Asked = Arc<dyn HistoricalSource>;

/// The sinks, if there are any, and the store that is asked, if one is.
pub(super) type Outside = (Option<Sinks>, Option<Asked>);

/// Sets up the sinks that were given.
fn sinks(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> Result<Sinks, Problems> {
    let config = sinks::Config {
        export_timeout: settings.heapster.export_timeout,
        flush: FLUSH,
        ..sinks::Config::default()
    };
    let labelling = Labelling::new(settings.rollup.labels.clone());
    let labeller: Arc<dyn Labeller> = Arc::new(labelling);
    let heapster = &settings.heapster;
    let (given, spool) = (heapster.sinks.clone(), heapster.spool.clone());
    Sinks::new(config, given, spool, &labeller, clock, registry)
}

/// Sets up the sinks, if there are any, and the store that is asked, if one is.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(super) fn outside(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> Result<Outside> {
    let sends = !settings.heapster.sinks.is_empty();
    let sinks = sends.then(|| sinks(settings, clock, registry));
    let store = store(settings, clock, registry);
    let sinks = sinks.transpose();
    both(
        sinks.map_err(|problems| anyhow!(told(&problems))),
        store.map_err(|error| anyhow!("--historical-source: {error}")),
    )
}

/// Both, or what is wrong with either: a person mends all of it at once.
pub(super) fn both<A, B>(a: Result<A>, b: Result<B>) -> Result<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err(anyhow!("{}; {}", story(&a), story(&b))),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

/// The store that knows of the time before what is kept here, where one is named.
fn store(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> Result<Option<Asked>, SetupError> {
    let Some(written) = settings.heapster.historical.clone() else {
        return Ok(None);
    };
    let store = Store::new(written, clock, registry)?;
    Ok(Some(Arc::new(store)))
}

/// Each problem with the flag it is about.
pub(super) fn told(problems: &Problems) -> String {
    let each = problems.0.iter();
    let each: Vec<_> = each.map(|problem| format!("--sink {problem}")).collect();
    each.join("; ")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use anyhow::Context;

    use super::*;
    use crate::app::{bind, bind_eventer};
    use crate::config::{Command, parse_command};

    #[tokio::test]
    async fn files_of_sinks_are_told_beside_a_kubeconfig_that_is_none() {
        const FLAGS: [&str; 2] = [
            "--kubeconfig=/nowhere/config",
            "--sink=influxdb:https://h?cacert=/nowhere/ca",
        ];
        for first in [
            &["loadline", "--client-ca-file=/nowhere/client"][..],
            &["eventer"],
        ] {
            let words = first.iter().chain(&FLAGS).map(OsString::from);
            let error = match parse_command(words).unwrap() {
                Command::Serve(settings) => bind(settings).await.map(drop).unwrap_err(),
                Command::Eventer(settings) => bind_eventer(settings).await.map(drop).unwrap_err(),
                command @ (Command::Check { .. }
                | Command::Why { .. }
                | Command::TakeOver { .. }) => {
                    panic!("{command:?}")
                }
            };
            let told = story(&error);
            let mut expected = vec![
                "/nowhere/config",
                "influxdb: option cacert: cannot use /nowhere/ca",
            ];
            if first.len() > 1 {
                expected.push("/nowhere/client");
            }
            for what in expected {
                assert!(told.contains(what), "{what}: {told}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_either_is_told() {
        let wrong = |what: &str| Err::<(), _>(anyhow!("gone")).context(what.to_owned());
        let told = |error: anyhow::Error| format!("{error:#}");
        assert!(both(Ok(1), Ok(2)).is_ok());
        assert_eq!(told(both(wrong("a"), Ok(2)).unwrap_err()), "a: gone");
        assert_eq!(told(both(Ok(1), wrong("b")).unwrap_err()), "b: gone");
        let all = both(both(wrong("a"), wrong("b")), wrong("c"));
        assert_eq!(told(all.unwrap_err()), "a: gone; b: gone; c: gone");
    }
}
