//! `node` and `join`: running one node until it is told to stop.

use std::time::Duration;

use anyhow::Context as _;
use bitcraps_host::Identity;
use bitcraps_host::identity::{IdentityError, Passphrase};
use bitcraps_host::launch::choose_port;
use bitcraps_protocol::identity::ProofOfWork;
use bitcraps_tokio::config::Config;
use bitcraps_tokio::fetch::fetch_genesis;
use bitcraps_tokio::home::{Home, read_genesis};
use bitcraps_tokio::runtime::{Chips, Running};
use bitcraps_tokio::ticket::Ticket;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::cli::{Join, NodeArgs};
use crate::exit::{Stopped, Usage};
use crate::keys;
use crate::output::{Output, aside, grouped};
use crate::words::short;

/// How long a start waits for the chips of an invitation before it says that it is ready.
const CHIPS_WAIT: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct Ready {
    ready: bool,
    address: String,
    network: String,
    name: String,
    /// Where peers are accepted over TCP, if they are.
    listen: Option<String>,
    bluetooth: bool,
    api: Option<String>,
    data_dir: String,
}

/// `bitcraps node`.
pub(crate) async fn run(config: Config, arguments: NodeArgs, output: Output) -> anyhow::Result<()> {
    let home = Home::new(&config.data_dir.value);
    if let Some(path) = &arguments.genesis {
        home.adopt(&read_genesis(path)?)?;
    }
    if let Some(path) = &arguments.network_key {
        home.adopt_key_in(path)?;
    }
    serve(config, arguments.accept_lost_journal, output).await
}

/// `bitcraps join`.
pub(crate) async fn join(config: Config, arguments: Join, output: Output) -> anyhow::Result<()> {
    let ticket = arguments.ticket.parse::<Ticket>();
    let ticket = ticket.map_err(|error| Usage(format!("the ticket {error}")))?;
    let home = Home::new(&config.data_dir.value);
    home.check_network(ticket.network)?;
    output.words(&format!("joining \"{}\" ({})", ticket.name, ticket.network.short()))?;
    if !home.has_genesis() {
        let hints = ticket.hints.iter().map(|hint| hint.to_string()).collect::<Vec<_>>();
        let genesis = fetch_genesis(&hints, ticket.network, ticket.key.as_ref())
            .await
            .context("nobody named in the ticket could be reached")?;
        home.adopt(&genesis)?;
    }
    home.accept(&ticket)?;
    if let Some(table) = ticket.table {
        output.words(&format!("your seat: bitcraps sit {}", table.0))?;
    }
    serve(config, false, output).await
}

/// `bitcraps relay`.
pub(crate) async fn relay(
    mut config: Config,
    arguments: Join,
    output: Output,
) -> anyhow::Result<()> {
    let ticket = arguments.ticket.parse::<Ticket>();
    let ticket = ticket.map_err(|error| Usage(format!("the ticket {error}")))?;
    let home = Home::new(&config.data_dir.value);
    if home.has_genesis() {
        let directory = home.directory().display();
        let text = format!("{directory} is a node's; choose another --data-dir for the relay");
        return Err(Usage(text).into());
    }
    if ticket.key.is_some() || ticket.voucher.is_some() {
        aside("warning: this ticket was for a member; a relay needs neither its key nor its chips");
    }
    let for_relay = Ticket { key: None, voucher: None, ..ticket };
    home.accept(&for_relay)?;
    let mut signals = Signals::new()?;
    choose_port(&mut config, &home);
    let passphrase = keys::passphrase(&home)?;
    let (identity, _) = identity(&home, passphrase.as_ref())?;
    let running = Running::relay(&config, &for_relay, identity).await?;
    say_ready(&running, output)?;
    tokio::select! {
        exit = running.ended() => Stopped::check(exit)?,
        () = signals.recv() => {}
    }
    let carried = running.handle().status().relay.map_or(0, |relay| relay.carried);
    let said = output.words(&format!("stopping; carried {carried} messages"));
    Stopped::check(running.stop().await)?;
    Ok(said?)
}

/// Runs the node until a signal, or until it cannot go on.
async fn serve(
    mut config: Config,
    accept_lost_journal: bool,
    output: Output,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let home = Home::new(&config.data_dir.value);
    choose_port(&mut config, &home);
    let passphrase = keys::passphrase(&home)?;
    let (identity, made) = identity(&home, passphrase.as_ref())?;
    if made {
        let directory = home.directory().display();
        output.words(&format!("made an identity in {directory}: {}", identity.address()))?;
    }
    if passphrase.is_none() {
        aside(
            "warning: the identity is not sealed; whoever can read its file has the key and its \
             chips. Seal it with: bitcraps key seal",
        );
    }
    let running = Running::start(&config, passphrase, accept_lost_journal).await?;
    let played = tokio::select! {
        played = play(&running, output) => played,
        exit = running.ended() => Err(Stopped::check(exit).err().map_or_else(
            || anyhow::anyhow!("the node has stopped"), Into::into)),
        () = signals.recv() => Ok(()),
    };
    let said = output.words("stopping");
    let stopped = Stopped::check(running.stop().await);
    // Why it stops matters more than whether anybody listens.
    played?;
    stopped?;
    Ok(said?)
}

/// Takes the invitation's chips, says that the node is ready, and goes on for ever.
async fn play(running: &Running, output: Output) -> anyhow::Result<()> {
    let chips = timeout(CHIPS_WAIT, take_chips(running, output)).await;
    say_ready(running, output)?;
    if chips.is_err() {
        aside("the invitation's chips have not arrived yet; still looking for them");
        take_chips(running, output).await;
    }
    std::future::pending().await
}

async fn take_chips(running: &Running, output: Output) {
    let said = match running.take_chips().await {
        Ok(Chips::None) => Ok(()),
        Ok(Chips::Received(amount)) => output.words(&format!("received {} chips", grouped(amount))),
        Ok(Chips::TakenBefore) => {
            output.words("somebody else has already taken this invitation's chips")
        }
        Err(error) => output.words(&format!("the invitation's chips are not taken: {error}")),
    };
    if let Err(error) = said {
        tracing::debug!(%error, "nobody reads the output");
    }
}

fn say_ready(running: &Running, output: Output) -> anyhow::Result<()> {
    let status = running.handle().status();
    let ready = Ready {
        ready: true,
        address: running.address().to_string(),
        network: status.network.to_string(),
        name: status.name.clone(),
        listen: running.listens_on().map(|address| address.to_string()),
        bluetooth: running.is_on_bluetooth(),
        api: running.api_tcp_addr().map(|address| address.to_string()),
        data_dir: running.data_dir().display().to_string(),
    };
    if let Some(reason) = status.abstains {
        aside(&format!("this validator does not vote: {reason}"));
    }
    if running.voted_without_journal() {
        aside(
            "WARNING: this validator votes although its journal was lost, because it was told to; \
             if an earlier vote of its key says otherwise, that is evidence against it",
        );
    }
    let role = match status.validator {
        Some(index) => format!("validator {index} (of {}, counted from 0)", status.validators),
        None if status.light => "a light node".into(),
        None if status.relay.is_some() => "a relay".into(),
        None => "player".into(),
    };
    output.answer(&ready, || {
        let listen = ready.listen.as_ref();
        let listen = listen.map_or(String::new(), |address| format!(", listening on {address}"));
        let bluetooth = if ready.bluetooth { ", on Bluetooth" } else { "" };
        let api = ready.api.as_ref().map_or(String::new(), |api| format!(", API on {api}"));
        format!(
            "ready: {} on \"{}\" ({}), {role}{listen}{bluetooth}{api}, data in {}",
            short(&status.peer.to_string()),
            ready.name,
            short(&ready.network),
            ready.data_dir
        )
    })?;
    Ok(())
}

/// SIGINT and SIGTERM, from when this is made.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one of them.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The identity of a data directory, which may have no network yet, and whether it was made.
pub(crate) fn identity(
    home: &Home,
    passphrase: Option<&Passphrase>,
) -> Result<(Identity, bool), IdentityError> {
    Identity::load_or_create(home.directory(), ProofOfWork::DEFAULT_BITS, passphrase)
}
