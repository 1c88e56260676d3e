//! The `loadline` program: flags, one run, an exit code.

use std::io::Write;
use std::process::ExitCode;

use loadline::app::{self, Ended, Signals};
use loadline::config::{self, Exit, Settings, Stream};
use loadline::telemetry;

fn main() -> ExitCode {
    let settings = match config::parse(std::env::args_os()) {
        Ok(settings) => settings,
        Err(exit) => return leave(&exit),
    };
    match run(settings) {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::Failed | Ended::Cut) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{}", story(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> anyhow::Result<Ended> {
    telemetry::init_logging(settings.logging.format, settings.logging.level)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed"))?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(most) = settings.max_procs {
        // More threads than cores would only take turns.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        runtime.worker_threads(cores.min(most.get()));
    }
    let runtime = runtime.enable_all().build()?;
    let ended = runtime.block_on(async {
        let signals = Signals::listen()?;
        Ok(app::bind(settings).await?.run(signals).await)
    });
    // What a second signal cut short is not waited for.
    runtime.shutdown_background();
    ended
}

/// An error and its causes in one line. Some libraries repeat their cause in their own text: each is
/// told once.
fn story(error: &anyhow::Error) -> String {
    let mut story = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if story.ends_with(&cause) {
            continue;
        }
        if !story.is_empty() {
            story.push_str(": ");
        }
        story.push_str(&cause);
    }
    story
}

/// Prints what the command line asked for, or what is wrong with it.
fn leave(exit: &Exit) -> ExitCode {
    // Nobody is left to tell when even this fails.
    let _ = match exit.stream {
        Stream::Stdout => writeln!(std::io::stdout(), "{}", exit.text),
        Stream::Stderr => writeln!(std::io::stderr(), "{}", exit.text),
    };
    ExitCode::from(exit.code)
}
