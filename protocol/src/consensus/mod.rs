//! Simplex consensus with a ranged nullify (Chan and Pass, *Simplex Consensus*, 2023; the range is
//! what Jolteon's time-outs do with their highest certificate).
//!
//! Views have one leader each. The leader proposes a block on a certified parent; a quorum of
//! q = n − f *notarize* votes ends the view and starts the next; a quorum of *finalize* votes makes
//! the block and its ancestors final. A view in which that fails is ended by a quorum of *nullify*
//! votes, each of which states the highest notarization its voter holds and promises never to
//! finalize anything between that and the nullified view.
//!
//! Where to look: a vote is judged in `ballot`, cast and counted in `voting` and `round`, a
//! block is proposed and judged in `proposing`, those who lag are helped in `sync`, a crash is
//! survived in `restore`, a lost journal in `lost`, a contradiction is proven in `evidence`, and
//! `certified` is a final block without its past.
//!
//! Consensus sees headers, hashes and votes, never money: whether a body is valid, and what to put
//! into the next one, it asks.

mod ballot;
mod base;
mod block;
mod certificate;
mod certified;
mod evidence;
mod gaps;
mod lost;
mod message;
mod pacemaker;
mod proposing;
mod restore;
mod round;
mod sync;
#[cfg(test)]
mod tests;
mod tree;
mod validators;
mod vote;
mod voting;
mod vouching;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod world;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

pub use base::Promises;
pub use block::{Block, Decided, Headline, Justification, Proposal};
pub use certificate::{BadCertificate, Finalization, Notarization, Nullification};
pub use certified::Certified;
pub use evidence::Evidence;
pub use gaps::{Holdings, VIEWS_HELD, Voters};
pub use lost::{Inquiry, Past, Testimony};
pub use message::{Certificate, DECIDED_PER_REPLY, Message, Request, Status};
pub use restore::Misplaced;
pub use validators::ValidatorSet;
pub use vote::{Statement, Verified, Vote};

use crate::block::{BlockHash, Commitments, Header, Height, Parent, ValidatorIndex, View};
use crate::event::{Fault, LinkId, Position, Suspicion};
use crate::identity::{Context, Keypair, PeerId};
use crate::journal::{Entry, Journal};
use crate::rng::Rng;
#[cfg(feature = "simulation")]
use crate::simulation::Observation;
use crate::time::{BlockTime, Time};
use ballot::Ballot;
use lost::Standing;
use pacemaker::Pacemaker;
use round::Round;
use sync::Sync;
use tree::Tree;
use vouching::Vouching;

/// Local policy. Nothing here has to be equal on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Δ before anything was measured. A second suits the internet and is soon replaced.
    pub timeout_initial: Duration,
    /// Least Δ: below this, scheduling noise and disk syncs look like failures.
    pub timeout_min: Duration,
    /// Greatest Δ: above this, an outage is followed by a silence as long.
    pub timeout_max: Duration,
    /// How long a leader waits with nothing to order while somebody waits for time to pass.
    pub idle_brisk: Duration,
    /// How long a leader waits with nothing to order at a quiet table.
    pub idle_quiet: Duration,
    /// Longest wait between two rounds of asking neighbours for votes and of saying one's own again;
    /// those are said again no more often than every 100 ms for each validator there is.
    pub resend_max: Duration,
    /// How often neighbours are told where one stands, as long as they do not all stand there too.
    pub status_interval: Duration,
    /// How long neighbours may take to answer, in all, before others are asked; up to eight times as
    /// long where views take long.
    pub answer_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout_initial: Duration::from_secs(1),
            timeout_min: Duration::from_millis(250),
            timeout_max: Duration::from_secs(30),
            idle_brisk: Duration::from_millis(200),
            idle_quiet: Duration::from_secs(10),
            resend_max: Duration::from_secs(5),
            status_interval: Duration::from_secs(2),
            answer_timeout: Duration::from_millis(500),
        }
    }
}

/// Something that happened, as far as consensus is concerned.
#[derive(Clone, Debug)]
pub enum Input {
    /// A neighbour can be talked to.
    LinkUp {
        /// Over this link.
        link: LinkId,
        /// Who it is.
        peer: PeerId,
    },
    /// A neighbour is gone.
    LinkDown {
        /// The link it was on.
        link: LinkId,
    },
    /// A neighbour sent or relayed this.
    Received {
        /// The link.
        link: LinkId,
        /// The message; nothing in it is believed yet.
        message: Message,
    },
    /// A neighbour relayed a proposal whose body could not be told from it.
    Proposed {
        /// The link.
        link: LinkId,
        /// The rest of it; nothing in it is believed yet.
        headline: Headline,
    },
    /// The journal is durable up to here.
    Persisted(Position),
    /// What there is to order on the current tip.
    Demand(Demand),
    /// Answers [`Output::Build`].
    Built {
        /// The parent it was built on.
        parent: BlockHash,
        /// The body.
        body: Bytes,
        /// What the header will say of it.
        commitments: Commitments,
    },
    /// Answers [`Output::Validate`].
    Validated {
        /// The block.
        block: BlockHash,
        /// Whether its execution gives what its header says.
        valid: bool,
    },
    /// Answers [`Output::Load`].
    Loaded {
        /// The height asked for.
        height: Height,
        /// The block, if the journal holds it.
        decided: Option<Decided>,
    },
    /// A snapshot of a final block's state is to be journalled; one that is ahead of what is final
    /// here takes its place. It was verified with [`Consensus::is_final`].
    Snapshot {
        /// The block.
        certified: Certified,
        /// Its state.
        parts: Vec<Entry>,
    },
    /// A base is wanted after the next block that becomes final, besides those that are due.
    BaseWanted,
    /// Whether a whole state is being fetched, so that the blocks below it are not.
    Fetching(bool),
    /// What the wall clock says, to be stated in votes.
    WallClock(BlockTime),
    /// The deadline has passed.
    Tick,
}

/// What there is to order, which decides how long an idle leader waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// There is a transaction, a due roll or an unrecorded coin.
    pub content: bool,
    /// Somebody waits for blocks to go by: a betting window, a deadline.
    pub brisk: bool,
}

/// Something for the node to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append to the journal.
    Persist(Position, Entry),
    /// Tell everybody. The attempt grows when the same thing is said again.
    Broadcast {
        /// What.
        message: Message,
        /// 0 the first time.
        attempt: u8,
    },
    /// Tell one neighbour.
    Send {
        /// Over this link.
        link: LinkId,
        /// What.
        message: Message,
    },
    /// The broadcast message being handled is sound: pass it on.
    Relay,
    /// The neighbour broke the protocol.
    Blame {
        /// Its link.
        link: LinkId,
        /// How.
        fault: Fault,
    },
    /// Ask the chain for a body. Answered with [`Input::Built`].
    Build {
        /// On this block, whose state is known.
        parent: BlockHash,
        /// In this view.
        view: View,
        /// At this height.
        height: Height,
        /// With this agreed time.
        time: BlockTime,
        /// Without transactions, because too much is unfinalized.
        empty: bool,
    },
    /// Ask the chain to execute a block whose parent's state is known. Answered with
    /// [`Input::Validated`].
    Validate(Arc<Block>),
    /// Fetch a decided block from the journal. Answered with [`Input::Loaded`].
    Load(Height),
    /// The block is final; its parent was reported before. With its own finalization, unless it
    /// became final as an ancestor.
    Decide(Arc<Block>, Option<Finalization>),
    /// A validator contradicted itself; reported once per validator.
    Accuse(Evidence),
    /// A validator has signed more about one view than is looked at; reported once a view.
    Suspect {
        /// Which.
        validator: ValidatorIndex,
        /// What it looks like.
        suspicion: Suspicion,
    },
    /// The node is in this view now.
    Entered(View),
    /// This validator no longer knows what it promised, and does not vote until it is safe to.
    Forgotten,
    /// Nothing sensible can be done any more: more than f validators are faulty, or this program
    /// is. The sentence says what was seen.
    Halt(String),
}

/// Where a view stands, for people who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The view.
    pub view: View,
    /// Its leader.
    pub leader: ValidatorIndex,
    /// Whether its proposal is here.
    pub proposed: bool,
    /// Who has voted to notarize, as far as is known here.
    pub notarize: BTreeSet<ValidatorIndex>,
    /// Who has voted to nullify.
    pub nullify: BTreeSet<ValidatorIndex>,
    /// Who has voted to finalize the newest notarized block, if that is not final yet.
    pub finalize: Option<BTreeSet<ValidatorIndex>>,
    /// How many votes decide.
    pub quorum: usize,
    /// What there is to order.
    pub demand: Demand,
}

/// The key with which this node votes.
#[derive(Debug)]
struct Signer {
    index: ValidatorIndex,
    key: Keypair,
}

/// One node's consensus machine: a validator if it has a key of the set, else an observer that
/// follows and serves.
#[derive(Debug)]
pub struct Consensus {
    context: Context,
    validators: ValidatorSet,
    signer: Option<Signer>,
    config: Config,
    now: Time,
    view: View,
    /// The certificate by which this view was entered; none in view 1.
    entered_by: Option<Certificate>,
    rounds: BTreeMap<View, Round>,
    tree: Tree,
    /// The highest notarization held; at least that of the newest final block.
    highest: Option<Notarization>,
    /// The block that the chain was asked to execute.
    validating: Option<BlockHash>,
    ballot: Ballot,
    /// A base is written at every multiple of so many blocks.
    base_every: u64,
    /// Whether one is wanted after the next final block, whatever its height.
    base_wanted: bool,
    /// One's own finalize votes whose blocks are not final yet, by view.
    unfinal: BTreeMap<View, Vote>,
    /// One's own votes that are not durable yet, oldest first.
    parked: VecDeque<(Position, Vote)>,
    journal: Journal,
    /// One's own block of this view, until it is voted for.
    candidate: Option<Arc<Block>>,
    /// The chain was asked for a body for this view.
    building: bool,
    /// Counts how often votes were said again. Starts anywhere and goes on from view to view: what
    /// was said under the same number before, by an earlier process too, would not be passed on.
    attempt: u8,
    pacemaker: Pacemaker,
    demand: Demand,
    /// The wall clock when last told, and when that was.
    wall: Option<(BlockTime, Time)>,
    standing: Standing,
    /// The journal says that a human had this validator vote although an earlier one was lost.
    overridden: bool,
    vouching: Vouching,
    rng: Rng,
    /// The newest view in which each validator was heard from.
    seen: Vec<View>,
    accused: BTreeSet<ValidatorIndex>,
    sync: Sync,
    halted: bool,
    outputs: VecDeque<Output>,
    /// What a simulation wants to see; `None` if nobody looks.
    #[cfg(feature = "simulation")]
    observations: Option<VecDeque<Observation>>,
}

impl Consensus {
    /// A machine at genesis. `genesis` is the header that block 1 stands on; its hash is the
    /// network id. With a key of one of the `validators` it votes.
    pub fn new(
        context: Context,
        validators: ValidatorSet,
        key: Option<&Keypair>,
        genesis: Header,
        config: Config,
        now: Time,
        mut rng: Rng,
    ) -> Self {
        let signer = key.and_then(|key| {
            let index = validators.index(&key.peer())?;
            Some(Signer { index, key: key.clone() })
        });
        Self {
            seen: vec![View(0); validators.len()],
            tree: Tree::new(genesis, context.network),
            context,
            ballot: Ballot::new(validators.hooks().clone()),
            base_every: u64::MAX,
            base_wanted: false,
            validators,
            signer,
            config,
            now,
            view: View(1),
            entered_by: None,
            rounds: BTreeMap::new(),
            highest: None,
            validating: None,
            unfinal: BTreeMap::new(),
            parked: VecDeque::new(),
            journal: Journal::default(),
            candidate: None,
            building: false,
            attempt: rng.below(1 << 8) as u8,
            pacemaker: Pacemaker::new(config, now),
            demand: Demand::default(),
            wall: None,
            standing: Standing::default(),
            overridden: false,
            vouching: Vouching::new(rng.below(1 << 8) as u8),
            rng,
            accused: BTreeSet::new(),
            sync: Sync::new(now),
            halted: false,
            outputs: VecDeque::new(),
            #[cfg(feature = "simulation")]
            observations: None,
        }
    }

    /// Takes in what happened. Never fails: a neighbour's mistake becomes [`Output::Blame`].
    pub fn handle(&mut self, now: Time, input: Input) {
        self.now = now;
        if self.halted {
            return;
        }
        match input {
            Input::LinkUp { link, peer } => self.on_link_up(link, peer),
            Input::LinkDown { link } => self.on_link_down(link),
            Input::Received { link, message } => self.on_message(link, message),
            Input::Proposed { link, headline } => self.on_headline(link, headline, None),
            Input::Persisted(position) => self.journal.persisted(position),
            Input::Demand(demand) => self.demand = demand,
            Input::Built { parent, body, commitments } => self.on_built(parent, body, commitments),
            Input::Validated { block, valid } => self.on_validated(block, valid),
            Input::Loaded { height, decided } => self.on_loaded(height, decided),
            Input::Snapshot { certified, parts } => self.take_snapshot(certified, parts),
            Input::BaseWanted => self.base_wanted = true,
            Input::Fetching(is_fetching) => self.sync.hold_off(is_fetching),
            Input::WallClock(time) => self.wall = Some((time, now)),
            Input::Tick => {}
        }
        self.advance();
        assert!(self.deadline().is_none_or(|deadline| deadline > now), "deadlines lie ahead");
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with a tick if nothing else happens.
    pub fn deadline(&self) -> Option<Time> {
        if self.halted {
            return None;
        }
        let voting = self.signer.as_ref().map(|_| {
            let leads = (self.may_still_propose() && !self.demand.content)
                .then(|| self.pacemaker.idle_until(self.demand.brisk));
            let gives_up =
                self.may_still_nullify().then(|| self.pacemaker.gives_up_at(self.demand.brisk));
            let resends = self.has_something_to_resend().then(|| self.pacemaker.resend_at());
            [leads, gives_up, resends]
        });
        let asks = self.asks_at().into_iter();
        let timers = voting.into_iter().flatten().flatten().filter(|time| *time > self.now);
        timers.chain(asks).chain(self.sync.deadline()).min()
    }

    /// Lets a simulation look.
    #[cfg(feature = "simulation")]
    pub(crate) fn be_observed(&mut self) {
        self.observations.get_or_insert_default();
    }

    /// The oldest thing seen.
    #[cfg(feature = "simulation")]
    pub(crate) fn observation(&mut self) -> Option<Observation> {
        self.observations.as_mut()?.pop_front()
    }

    /// The first and the last view whose votes are kept.
    #[cfg(feature = "simulation")]
    pub(crate) fn window(&self) -> (View, View) {
        (self.oldest_kept_view(), View(self.view.0 + crate::wire::limits::VIEW_WINDOW))
    }

    #[cfg(feature = "simulation")]
    fn observe(&mut self, observation: impl FnOnce() -> Observation) {
        if let Some(observations) = &mut self.observations {
            observations.push_back(observation());
        }
    }

    /// Does everything that has become possible or due.
    fn advance(&mut self) {
        self.send_durable_votes();
        if self.demand.content {
            self.pacemaker.busy(self.now);
        }
        self.keep_finalizing();
        self.keep_proposing();
        self.keep_notarizing();
        if self.gives_up() {
            self.nullify();
        }
        if self.has_something_to_resend() && self.now >= self.pacemaker.resend_at() {
            self.resend();
        }
        self.keep_asking();
        self.keep_complete();
        self.keep_in_sync();
    }

    /// The view this node is in.
    pub const fn view(&self) -> View {
        self.view
    }

    /// The newest final block; genesis at first.
    pub const fn finalized(&self) -> &Header {
        self.tree.root()
    }

    /// The hash of the newest final block.
    pub const fn finalized_hash(&self) -> BlockHash {
        self.tree.root_hash()
    }

    /// The block on which the next one will stand: the highest notarized one.
    pub fn tip(&self) -> Parent {
        match &self.highest {
            Some(highest) => Parent { view: highest.view, hash: highest.block },
            None => Parent { view: View(0), hash: self.tree.root_hash() },
        }
    }

    /// The header of a block that is the newest final one or not final yet.
    pub fn header(&self, hash: &BlockHash) -> Option<&Header> {
        self.tree.header(hash)
    }

    /// Whether the state after the tip is known, so that a block could be built on it.
    pub fn tip_is_executed(&self) -> bool {
        self.tree.is_executed(&self.tip().hash)
    }

    /// The validators of this epoch.
    pub const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// This node's index, if it votes.
    pub fn index(&self) -> Option<ValidatorIndex> {
        self.signer.as_ref().map(|signer| signer.index)
    }

    /// Where the current view stands.
    pub fn progress(&self) -> Progress {
        let round = self.rounds.get(&self.view);
        let voters = |kind: usize| -> BTreeSet<ValidatorIndex> {
            round
                .into_iter()
                .flat_map(|round| round.voters().into_iter().nth(kind))
                .flatten()
                .collect()
        };
        let unfinal = self.highest.as_ref().filter(|it| it.view > self.tree.root().view);
        let finalize = unfinal.map(|highest| {
            let round = self.rounds.get(&highest.view);
            round
                .into_iter()
                .flat_map(|round| round.voters().into_iter().nth(2))
                .flatten()
                .collect()
        });
        Progress {
            view: self.view,
            leader: self.validators.leader(self.view),
            proposed: round.is_some_and(|round| round.proposal.is_some()),
            notarize: voters(0),
            nullify: voters(1),
            finalize,
            quorum: self.validators.quorum(),
            demand: self.demand,
        }
    }

    fn highest_view(&self) -> View {
        self.highest.as_ref().map(|highest| highest.view).unwrap_or_default()
    }

    fn blame(&mut self, link: LinkId, fault: Fault) {
        self.outputs.push_back(Output::Blame { link, fault });
    }

    fn persist(&mut self, entry: Entry) -> Position {
        let position = self.journal.append();
        self.outputs.push_back(Output::Persist(position, entry));
        position
    }

    fn halt(&mut self, reason: String) {
        self.halted = true;
        self.outputs.push_back(Output::Halt(reason));
    }
}
