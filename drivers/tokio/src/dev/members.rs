//! One node of the network: inside this process, or a process of its own. Either way it is started
//! from its data directory like any other node, and spoken to through its API.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bitcraps_tokio::client::Client;
use bitcraps_tokio::config::{self, Flags, Layer};
use bitcraps_tokio::runtime::Running;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::measure::resident_bytes;
use crate::exit::Stopped;

/// How long a node may take to be ready.
const START: Duration = Duration::from_secs(120);
/// How long a process may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(10);
/// The file in a node's data directory that holds the log of its process.
const LOG_NAME: &str = "log";

/// What a node is told where it could find its way around the relays that it dials.
const OFF: &str = "off";

/// A running node.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) client: Client,
    body: Body,
}

enum Body {
    Inside(Box<Running>),
    Process(Child),
}

impl Member {
    /// Starts the node whose data directory is `directory`, which dials `peers` instead of those it
    /// is configured with; returns it and how long that took.
    pub(super) async fn start(
        directory: PathBuf,
        as_process: bool,
        peers: Option<Vec<String>>,
    ) -> anyhow::Result<(Self, Duration)> {
        let begun = Instant::now();
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let started = match as_process {
            true => process(&directory, peers).await,
            false => inside(&directory, peers).await,
        };
        let body = started.with_context(|| format!("{name} does not start"))?;
        let client = Client::new(&directory);
        Ok((Self { name, client, body }, begun.elapsed()))
    }

    /// The process that this node is, if it is one.
    pub(super) fn process(&self) -> Option<u32> {
        match &self.body {
            Body::Inside(_) => None,
            Body::Process(child) => child.id(),
        }
    }

    /// Resident memory in bytes, of a node that is a process.
    pub(super) fn resident_bytes(&self) -> Option<u64> {
        resident_bytes(self.process()?)
    }

    /// Ends the process without a warning.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        match &mut self.body {
            Body::Inside(_) => bail!("{} is no process of its own", self.name),
            Body::Process(child) => Ok(child.kill().await?),
        }
    }

    /// Sends a signal to the process.
    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let process = self.process().and_then(|id| Pid::from_raw(id.cast_signed()));
        let process = process.with_context(|| format!("{} is no running process", self.name))?;
        Ok(kill_process(process, signal)?)
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let name = self.name;
        match self.body {
            Body::Inside(running) => Stopped::check(running.stop().await).context(name),
            Body::Process(child) => stop_process(child).await.context(name),
        }
    }
}

async fn inside(directory: &Path, peers: Option<Vec<String>>) -> anyhow::Result<Body> {
    let off = || peers.is_some().then(|| OFF.to_owned());
    let layer = Layer { exchange: off(), lan: off(), peers, ..Layer::default() };
    let flags = Flags { data_dir: Some(directory.to_owned()), layer, ..Flags::default() };
    // The environment is for the `dev` command, not for each of its nodes.
    let config = config::load(flags, [])?.config;
    Ok(Body::Inside(Box::new(Running::start(&config, None, false).await?)))
}

async fn process(directory: &Path, peers: Option<Vec<String>>) -> anyhow::Result<Body> {
    let log = directory.join(LOG_NAME);
    let log_file = std::fs::OpenOptions::new().append(true).create(true).open(&log)?;
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BITCRAPS_") {
            command.env_remove(name);
        }
    }
    command.arg("node").arg("--data-dir").arg(directory);
    if let Some(peers) = peers {
        command.args(["--exchange", OFF, "--lan", OFF]);
        if !peers.is_empty() {
            command.arg("--peers").arg(peers.join(","));
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file).kill_on_drop(true);
    // Ctrl-C in the terminal is for `dev`, which then stops its nodes in order.
    command.process_group(0);
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await? {
            if line.starts_with("ready:") {
                return Ok(());
            }
        }
        bail!("it ended; see {}", log.display())
    };
    timeout(START, ready).await.context("it is not ready in time")??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(Body::Process(child))
}

async fn stop_process(mut child: Child) -> anyhow::Result<()> {
    let process = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(process) = process {
        kill_process(process, Signal::TERM)?;
    }
    let Ok(status) = timeout(STOP, child.wait()).await else {
        child.kill().await?;
        bail!("it did not stop and was killed");
    };
    let status = status?;
    if status.success() { Ok(()) } else { bail!("it ended with {status}") }
}
