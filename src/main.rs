//! The `loadline` program: flags, one run or one answer, an exit code.

use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use loadline::app::{self, Ended, Outcome, Signals, story};
use loadline::config::{self, Command, Exit, Logging, Stream};
use loadline::telemetry;

fn main() -> ExitCode {
    let command = match config::parse_command(std::env::args_os()) {
        Ok(command) => command,
        Err(exit) => return leave(&exit),
    };
    match command {
        Command::Serve(settings) => {
            let (logging, cores) = (settings.logging, settings.max_procs);
            served(run(logging, cores, async |signals| {
                Ok(app::bind(settings).await?.run(signals).await)
            }))
        }
        Command::Eventer(settings) => {
            let (logging, cores) = (settings.logging, settings.max_procs);
            served(run(logging, cores, async |signals| {
                Ok(app::bind_eventer(settings).await?.run(signals).await)
            }))
        }
        Command::Check { settings, output } => answer(app::check(settings, output)),
        Command::Why {
            settings,
            subject,
            output,
        } => answer(app::explain(settings, subject, output)),
        Command::TakeOver { settings, options } => {
            // Nobody is left to tell when even this fails.
            let say = |line: &str| drop(writeln!(std::io::stdout(), "{line}"));
            answer(app::take_over(settings, options, &say))
        }
    }
}

fn served(ended: anyhow::Result<Ended>) -> ExitCode {
    match ended {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::Failed | Ended::Cut) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{}", story(&error));
            ExitCode::FAILURE
        }
    }
}

/// Prints an answer: 0 when all is well, 1 when something is not or there is no answer.
fn answer(ask: impl Future<Output = anyhow::Result<Outcome>>) -> ExitCode {
    match asked(ask) {
        Ok(outcome) => {
            // Nobody is left to tell when even this fails.
            let _ = write!(std::io::stdout(), "{}", outcome.text);
            ExitCode::from(u8::from(!outcome.ok))
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", story(&error));
            ExitCode::FAILURE
        }
    }
}

fn asked(ask: impl Future<Output = anyhow::Result<Outcome>>) -> anyhow::Result<Outcome> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(ask);
    runtime.shutdown_background();
    outcome
}

/// Runs until the end, on so many cores at most.
fn run(
    logging: Logging,
    cores: Option<NonZeroUsize>,
    serve: impl AsyncFnOnce(Signals) -> anyhow::Result<Ended>,
) -> anyhow::Result<Ended> {
    telemetry::init_logging(logging.format, logging.level)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed"))?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(most) = cores {
        // More threads than cores would only take turns.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        runtime.worker_threads(cores.min(most.get()));
    }
    let runtime = runtime.enable_all().build()?;
    let ended = runtime.block_on(async {
        let signals = Signals::listen()?;
        serve(signals).await
    });
    // What a second signal cut short is not waited for.
    runtime.shutdown_background();
    ended
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
