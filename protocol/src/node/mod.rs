//! One node: the machines side by side, and the routes between them.
//!
//! Nothing is decided here. Frames go to the mesh, what it delivers goes to the machine that
//! understands it, what a machine wants goes to the machine or the driver that can do it.

mod budgets;
mod compact;
mod dice;
mod light;
mod newcomer;
mod packet;
mod relay;
mod results;
mod routes;
mod saying;
mod sealing;
mod show;
#[cfg(feature = "simulation")]
mod simulated;
mod snapshots;
mod status;
mod talk;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::beacon::generation::Participant;
use crate::beacon::{self, Beacon, Coin, CoinProof, DiceKeyId};
use crate::block::{Header, Height, Parent, ValidatorIndex, View};
use crate::chain::{
    Chain, Genesis, Nonce, Operation, Rejection, State, SubmitRefusal, Transaction, TransactionId,
    VerifiedTransaction,
};
use crate::chat::Chat;
use crate::consensus::{self, Consensus, Demand, ValidatorSet};
use crate::craps::Dice;
use crate::event::{Action, Command, CommandId, Event, LinkId, Notice, Position, Record, Refusal};
use crate::hooks::Hooks;
use crate::identity::{Address, Context, Epoch, Keypair, PeerId, ProofOfWork};
use crate::journal::Entry;
use crate::keyring::{Kept, KeyId, Keyring};
use crate::light::Recent;
use crate::mesh::post::{self, Post};
use crate::mesh::{self, Attempt, Buckets, Mesh};
use crate::receipt::Rolls;
use crate::rng::Rng;
use crate::session::LocalIdentity;
use crate::time::{BlockTime, Time};
use crate::wire::{Hash, List};

pub use crate::consensus::Past;
pub use light::{LightAction, LightNode, LightSetup, NoProof, QuestionId};
pub use newcomer::{Introduction, OldKey};
#[cfg(not(feature = "simulation"))]
pub(crate) use packet::Packet;
#[cfg(feature = "simulation")]
pub use packet::Packet;
pub use relay::{Relay, RelaySetup};
use sealing::Privacy;
#[cfg(feature = "simulation")]
pub use simulated::{Heard, Incoming, Outgoing, To};
pub use snapshots::SnapshotConfig;
use snapshots::{Recovered, Snapshots};
pub use status::{
    BanStatus, DiceStatus, PeerStatus, PrivateStatus, RelayStatus, RelayedStatus, RotationStatus,
    Status,
};

/// What a node is made of.
#[derive(Debug)]
pub struct Setup {
    /// The network it belongs to; must have passed [`Genesis::check`].
    pub genesis: Genesis,
    /// Its identity.
    pub keypair: Keypair,
    /// The proof of work of that identity.
    pub proof: ProofOfWork,
    /// Entropy, drawn once per process.
    pub seed: [u8; 32],
    /// Local policy.
    pub config: Config,
    /// Whether the journal holds all of this node's past.
    pub past: Past,
    /// The position of the first record that is given: 0, or that of a base.
    pub begins: Position,
    /// The keys of a private network: what the ticket held, or the last [`Action::KeepKeys`] of its
    /// last life. [`Kept::nothing`] if the network is not private.
    pub keys: Kept,
}

/// Local policy. The defaults are right for a node on the internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Time-outs and intervals of consensus.
    pub consensus: consensus::Config,
    /// Links and lanes.
    pub mesh: mesh::Config,
    /// How shares of coins are asked for.
    pub beacon: beacon::Config,
    /// How snapshots are made and fetched.
    pub snapshots: SnapshotConfig,
    /// Openings of tables that one identity may bring here. 5 a minute: each costs
    /// [`OPENING_COSTS`](Config::OPENING_COSTS), of which a second brings one.
    pub openings: mesh::Rate,
}

impl Config {
    /// What one opening of a table costs.
    pub const OPENING_COSTS: u64 = 12;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            consensus: consensus::Config::default(),
            mesh: mesh::Config::default(),
            beacon: beacon::Config::default(),
            snapshots: SnapshotConfig::default(),
            openings: mesh::Rate { burst: 5 * Self::OPENING_COSTS, per_second: 1 },
        }
    }
}

/// Identities whose openings of tables are counted.
const OPENERS: usize = 1024;

/// Why a node cannot start from what its journal holds, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotStart(pub String);

/// How many blocks a transaction made here may wait: an hour at a block a second, several seconds
/// at the pace of machines.
const EXPIRES_AFTER_BLOCKS: u64 = 10_000;

/// How long after a block neighbours are reminded of waiting transactions; doubled each time.
const OFFER_INTERVAL: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const MOST_OFFER_INTERVAL: Duration = Duration::from_secs(16);

/// Of how many waiting transactions neighbours are reminded at a time.
const OFFERED_AT_ONCE: usize = 64;

/// The message that is being handled, to be relayed if a machine finds it sound.
#[derive(Debug)]
struct Gossip {
    link: LinkId,
    attempt: Attempt,
    author: Option<PeerId>,
    message: Bytes,
    lane: mesh::Lane,
    serial: Option<mesh::Serial>,
    /// Under which key it came, if the network is private: it goes on as it came.
    key: Option<KeyId>,
}

/// One node of a BitCraps network. See the crate's documentation for the contract with its driver.
#[derive(Debug)]
pub struct Node {
    genesis: Genesis,
    address: Address,
    keypair: Keypair,
    now: Time,
    wall: Option<(BlockTime, Time)>,
    mesh: Mesh,
    consensus: Consensus,
    chain: Chain,
    /// One for each dice key in force or with rolls that wait for it.
    beacons: BTreeMap<DiceKeyId, Beacon>,
    beacon_config: beacon::Config,
    /// This validator's part in making dice keys.
    participant: Option<Participant>,
    /// When to go on with that: one piece of work a millisecond, so that nothing else waits long.
    work_at: Option<Time>,
    /// Validators whose misconduct while making a dice key was reported; each is once.
    accused: BTreeSet<ValidatorIndex>,
    /// Coins known here whose rolls are not settled on the finalized chain yet.
    coins: BTreeMap<View, (Coin, CoinProof)>,
    /// Views whose rolls are final and wait for their coin, with the key that it is made under.
    rolling: BTreeMap<View, DiceKeyId>,
    /// Whether the finalized state, `rolling` or `coins` have changed since keys and rolls were
    /// last followed.
    to_follow: bool,
    /// What proves the newest rolls.
    rolls: Rolls,
    /// What light nodes are shown.
    recent: Recent,
    /// Links to light nodes. Bounded by the mesh's number of links.
    light_links: BTreeSet<LinkId>,
    openings: Buckets<PeerId>,
    /// Letters of this node, and those that it passes on.
    post: Post,
    privacy: Privacy,
    chat: Chat,
    /// Commands of this node that are not final yet. Bounded by the mempool's bound per sender.
    commands: BTreeSet<CommandId>,
    snapshots: Snapshots,
    demand: Demand,
    offer_at: Time,
    offer_pause: Duration,
    /// When a table falls due, if the wall clock is right.
    table_due: Option<Time>,
    /// When anything but the mesh has something to do.
    due: Option<Time>,
    gossip: Option<Gossip>,
    halted: Option<String>,
    actions: VecDeque<Action>,
    hooks: Hooks,
    /// What a simulation holds back or looks at.
    #[cfg(feature = "simulation")]
    held: simulated::Held,
}

impl Node {
    /// A node that goes on where its journal ends. `records` is everything the journal holds,
    /// oldest first, from its beginning or from a base on whose snapshot is whole; nothing for a
    /// new node.
    pub fn new(
        setup: Setup,
        now: Time,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, CannotStart> {
        let (past, begins) = (setup.past, setup.begins);
        let Setup { genesis, keypair, proof, .. } = &setup;
        let identity =
            LocalIdentity::new(keypair, *proof, genesis.network(), genesis.proof_of_work_bits);
        let mut node = Self::assemble(setup, identity, Hooks::default(), now)?;
        node.recover(now, past, begins, records)?;
        Ok(node)
    }

    /// The machines, side by side, before the journal is read.
    fn assemble(
        setup: Setup,
        identity: LocalIdentity,
        hooks: Hooks,
        now: Time,
    ) -> Result<Self, CannotStart> {
        let Setup { genesis, keypair, proof, seed, config, keys, .. } = setup;
        let rng = Rng::new(seed);
        let chain = Chain::new(&genesis).with_hooks(hooks.clone());
        let network = chain.network();
        let context = Context { network, epoch: Epoch(0) };
        let members = genesis.validators.iter().map(|card| card.address.peer).collect();
        let validators = ValidatorSet::new(members, &context).with_hooks(hooks.clone());
        let participant = validators
            .index(&keypair.peer())
            .map(|index| Participant::new(network, index, &keypair));
        let header = genesis_header(&genesis, &chain);
        let peers = genesis.validators.iter().map(|card| card.address.peer);
        let mut mesh = Mesh::new(identity, rng.fork("mesh"), config.mesh);
        mesh.handle(now, mesh::Input::Validators { peers: peers.clone().collect() });
        let peers = peers.collect();
        let address = Address { peer: keypair.peer(), proof };
        let author = post::Author {
            keypair: keypair.clone(),
            address,
            network,
            work_bits: genesis.proof_of_work_bits,
        };
        let validator_keys = genesis.validators.iter().map(|card| card.address.peer).collect();
        let faults = validators.faults();
        let keyring = Keyring::new(keys, keypair.clone(), context, validator_keys, faults);
        let rolls = Rolls::new(List::new(peers).expect("as many as the genesis lists"));
        Ok(Self {
            address,
            mesh,
            consensus: Consensus::new(
                context,
                validators,
                Some(&keypair),
                header,
                config.consensus,
                now,
                rng.fork("consensus"),
            )
            .with_bases_every(config.snapshots.interval),
            chain,
            beacons: BTreeMap::new(),
            beacon_config: config.beacon,
            participant,
            work_at: None,
            accused: BTreeSet::new(),
            genesis,
            keypair,
            now,
            wall: None,
            coins: BTreeMap::new(),
            rolling: BTreeMap::new(),
            to_follow: true,
            rolls,
            recent: Recent::default(),
            light_links: BTreeSet::new(),
            openings: Buckets::new(config.openings, OPENERS),
            post: Post::new(now, author, rng.fork("post")),
            privacy: Privacy::new(keyring, rng.fork("keyring"), now),
            chat: Chat::new(now),
            commands: BTreeSet::new(),
            snapshots: Snapshots::new(config.snapshots),
            demand: Demand::default(),
            offer_at: now,
            offer_pause: OFFER_INTERVAL,
            table_due: None,
            due: None,
            gossip: None,
            halted: None,
            actions: VecDeque::new(),
            hooks,
            #[cfg(feature = "simulation")]
            held: simulated::Held::default(),
        })
    }

    /// A pure fold over the journal; then the last votes are said again.
    fn recover(
        &mut self,
        now: Time,
        past: Past,
        begins: Position,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(), CannotStart> {
        let Position(mut next) = begins;
        let mut recovered = Recovered::default();
        for record in records {
            let entry = Entry::from_bytes(&record.bytes).map_err(|malformed| {
                CannotStart(format!("record {next} of the journal {malformed}"))
            })?;
            if Position(next) == begins
                && let Entry::Base { header, .. } = entry
            {
                self.consensus.begin_at(header);
                recovered.begin_at(header);
            }
            self.recover_state(&mut recovered, &entry)?;
            self.consensus.restore(entry).map_err(|misplaced| {
                CannotStart(format!("record {next} of the journal {misplaced}"))
            })?;
            next += 1;
        }
        self.finish_recovery(recovered)?;
        self.consensus.resume(now, next, past);
        self.expect_work();
        self.follow_keys();
        self.settle_down();
        Ok(())
    }

    /// Takes in what happened at `now`, which must not be earlier than at the last call. Never
    /// fails: a peer's mistake becomes an action.
    pub fn handle(&mut self, now: Time, event: Event) {
        self.now = now;
        if self.halted.is_some() {
            return;
        }
        let is_due = self.due.is_some_and(|due| due <= now);
        match event {
            // A link has room again: that concerns the mesh alone, unless it has more to say.
            Event::Sent { link } if !is_due => {
                self.mesh.handle(now, mesh::Input::Sent { link });
                if self.pass_frames_on() {
                    return;
                }
            }
            event => self.route(event),
        }
        self.settle_down();
    }

    /// Does what the local player asks for, or refuses without having changed anything.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] says what the chain would object to, after everything that waits already.
    pub fn submit(&mut self, now: Time, command: Command) -> Result<CommandId, Refusal> {
        self.now = now;
        if self.halted.is_some() {
            return Err(Refusal::Halted);
        }
        let transaction = match command {
            Command::Operate(operation) => self.sign(operation)?,
            Command::Submit(signed) => {
                self.chain.verify(signed).map_err(|_| Refusal::NotAuthentic)?
            }
            Command::Say { room, words } => {
                let id = self.say(room, words)?;
                self.settle_down();
                return Ok(id);
            }
            Command::Rotate { without, with } => {
                let id = self.rotate(&without, &with)?;
                self.settle_down();
                return Ok(id);
            }
            Command::Endorse { rotation } => {
                let id = self.endorse(rotation)?;
                self.settle_down();
                return Ok(id);
            }
        };
        self.try_out(&transaction)?;
        if !self.may_open(&transaction) {
            return Err(Refusal::TooManyTables);
        }
        let (id, signed) = (transaction.id(), transaction.signed().clone());
        match self.chain.submit(transaction) {
            Ok(displaced) => self.failed(displaced),
            Err(SubmitRefusal::Known) => {}
            Err(SubmitRefusal::Rejected(rejection)) => return Err(Refusal::Rejected(rejection)),
            Err(SubmitRefusal::Full) => return Err(Refusal::MempoolFull),
        }
        self.commands.insert(id);
        self.broadcast(&Packet::Transaction(signed), Attempt::default());
        self.offer_at = self.offer_at.max(now + OFFER_INTERVAL);
        self.settle_down();
        Ok(id)
    }

    fn sign(&self, operation: Operation) -> Result<VerifiedTransaction, Refusal> {
        let nonce: Nonce = self
            .chain
            .next_nonce(&self.address.peer)
            .ok_or(Refusal::Rejected(Rejection::NoAccount))?;
        let (_, slot) = self.chain.finalized();
        let expires = Height(slot.height.0.saturating_add(EXPIRES_AFTER_BLOCKS));
        let transaction = Transaction { sender: self.address, nonce, expires, operation };
        Ok(transaction.sign(&self.keypair, self.chain.network()))
    }

    /// What is only too early may wait; anything else is refused here and now.
    fn try_out(&self, transaction: &VerifiedTransaction) -> Result<(), Refusal> {
        let tip = self.consensus.tip().hash;
        let on = if self.chain.knows(&tip) { tip } else { self.chain.finalized().0 };
        match self.chain.trial(&on, self.wall_clock(), transaction) {
            Err(rejection) if !rejection.is_early() => Err(Refusal::Rejected(rejection)),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    /// The next thing for the driver to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to come back with a tick if nothing else happens. Lies ahead of the last `handle`.
    pub fn deadline(&self) -> Option<Time> {
        if self.halted.is_some() {
            return None;
        }
        self.mesh.deadline().into_iter().chain(self.due).min()
    }

    /// When anything but the mesh has something to do.
    fn find_due(&self) -> Option<Time> {
        let offer = self.has_something_to_offer().then_some(self.offer_at);
        [
            self.consensus.deadline(),
            self.beacons_deadline(),
            self.work_at,
            offer,
            self.table_due,
            self.snapshots.deadline(),
            self.post.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The finalized state: accounts and tables.
    pub const fn state(&self) -> &State {
        self.chain.state()
    }

    /// The network's beginning.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// What proves the newest rolls of this chain.
    pub const fn rolls(&self) -> &Rolls {
        &self.rolls
    }

    /// The header of the newest final block, which names the validators of its epoch.
    pub const fn header(&self) -> &Header {
        self.consensus.finalized()
    }

    /// How gossip has come here.
    pub const fn gossip_tally(&self) -> &mesh::Tally {
        self.mesh.tally()
    }

    /// This node's address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Whether this transaction waits here to be ordered.
    pub fn is_waiting(&self, id: &TransactionId) -> bool {
        self.chain.contains(id)
    }

    /// Agreed time as this node's wall clock has it, for judging what is too early.
    fn wall_clock(&self) -> BlockTime {
        let Some((time, at)) = self.wall else { return self.chain.finalized().1.time };
        time.plus_millis(u64::try_from(self.now.since(at).as_millis()).unwrap_or(u64::MAX))
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    /// The dice of a view's rolls, once its coin is known here and they are final.
    fn dice(&self, view: View) -> impl Iterator<Item = Notice> + '_ {
        let pending = self.chain.state().meta().pending.iter();
        let rolls = pending.filter(move |roll| roll.view == view);
        let coin = self.coins.get(&view).map(|(coin, _)| coin);
        coin.into_iter().flat_map(move |coin| {
            rolls.clone().map(move |roll| Notice::Rolled {
                table: roll.table,
                round: roll.round,
                dice: Dice::from_bytes(coin.dice_bytes(roll.table.0, roll.round.0)),
                view,
            })
        })
    }
}

/// What block 1 stands on.
fn genesis_header(genesis: &Genesis, chain: &Chain) -> Header {
    let meta = chain.state().meta();
    Header {
        network: chain.network(),
        epoch: Epoch(0),
        view: View(0),
        height: Height(0),
        parent: Parent::default(),
        time: genesis.time,
        body: Hash::default(),
        commitments: crate::block::Commitments {
            transactions: Hash::default(),
            state: chain.state().root(),
            validators: meta.validators,
            dice_key: meta.dice_key_hash,
            has_rolls: false,
        },
        justification: Hash::default(),
    }
}

/// Events of links and addresses are the mesh's; the others are `None`.
fn mesh_input(event: Event) -> Option<mesh::Input> {
    match event {
        Event::LinkUp { link, kind, mtu, direction, endpoint } => {
            Some(mesh::Input::LinkUp { link, kind, mtu, direction, endpoint })
        }
        Event::LinkDown { link } => Some(mesh::Input::LinkDown { link }),
        Event::Received { link, frame } => Some(mesh::Input::Received { link, frame }),
        Event::Sent { link } => Some(mesh::Input::Sent { link }),
        Event::Discovered { endpoint } => Some(mesh::Input::Discovered { endpoint }),
        Event::Reachable { endpoint } => Some(mesh::Input::Reachable { endpoint }),
        Event::DialFailed { endpoint } => Some(mesh::Input::DialFailed { endpoint }),
        Event::Tick => Some(mesh::Input::Tick),
        Event::Persisted { .. }
        | Event::Loaded { .. }
        | Event::WallClock { .. }
        | Event::SnapshotWanted => None,
    }
}

impl fmt::Display for CannotStart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl core::error::Error for CannotStart {}
