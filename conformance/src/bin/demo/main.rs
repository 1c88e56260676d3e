//! `cargo demo`: a simulated cluster, Loadline beside it, and what it says, in one terminal.
#![expect(clippy::print_stderr, reason = "a program for people")]

mod numbers;
mod table;

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use conformance::lab::{Lab, LabConfig, Stamps, World};
use conformance::loadline::{Loadline, SERVER_NAME, Start, program};
use conformance::process::free_address;
use conformance::real::cache;
use nix::sys::signal::Signal;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use numbers::Numbers;
use table::Table;

/// A live demonstration: three nodes and 24 pods that are not there, measured by a Loadline that is.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Use this loadline in place of building one
    #[arg(long, value_name = "PATH")]
    loadline: Option<PathBuf>,
    /// Print one table as soon as every pod has its number and a line, and end
    #[arg(long)]
    once: bool,
    /// Seconds between two looks
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
}

const COMPLETE_DEADLINE: Duration = Duration::from_secs(60);
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let binary = match &arguments.loadline {
        Some(path) => path.clone(),
        None => {
            eprintln!("building loadline …");
            program().await?
        }
    };
    let started = Instant::now();
    let lab = Lab::start(World::demo(), LabConfig::default()).await?;
    // A real kubelet samples its node every ten seconds: longer than a first look should take.
    for node in lab.world.nodes() {
        let often = Stamps::Every(Duration::from_secs(1));
        lab.kubelets
            .behave(&node.meta.name, |kubelet| kubelet.stamps = often)?;
    }
    let model = SocketAddr::from((Ipv4Addr::LOCALHOST, free_address()?.port()));
    let start = Start::new(&lab, &binary)?
        .with("metric-resolution", "10s")
        .with("kubelet-request-timeout", "5s")
        .with("rollup-resolution", "5s")
        .with("listen-ip", &model.ip().to_string())
        .with("heapster-port", &model.port().to_string());
    let mut loadline = start.launch(&lab)?;
    lab.api.register(loadline.backend(&lab))?;
    let mut terminate = signal(SignalKind::terminate())?;
    // The terminal was closed.
    let mut hangup = signal(SignalKind::hangup())?;
    let show = Box::pin(show(&lab, &mut loadline, &arguments, started, model));
    let result = tokio::select! {
        result = show => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    };
    if loadline.process.signal(Signal::SIGTERM).is_ok() {
        loadline.process.wait(DRAIN_DEADLINE).await?;
    }
    match result {
        // Whoever read the tables has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Shows tables until there is a reason to stop.
async fn show(
    lab: &Lab,
    loadline: &mut Loadline,
    arguments: &Arguments,
    started: Instant,
    model: SocketAddr,
) -> Result<()> {
    let mut screen = Screen::new(!arguments.once && std::io::stdout().is_terminal());
    let kubeconfig = lab.admin_kubeconfig();
    let metric = "namespaces/kube-system/metrics/cpu/usage_rate";
    let try_these = vec![
        format!("kubectl --kubeconfig {} top pod -A", kubeconfig.display()),
        format!("curl http://{model}/api/v1/model/{metric}"),
        suite(lab, loadline)?,
    ];
    let client = lab.admin()?.with_deadline(Duration::from_secs(5));
    // Once the only table is printed the cluster is gone, and nothing left to try.
    let mut table = Table::new(if arguments.once {
        Vec::new()
    } else {
        try_these
    });
    let interval = Duration::from_secs(arguments.interval);
    let first_look = Instant::now();
    loop {
        loadline.process.expect_running()?;
        table.update(Numbers::ask(&client, model).await?);
        if table.is_complete() {
            table.note_complete(started.elapsed());
        }
        if !arguments.once {
            screen.show(&table).await?;
            let pause = if table.is_complete() {
                interval
            } else {
                interval.min(Duration::from_secs(1))
            };
            tokio::time::sleep(pause).await;
        } else if table.is_complete() && table.has_lines() {
            return screen.show(&table).await;
        } else {
            ensure!(
                first_look.elapsed() < COMPLETE_DEADLINE,
                "some pods have no number after {COMPLETE_DEADLINE:?}\n{}",
                loadline.process.tail()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The command that holds this Loadline to the contract, complete with the files it needs.
fn suite(lab: &Lab, loadline: &Loadline) -> Result<String> {
    let authority = lab.file("serving-ca.crt");
    std::fs::write(&authority, lab.pki.serving.pem())?;
    let proxy = lab.front_proxy.write(lab.folder(), "front-proxy-client")?;
    let mut command = format!(
        "cargo run -p conformance --bin conformance -- \\\n  --target https://{} --server-name {SERVER_NAME} \\\n  \
         --ca {} \\\n  --proxy-cert {} \\\n  --proxy-key {}",
        loadline.address,
        authority.display(),
        proxy.certificate.display(),
        proxy.key.display(),
    );
    // The one the lanes have built, if they have.
    if let Some(kubectl) = cache().ok().map(|cache| cache.join("kubectl"))
        && kubectl.exists()
    {
        let (kubectl, kubeconfig) = (kubectl.display(), lab.admin_kubeconfig());
        let kubeconfig = kubeconfig.display();
        command += &format!(" \\\n  --kubectl {kubectl} --kubeconfig {kubeconfig}");
    }
    Ok(command)
}

/// Where tables go: a terminal that is redrawn, or a pipe that gets one after the other.
struct Screen {
    redraws: bool,
}

impl Screen {
    fn new(redraws: bool) -> Self {
        if redraws {
            // The other screen, without a cursor.
            let _ = write!(std::io::stdout(), "\x1b[?1049h\x1b[?25l");
        }
        Self { redraws }
    }

    async fn show(&mut self, table: &Table) -> Result<()> {
        let rows = if self.redraws {
            terminal_rows().await
        } else {
            None
        };
        let text = table.render(rows, self.redraws);
        let mut out = std::io::stdout().lock();
        if self.redraws {
            // Home; each line clears its own rest, the end clears what is below.
            let lines = text.trim_end().replace('\n', "\x1b[K\r\n");
            write!(out, "\x1b[H{lines}\x1b[J")?;
        } else {
            writeln!(out, "{text}")?;
        }
        out.flush()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.redraws {
            let _ = write!(std::io::stdout(), "\x1b[?25h\x1b[?1049l");
            let _ = std::io::stdout().flush();
        }
    }
}

/// How many rows the terminal has, as `stty` says.
async fn terminal_rows() -> Option<usize> {
    let stty = Command::new("stty")
        .arg("size")
        .stdin(std::process::Stdio::inherit())
        .output();
    let output = stty.await.ok()?;
    let size = String::from_utf8(output.stdout).ok()?;
    let rows = size.split_whitespace().next()?.parse().ok();
    // A terminal that does not know its size says 0.
    rows.filter(|rows| *rows > 0)
}
