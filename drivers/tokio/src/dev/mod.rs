//! `dev`: a whole network on this machine. Real nodes with their own data directories over real
//! TCP, bots that play through the nodes' APIs, a live view, and at the end a verdict.

mod bot;
mod chaos;
mod cluster;
mod measure;
mod members;
mod play;
mod proxy;
mod report;
mod verdict;

use std::io;
use std::time::Duration;

use anyhow::bail;
use tokio::sync::watch;
use tokio::time::sleep;

use self::cluster::Cluster;
use self::measure::Measurements;
use self::play::Game;
use crate::cli::Dev;
use crate::node::Signals;
use crate::output::Output;

/// How long after the first signal to stop another one counts as impatience.
const GRACE: Duration = Duration::from_secs(1);

/// `bitcraps dev`.
pub(crate) async fn run(arguments: Dev, output: Output) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    if !arguments.chaos.is_empty() {
        return chaos::run(arguments, output, stop).await;
    }
    let measurements = Measurements::shared();
    let mut cluster = Cluster::prepare(&arguments, &measurements).await?;
    output.words(&format!(
        "validators: {}, bots: {}, data: {}",
        arguments.nodes,
        arguments.bots,
        cluster.directory().display()
    ))?;
    let played = match cluster.start(&measurements).await {
        Ok(()) => Game::new(&arguments, &cluster, output, measurements).play(stop).await,
        Err(error) => Err(error),
    };
    let is_well = played.as_ref().is_ok_and(|report| report.problems.is_empty());
    let stopped = cluster.stop(is_well).await;
    let report = played?;
    output.answer(&report, || report.words())?;
    stopped?;
    if is_well { Ok(()) } else { bail!(report.problems.join("; ")) }
}

/// Becomes true at the first signal to stop; another one, a while later, ends the process at once.
fn stop_signal() -> io::Result<watch::Receiver<bool>> {
    let mut first = Signals::new()?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        first.recv().await;
        sender.send_replace(true);
        // Some senders say it twice.
        sleep(GRACE).await;
        if let Ok(mut second) = Signals::new() {
            second.recv().await;
            std::process::exit(130);
        }
    });
    Ok(receiver)
}
