//! `dev`: a whole network on this machine. Real nodes with their own data directories over real
//! TCP, bots that play through the nodes' APIs, a live view, and at the end a verdict.

mod bot;
mod cluster;
mod measure;
mod members;
mod play;
mod report;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::cluster::Cluster;
use self::measure::Measurements;
use self::play::Game;
use crate::cli::Dev;
use crate::output::Output;

/// `bitcraps dev`.
pub(crate) async fn run(arguments: Dev, output: Output) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let measurements = Measurements::shared();
    let mut cluster = Cluster::prepare(&arguments, &measurements).await?;
    output.words(&format!(
        "{} validators and {} bots in {}",
        arguments.nodes,
        arguments.bots,
        cluster.directory().display()
    ))?;
    let played = match cluster.start(&measurements).await {
        Ok(()) => Game::new(&arguments, &cluster, output, measurements).play(stop).await,
        Err(error) => Err(error),
    };
    let stopped = cluster.stop().await;
    let report = played?;
    output.answer(&report, || report.words())?;
    stopped?;
    if report.problems.is_empty() { Ok(()) } else { bail!(report.problems.join("; ")) }
}

/// Becomes true at the first signal to stop; the second one ends the process at once.
fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for code in [None, Some(130)] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            sender.send_replace(true);
            if let Some(code) = code {
                std::process::exit(code);
            }
        }
    });
    Ok(receiver)
}
