//! The commands that ask a running node or prepare a data directory.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bitcraps_host::api::{
    EventView, InvitationRequest, OddsView, OperationRequest, RotationRequest, TableView,
    TransactionState,
};
use bitcraps_protocol::chain::{Genesis, ValidatorCard};
use bitcraps_protocol::craps::{Chips, Rules};
use bitcraps_protocol::identity::ProofOfWork;
use bitcraps_protocol::keyring::NetworkKey;
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::BlockTime;
use bitcraps_protocol::wire::Text;
use bitcraps_tokio::client::{Client, ClientError};
use bitcraps_tokio::config::Config;
use bitcraps_tokio::home::{Home, write_whole};
use serde::Serialize;
use serde_json::json;
use tokio::signal::ctrl_c;
use tokio::time::sleep;

use crate::cli::{
    Call, Change, Command, Hand, Invite, Key, Network, NewNetwork, Round, Store, Table,
};
use crate::exit::{Stopped, Usage};
use crate::node::identity;
use crate::output::{Output, aside, grouped};
use crate::{audits, backups, chat, keys, odds, receipt, stats, store, words};

/// How often the node is asked whether a snapshot stands.
const SNAPSHOT_LOOK: Duration = Duration::from_millis(100);
/// How long nothing is said about waiting for one.
const STILL_WAITING: Duration = Duration::from_secs(2);

/// Carries out a command on the node of `config`'s data directory.
pub(crate) async fn run(command: Command, config: &Config, output: Output) -> anyhow::Result<()> {
    let session = Session { client: Client::new(&config.data_dir.value), output };
    let home = Home::new(&config.data_dir.value);
    match command {
        Command::Dev(_)
        | Command::Node(_)
        | Command::Join(_)
        | Command::Relay(_)
        | Command::Odds(_)
        | Command::Hand(Hand::Play(_))
        | Command::Nearby { .. } => {
            unreachable!("these are carried out elsewhere")
        }
        Command::Key(Key::Card) => card(&home, output),
        Command::Key(command) => keys::run(&home, command, output),
        Command::Audit(command) => audits::run(&home, command, output),
        Command::Backup(command) => backups::run(config, command, output),
        Command::Store(Store::Snapshot) => session.snapshot().await,
        Command::Store(command) => store::run(&home, &command, output),
        Command::Network(Network::New(network)) => new_network(&home, network, output),
        Command::Network(Network::Header) => receipt::header(&session.client, output).await,
        Command::Network(Network::Rotate { without, with }) => {
            session.rotate(RotationRequest::Make { without, with }).await
        }
        Command::Network(Network::Endorse { rotation }) => {
            session.rotate(RotationRequest::Endorse(rotation)).await
        }
        Command::Receipt(wanted) => receipt::write(&session.client, wanted, output).await,
        Command::Verify(wanted) => receipt::verify(&home, wanted, output),
        Command::Chat(chat) => chat::run(&session.client, chat, output).await,
        Command::Invite(invite) => session.invite(invite).await,
        Command::Status => session.status().await,
        Command::Balance { address } => session.balance(address).await,
        Command::Transfer { address, amount, change } => {
            session.change(OperationRequest::Transfer { to: address, amount }, change).await
        }
        Command::Table(table) => session.table(table).await,
        Command::Sit { table, change } => {
            session.change(OperationRequest::Sit { table }, change).await
        }
        Command::Stand { table, change } => {
            session.change(OperationRequest::Stand { table }, change).await
        }
        Command::Bet { table, bet, amount, round, change } => {
            let round = session.round(table, round).await?;
            session.change(OperationRequest::Bet { table, round, bet, amount }, change).await
        }
        Command::Down { table, bet, amount, round, change } => {
            let round = session.round(table, round).await?;
            session.change(OperationRequest::TakeDown { table, round, bet, amount }, change).await
        }
        Command::On(call) => session.call(call, true).await,
        Command::Off(call) => session.call(call, false).await,
        Command::Hand(Hand::Export { table }) => session.export(table).await,
        Command::Ready { table, round, change } => {
            let round = session.round(table, round).await?;
            session.change(OperationRequest::Ready { table, round }, change).await
        }
        Command::PassDice { table, round, change } => {
            let round = session.round(table, round).await?;
            session.change(OperationRequest::PassDice { table, round }, change).await
        }
        Command::Roll { table, round, change } => {
            let round = session.round(table, round).await?;
            session.change(OperationRequest::Roll { table, round }, change).await
        }
    }
}

#[derive(Serialize)]
struct CardView {
    card: String,
    address: String,
}

fn card(home: &Home, output: Output) -> anyhow::Result<()> {
    let passphrase = keys::passphrase(home)?;
    let (identity, made) = identity(home, passphrase.as_ref())?;
    if made {
        aside(&format!("made an identity in {}", home.directory().display()));
    }
    let card = ValidatorCard::new(&identity.keypair, identity.proof).to_string();
    let view = CardView { card, address: identity.address().to_string() };
    output.answer(&view, || view.card.clone())?;
    Ok(())
}

#[derive(Serialize)]
struct NetworkView {
    network: String,
    name: String,
    validators: usize,
    tolerated_faults: usize,
    insecure_dealer: bool,
    genesis: String,
    /// Where its key is, if it is private.
    network_key: Option<String>,
}

fn new_network(home: &Home, network: NewNetwork, output: Output) -> anyhow::Result<()> {
    let NewNetwork { validators, name, chips, out, insecure_dealer, private } = network;
    let cards = validators.iter().map(|card| {
        let parsed = card.parse::<ValidatorCard>();
        parsed.map_err(|error| Usage(format!("the card {}… {error}", words::short(card))))
    });
    let cards = cards.collect::<Result<Vec<_>, _>>()?;
    let allocations = cards.iter().map(|card| (card.address, Chips(chips))).collect();
    let name = Text::new(name).map_err(|error| Usage(format!("the network's name is {error}")))?;
    let count = cards.len();
    let bits = ProofOfWork::DEFAULT_BITS;
    let genesis = if insecure_dealer {
        Genesis::insecure(name, cards, allocations, now(), bits, &mut entropy()?)
    } else {
        Genesis::new(name, cards, allocations, now(), bits)
    };
    let genesis = genesis.map_err(|refusal| Usage(refusal.to_string()))?;
    let path = match out {
        Some(path) => {
            write_whole(&path, &genesis.encode())?;
            path
        }
        None => {
            home.adopt(&genesis)?;
            home.genesis_path()
        }
    };
    let network_key = if private {
        let key = NetworkKey::first(&mut entropy()?);
        let mut beside = path.clone().into_os_string();
        beside.push(".key");
        let beside = PathBuf::from(beside);
        write_whole(&beside, format!("{key}\n").as_bytes())?;
        if path == home.genesis_path() {
            home.adopt_key(key)?;
        }
        Some(beside.display().to_string())
    } else {
        None
    };
    let view = NetworkView {
        network: genesis.network().to_string(),
        name: genesis.name.to_string(),
        validators: count,
        tolerated_faults: count.saturating_sub(1) / 3,
        insecure_dealer,
        genesis: path.display().to_string(),
        network_key,
    };
    if count <= 3 {
        aside(&format!(
            "warning: {count} validators tolerate no fault: if one stops, the network stops, and \
             one that cheats is not outvoted. Four tolerate one"
        ));
    }
    if insecure_dealer {
        aside(
            "warning: the dice key was dealt on this machine: whoever runs it could know every \
             roll. For play money only",
        );
    }
    output.answer(&view, || {
        let (what, flag) = match &view.network_key {
            Some(key) => (format!("{} and {key}", view.genesis), " --network-key FILE"),
            None => (view.genesis.clone(), ""),
        };
        format!(
            "made network \"{}\" ({}) with {count} validators: {what}\n\
             give this to the other validators; each runs: bitcraps node --genesis FILE{flag}",
            view.name,
            words::short(&view.network),
        )
    })?;
    Ok(())
}

/// The wall clock, which dates a network.
pub(crate) fn now() -> BlockTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 is wrong anyway; consensus will correct it.
    BlockTime(since.map_or(0, |since| since.as_millis() as u64))
}

/// A stream of random numbers from the operating system's entropy.
pub(crate) fn entropy() -> anyhow::Result<Rng> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("cannot draw random bytes")?;
    Ok(Rng::new(seed))
}

/// A table, and what its bets are worth.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    table: TableView,
    odds: Vec<OddsView>,
}

/// A running node and where its answers go.
struct Session {
    client: Client,
    output: Output,
}

impl Session {
    async fn status(&self) -> anyhow::Result<()> {
        let status = self.client.status().await?;
        self.output.answer(&status, || words::status(&status))?;
        match status.halted {
            Some(reason) => Err(Stopped::halted(reason).into()),
            None => Ok(()),
        }
    }

    async fn balance(&self, address: Option<String>) -> anyhow::Result<()> {
        let id = match address {
            Some(address) => address,
            None => self.client.status().await?.address,
        };
        let account = self.client.account(&id).await?;
        self.output.answer(&account, || {
            let proved = account.proved_at.map(|height| format!(", proved at block {height}"));
            format!("{} chips{}", grouped(account.balance), proved.unwrap_or_default())
        })?;
        Ok(())
    }

    async fn invite(&self, invite: Invite) -> anyhow::Result<()> {
        let Invite { chips, table, relay, qr } = invite;
        let request = InvitationRequest { chips, table, relay };
        let invitation = self.client.invite(&request).await?;
        if chips > 0 {
            aside(&format!(
                "whoever runs this first has {} of your chips: bitcraps join TICKET",
                grouped(chips)
            ));
        }
        if qr {
            aside(&crate::qr::code(&invitation.ticket)?);
        }
        self.output.answer(&invitation, || invitation.ticket.clone())?;
        Ok(())
    }

    /// Makes or endorses a new key of a private network, and says how it stands.
    async fn rotate(&self, request: RotationRequest) -> anyhow::Result<()> {
        let rotation = self.client.rotate(&request).await?;
        let private = self.client.status().await?.private;
        let pending = private.and_then(|it| {
            let waits = it.pending.into_iter().find(|pending| pending.id == rotation.id)?;
            Some((waits.endorsed_by.len(), it.endorsements_needed))
        });
        self.output.answer(&rotation, || match pending {
            Some((by, needed)) => format!(
                "{by} of {needed} validators stand by it; another one runs: bitcraps network \
                 endorse {}",
                rotation.id
            ),
            None => "the network has a new key".to_owned(),
        })?;
        Ok(())
    }

    /// The round for which a command is: the one that was named, or the table's present one.
    async fn round(&self, table: u32, round: Round) -> Result<u64, ClientError> {
        match round.round {
            Some(round) => Ok(round),
            None => Ok(self.client.table(table).await?.round),
        }
    }

    async fn change(&self, operation: OperationRequest, change: Change) -> anyhow::Result<()> {
        let view = if change.no_wait {
            self.client.submit(operation, false).await?
        } else {
            let tell = |waiting_for: &str| aside(&format!("still waiting: {waiting_for}"));
            self.client.carry_out(operation, tell).await?
        };
        self.output.answer(&view, || words::transaction(&view))?;
        match view.state {
            TransactionState::Failed { reason } => Err(anyhow::Error::msg(reason)),
            TransactionState::Final { .. }
            | TransactionState::Waiting { .. }
            | TransactionState::Unknown => Ok(()),
        }
    }

    async fn call(&self, call: Call, on: bool) -> anyhow::Result<()> {
        let Call { table, bet, round, change } = call;
        let round = self.round(table, round).await?;
        self.change(OperationRequest::SetWorking { table, round, bet, on }, change).await
    }

    /// Prints a table's hands as they come; the format is JSON whatever the output is otherwise.
    async fn export(&self, table: u32) -> anyhow::Result<()> {
        let mut lines = self.client.hands(table).await?;
        let mut output = BufWriter::new(std::io::stdout().lock());
        while let Some(line) = lines.next().await? {
            output.write_all(&line)?;
        }
        output.flush()?;
        Ok(())
    }

    async fn table(&self, table: Table) -> anyhow::Result<()> {
        match table {
            Table::Open { name, bank, betting_time, change } => {
                let mut rules = Rules::default();
                if let Some(seconds) = betting_time {
                    rules.window_ms = u64::from(seconds) * 1000;
                }
                let open = OperationRequest::OpenTable { name, rules: Some(Box::new(rules)), bank };
                self.change(open, change).await
            }
            Table::Close { table, change } => {
                self.change(OperationRequest::CloseTable { table }, change).await
            }
            Table::Fund { table, amount, change } => {
                self.change(OperationRequest::Fund { table, amount }, change).await
            }
            Table::Draw { table, amount, change } => {
                self.change(OperationRequest::Draw { table, amount }, change).await
            }
            Table::Stats { table } => stats::run(&self.client, table, self.output).await,
            Table::List => {
                let tables = self.client.tables().await?;
                self.output.answer(&tables, || words::tables(&tables))?;
                Ok(())
            }
            Table::Show { table } => {
                let view = self.client.table(table).await?;
                let status = self.client.status().await?;
                let shown = Shown { table: view, odds: self.client.odds(table).await? };
                self.output.answer(&shown, || {
                    let text = words::table(&shown.table, &status.peer, &status.waiting_for);
                    format!("{text}\n{}", odds::edges(&shown.odds))
                })?;
                Ok(())
            }
            Table::Watch { table } => tokio::select! {
                watched = self.watch(table) => watched,
                interrupted = ctrl_c() => Ok(interrupted?),
            },
        }
    }

    async fn watch(&self, table: u32) -> anyhow::Result<()> {
        let mut events = self.client.events().await?;
        let own = self.client.status().await?.peer;
        let mut shown = self.show(table, &own, String::new()).await?;
        while let Some(event) = events.next().await? {
            match &event {
                EventView::Rolled { table: at, .. } | EventView::Settled { table: at, .. }
                    if *at != table => {}
                EventView::Rolled { round, dice, .. } => {
                    if !self.output.is_screen() {
                        let words = || format!("roll {round}: {}", words::dice_text(*dice));
                        self.output.answer(&event, words)?;
                    }
                }
                EventView::Settled { .. }
                | EventView::Finalized { transactions: 1.., .. }
                | EventView::Missed { .. } => shown = self.show(table, &own, shown).await?,
                EventView::Halted { reason } => return Err(Stopped::halted(reason.clone()).into()),
                EventView::Finalized { transactions: 0, .. }
                | EventView::PeerUp { .. }
                | EventView::PeerDown { .. }
                | EventView::Misbehaved { .. }
                | EventView::Suspicious { .. }
                | EventView::Evidence { .. }
                | EventView::Entered { .. }
                | EventView::Done { .. }
                | EventView::Failed { .. }
                | EventView::KeyProposed { .. }
                | EventView::KeyChanged { .. }
                | EventView::LeftOut {}
                | EventView::Abstains { .. }
                | EventView::Said { .. }
                | EventView::Delivered { .. }
                | EventView::Undelivered { .. } => {}
            }
        }
        Err(Stopped::halted("it was told to".into()).into())
    }

    /// Waits until the node has a snapshot that is newer than those it has.
    async fn snapshot(&self) -> anyhow::Result<()> {
        let before = self.client.make_snapshot().await?.newest;
        let begun = Instant::now();
        let mut told = false;
        loop {
            let status = self.client.status().await?;
            if status.snapshot > before {
                let height = status.snapshot.unwrap_or_default();
                let view = json!({ "height": height });
                let words = || format!("snapshot of height {}", grouped(height));
                return Ok(self.output.answer(&view, words)?);
            }
            if !told && begun.elapsed() > STILL_WAITING {
                aside(
                    "waiting for the next block, of whose state it will be; Ctrl-C does not stop it",
                );
                told = true;
            }
            sleep(SNAPSHOT_LOOK).await;
        }
    }

    /// Shows the table if it looks different from what was `shown`.
    async fn show(&self, table: u32, own: &str, shown: String) -> anyhow::Result<String> {
        let view = self.client.table(table).await?;
        // Lines that stay are for what happened, not for what was missing for a moment.
        let waiting_for = match self.output.is_screen() {
            true => self.client.status().await?.waiting_for,
            false => String::new(),
        };
        let text = words::table(&view, own, &waiting_for);
        let fresh = if self.output.json { json!(view).to_string() } else { text.clone() };
        if fresh == shown {
            return Ok(shown);
        }
        if self.output.is_screen() {
            self.output.redraw(&text)?;
        } else {
            self.output.answer(&view, || text)?;
        }
        Ok(fresh)
    }
}
