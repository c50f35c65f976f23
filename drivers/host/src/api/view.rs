//! What is answered, as JSON states it.

use bitcraps_protocol::chain::{TableEntry, TableId, TransactionId};
use bitcraps_protocol::chat::Room;
use bitcraps_protocol::craps::{Dice, Number, Phase, Player, Rules};
use bitcraps_protocol::event::Notice;
use bitcraps_protocol::identity::PeerId;
use bitcraps_protocol::ledger::Account;
use bitcraps_protocol::node::{Node, PrivateStatus, RelayStatus, Status};
use bitcraps_protocol::time::BlockTime;
use serde::{Deserialize, Serialize};

use super::Outcome;

/// A node's condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The node's address: what others pay to.
    pub address: String,
    /// Its key.
    pub peer: String,
    /// The network's id.
    pub network: String,
    /// What the network is called.
    pub name: String,
    /// The node's index among the validators, if it is one.
    pub validator: Option<u16>,
    /// Whether it follows headers and proofs only.
    #[serde(default)]
    pub light: bool,
    /// How many validators there are.
    pub validators: u16,
    /// How many of them must vote for a block.
    pub quorum: u16,
    /// How many of them may fail or cheat.
    pub tolerated_faults: u16,
    /// The period of the present validators.
    pub epoch: u64,
    /// The present view.
    pub view: u64,
    /// The newest final block.
    pub height: u64,
    /// Its hash.
    pub block: String,
    /// The state root after it.
    pub state_root: String,
    /// Its agreed time, in Unix milliseconds.
    pub time_ms: u64,
    /// The height of the newest whole snapshot in the node's journal, from which its next start
    /// reads.
    #[serde(default)]
    pub snapshot: Option<u64>,
    /// Who is connected, and validators that are reached through them.
    pub peers: Vec<PeerView>,
    /// Who is banned.
    #[serde(default)]
    pub bans: Vec<BanView>,
    /// Patterns of those who are admitted whatever they do.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Patterns of those who are not.
    #[serde(default)]
    pub deny: Vec<String>,
    /// Transactions waiting to be ordered.
    pub waiting_transactions: u64,
    /// Whether a dealer made the dice key, who could know every roll.
    pub insecure_dealer: bool,
    /// How many validators' shares make the dice.
    pub dice_threshold: u16,
    /// How the dice key stands.
    pub dice: DiceView,
    /// What is being waited for, in a sentence; empty if nothing is.
    pub waiting_for: String,
    /// Why this validator does not vote, if it does not.
    pub abstains: Option<String>,
    /// Why the node has stopped working, if it has.
    pub halted: Option<String>,
    /// How the keys stand, if the network is private.
    #[serde(default)]
    pub private: Option<PrivateView>,
    /// What it has carried, if it is a relay.
    #[serde(default)]
    pub relay: Option<RelayView>,
}

/// How the keys of a private network stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateView {
    /// How many keys came before the one in use here.
    pub version: u32,
    /// Whether there is a newer one that is not for this node.
    pub left_out: bool,
    /// How many validators must stand by a new key.
    pub endorsements_needed: u16,
    /// New keys by which too few stand yet.
    pub pending: Vec<PendingKeyView>,
    /// Links to neighbours that have not shown that they are members.
    pub strangers: u16,
}

/// A new key by which too few validators stand yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingKeyView {
    /// Its name, to stand by it.
    pub id: String,
    /// How many keys came before it.
    pub version: u32,
    /// The indexes of the validators who stand by it.
    pub endorsed_by: Vec<u16>,
    /// Who is to have it, by key.
    pub members: Vec<String>,
}

/// What a relay has carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayView {
    /// Messages that it passed on.
    pub carried: u64,
    /// Messages beyond the budget of the link that brought them.
    pub refused: u64,
    /// Messages in the clear, which it carries for nobody.
    pub in_the_clear: u64,
}

/// How a network's dice key stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiceView {
    /// Which of the epoch's keys is in force; none while one is being made.
    pub version: Option<u32>,
    /// How many validators have a part of it.
    pub members: u16,
    /// How many of them have shown that they can use it.
    pub usable_shares: u16,
    /// The same in words, or how far the making of the key has come.
    pub state: String,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Its key.
    pub peer: String,
    /// How it is reached.
    pub path: Path,
    /// Where it is; empty if relayed.
    pub endpoint: String,
    /// Microseconds that a frame and its answer took, if known: over Bluetooth lately, over TCP when
    /// the link came up.
    pub round_trip_us: Option<u64>,
    /// Its index among the validators, if it is one.
    pub validator: Option<u16>,
    /// Points for faults, which fade by ten a minute; 100 are a ban.
    #[serde(default)]
    pub points: u32,
}

/// A ban that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanView {
    /// Whose: `peer:` and a key, or `address:` and a host.
    pub culprit: String,
    /// Seconds that it still lasts.
    pub seconds: u64,
}

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// Over a network.
    Tcp,
    /// Over Bluetooth LE.
    Ble,
    /// Through another peer, which is linked with it.
    Relayed,
    /// Over a transport that this program does not know by name.
    Other,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Its key.
    pub peer: String,
    /// Whether anybody ever paid to it.
    pub exists: bool,
    /// Chips free to be spent.
    pub balance: u64,
    /// The highest nonce it has used.
    pub nonce: u64,
    /// The height of the block after which that was so, if a light node had it proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved_at: Option<u64>,
}

/// A snapshot is wanted: it stands once the status names one above `newest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotView {
    /// The height of the newest one until then.
    pub newest: Option<u64>,
}

/// Where all chips are, after one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplyView {
    /// The block.
    pub height: u64,
    /// The state root after it.
    pub state_root: String,
    /// Chips that genesis made.
    pub supply: u64,
    /// Chips in accounts.
    pub accounts: u64,
    /// Chips on tables: banks and stakes.
    pub tables: u64,
    /// Whether accounts and tables hold exactly the supply.
    pub conserved: bool,
}

/// A table in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Its number.
    pub id: u32,
    /// What it is called.
    pub name: String,
    /// Whose bank it is.
    pub owner: String,
    /// Chips in its bank.
    pub bank: u64,
    /// How many sit there.
    pub seats: u64,
    /// The present roll.
    pub round: u64,
    /// The point, if the puck is on.
    pub point: Option<u8>,
    /// Whether a dealer made the dice key, who could know every roll.
    pub insecure_dealer: bool,
}

/// A table with everything on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableView {
    /// Its number.
    pub id: u32,
    /// What it is called.
    pub name: String,
    /// Whose bank it is.
    pub owner: String,
    /// Its house rules.
    pub rules: Rules,
    /// Chips in its bank.
    pub bank: u64,
    /// How many of them are reserved for bets that are up.
    pub reserved: u64,
    /// The present roll; bets name it.
    pub round: u64,
    /// Whether the dice are in the air: no bet moves until they are settled.
    pub rolling: bool,
    /// The point, if the puck is on.
    pub point: Option<u8>,
    /// Whose turn it is to roll.
    pub shooter: Option<String>,
    /// When the betting window ends, in agreed time: until then the dice wait, unless everybody is
    /// ready.
    pub window_ends_ms: Option<u64>,
    /// When the shooter's time ends and the house throws, in agreed time, if bets are up.
    pub deadline_ms: Option<u64>,
    /// Who sits there, in order.
    pub seats: Vec<SeatView>,
    /// What is up.
    pub bets: Vec<BetView>,
    /// The newest rolls, oldest first.
    pub history: Vec<[u8; 2]>,
    /// Whether a dealer made the dice key, who could know every roll.
    pub insecure_dealer: bool,
}

/// A seat that is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatView {
    /// By whom.
    pub player: String,
    /// Whether they agreed to roll now.
    pub ready: bool,
    /// Whether they leave as soon as their contract bets are decided.
    pub leaving: bool,
}

/// A bet that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BetView {
    /// Whose.
    pub player: String,
    /// On what.
    pub bet: String,
    /// How much.
    pub amount: u64,
    /// Whether it can win or lose on the next roll.
    pub working: bool,
}

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionView {
    /// Its id.
    pub id: String,
    /// Where it stands.
    #[serde(flatten)]
    pub state: TransactionState,
}

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TransactionState {
    /// Not handed in here since the node started, or long ago.
    Unknown,
    /// Waiting to become final, or for its dice.
    Waiting {
        /// For what, in a sentence.
        waiting_for: String,
    },
    /// Final.
    Final {
        /// The block that holds it.
        height: u64,
        /// The table it opened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<u32>,
        /// What it rolled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dice: Option<[u8; 2]>,
    },
    /// Impossible now.
    Failed {
        /// Why.
        reason: String,
    },
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationView {
    /// The word to pass on; as secret as cash if it carries chips.
    pub ticket: String,
    /// Chips that it carries.
    pub chips: u64,
    /// Where its reader will look for the network.
    pub hints: Vec<String>,
}

/// Something worth telling; see [`Notice`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of the notices")]
pub enum EventView {
    /// A peer is connected.
    PeerUp { peer: String },
    /// A peer is gone.
    PeerDown { peer: String },
    /// A peer broke the protocol.
    Misbehaved { peer: Option<String>, link: u64, fault: String, response: String },
    /// Somebody behaves as attackers do.
    Suspicious { suspicion: String, peer: Option<String>, severity: String, response: String },
    /// A validator provably contradicted itself.
    Evidence { validator: u16, what: String },
    /// A view began.
    Entered { view: u64 },
    /// A block became final.
    Finalized { height: u64, view: u64, hash: String, time_ms: u64, transactions: u32 },
    /// A transaction handed in here is final.
    Done { id: String, height: u64, table: Option<u32> },
    /// A transaction handed in here has become impossible.
    Failed { id: String, reason: String },
    /// The dice of a roll are known.
    Rolled { table: u32, round: u64, dice: [u8; 2], view: u64 },
    /// A roll was settled.
    Settled { table: u32, round: u64, dice: [u8; 2] },
    /// The node has stopped working.
    Halted { reason: String },
    /// A validator made or stands by a new key of the private network.
    KeyProposed { id: String, version: u32, endorsed_by: u16, needed: u16 },
    /// The private network has a new key.
    KeyChanged { version: u32 },
    /// It has one that is not for this node.
    LeftOut {},
    /// This validator does not vote until it is safe to, and why.
    Abstains { reason: String },
    /// Somebody said something at a table or between this node and a peer: `table` or `peer` says
    /// where.
    Said { table: Option<u32>, peer: Option<String>, from: String, at_ms: u64, text: String },
    /// Something said to a peer has arrived.
    Delivered { id: String, to: String },
    /// Something said to a peer has not arrived, as far as is known, and is given up.
    Undelivered { id: String, to: String },
    /// The reader was too slow: so many events are missing here.
    Missed { events: u64 },
}

impl Path {
    const fn of(transport: u8) -> Self {
        match transport {
            0 => Self::Tcp,
            1 => Self::Ble,
            _ => Self::Other,
        }
    }
}

impl StatusView {
    pub(super) fn of(status: &Status) -> Self {
        let linked = status.peers.iter().map(|peer| PeerView {
            peer: peer.peer.to_string(),
            path: Path::of(peer.transport),
            endpoint: peer.endpoint.clone(),
            round_trip_us: peer.round_trip.map(|it| it.as_micros() as u64),
            validator: peer.validator,
            points: peer.points,
        });
        let bans = status.bans.iter().map(|ban| BanView {
            culprit: ban.culprit.clone(),
            seconds: ban.remaining.as_millis().div_ceil(1000) as u64,
        });
        let relayed = status.relayed.iter().map(|peer| PeerView {
            peer: peer.peer.to_string(),
            path: Path::Relayed,
            endpoint: String::new(),
            round_trip_us: None,
            validator: Some(peer.validator),
            points: 0,
        });
        let peers = linked.chain(relayed);
        Self {
            address: status.address.clone(),
            peer: status.peer.to_string(),
            network: status.network.to_string(),
            name: status.name.clone(),
            validator: status.validator,
            light: status.light,
            validators: status.validators,
            quorum: status.quorum,
            tolerated_faults: status.tolerated_faults,
            epoch: status.epoch.0,
            view: status.view.0,
            height: status.height.0,
            block: status.block.to_string(),
            state_root: status.state_root.to_string(),
            time_ms: status.time.as_millis(),
            snapshot: status.snapshot.map(|height| height.0),
            peers: peers.collect(),
            bans: bans.collect(),
            allow: status.allow.clone(),
            deny: status.deny.clone(),
            waiting_transactions: status.waiting_transactions as u64,
            insecure_dealer: status.insecure_dealer,
            dice_threshold: status.dice_threshold,
            dice: DiceView {
                version: status.dice.version,
                members: status.dice.members,
                usable_shares: status.dice.usable_shares,
                state: status.dice.state.clone(),
            },
            waiting_for: status.waiting_for.clone(),
            abstains: status.abstains.map(Into::into),
            halted: status.halted.clone(),
            private: status.private.as_ref().map(PrivateView::of),
            relay: status.relay.map(|RelayStatus { carried, refused, in_the_clear }| RelayView {
                carried,
                refused,
                in_the_clear,
            }),
        }
    }
}

impl AccountView {
    pub(super) fn of(peer: PeerId, account: Option<Account>) -> Self {
        Self {
            proved_at: None,
            peer: peer.to_string(),
            exists: account.is_some(),
            balance: account.map_or(0, |account| account.balance.0),
            nonce: account.map_or(0, |account| account.nonce.0),
        }
    }
}

impl SupplyView {
    pub(super) fn of(node: &Node) -> Self {
        let (state, status) = (node.state(), node.status());
        let accounts = state.accounts().map(|(_, account)| account.balance.0).sum();
        let tables = state.tables().map(|(_, entry)| entry.table.held().0).sum();
        Self {
            height: status.height.0,
            state_root: status.state_root.to_string(),
            supply: state.supply().0,
            accounts,
            tables,
            conserved: state.conserved(),
        }
    }
}

impl TableSummary {
    pub(super) fn of(id: TableId, entry: &TableEntry, insecure_dealer: bool) -> Self {
        let table = &entry.table;
        Self {
            id: id.0,
            name: entry.name.to_string(),
            owner: entry.owner.to_string(),
            bank: table.bank().0,
            seats: table.seats().len() as u64,
            round: table.round().0,
            point: table.point().map(Number::total),
            insecure_dealer,
        }
    }
}

impl TableView {
    pub(super) fn of(id: TableId, entry: &TableEntry, insecure_dealer: bool) -> Self {
        let table = &entry.table;
        let window_ends = match table.phase() {
            Phase::Betting { opened } => Some(opened.time.plus_millis(table.rules().window_ms)),
            Phase::Rolling { .. } => None,
        };
        let seats = table.seats().iter().map(|seat| SeatView {
            player: name(seat.player),
            ready: seat.ready,
            leaving: seat.leaving,
        });
        let bets = table.bets().map(|(player, bet, stake)| BetView {
            player: name(player),
            bet: bet.to_string(),
            amount: stake.0,
            working: table.is_working(player, bet).unwrap_or(true),
        });
        Self {
            id: id.0,
            name: entry.name.to_string(),
            owner: entry.owner.to_string(),
            rules: table.rules().clone(),
            bank: table.bank().0,
            reserved: table.reserve().0,
            round: table.round().0,
            rolling: window_ends.is_none(),
            point: table.point().map(Number::total),
            shooter: table.shooter().map(name),
            window_ends_ms: window_ends.map(BlockTime::as_millis),
            deadline_ms: table.deadline().map(BlockTime::as_millis),
            seats: seats.collect(),
            bets: bets.collect(),
            history: table.history().map(pips).collect(),
            insecure_dealer,
        }
    }
}

impl TransactionView {
    /// Where transaction `id` stands; `waiting_for` says what the node waits for.
    pub fn of(id: TransactionId, outcome: Outcome, waiting_for: &str) -> Self {
        let state = match outcome {
            Outcome::Unknown => TransactionState::Unknown,
            Outcome::Waiting => TransactionState::Waiting { waiting_for: waiting_for.into() },
            Outcome::Final { height, table, dice } => TransactionState::Final {
                height: height.0,
                table: table.map(|table| table.0),
                dice: dice.map(pips),
            },
            Outcome::Failed { reason } => TransactionState::Failed { reason },
        };
        Self { id: id.to_string(), state }
    }
}

impl PrivateView {
    fn of(status: &PrivateStatus) -> Self {
        let pending = status.pending.iter().map(|it| PendingKeyView {
            id: it.id.to_string(),
            version: it.version,
            endorsed_by: it.endorsed_by.clone(),
            members: it.members.iter().map(PeerId::to_string).collect(),
        });
        Self {
            version: status.version,
            left_out: status.is_left_out,
            endorsements_needed: status.endorsements_needed,
            pending: pending.collect(),
            strangers: status.strangers,
        }
    }
}

impl EventView {
    pub(super) fn of(notice: &Notice) -> Self {
        match notice {
            Notice::PeerUp { peer, link: _ } => Self::PeerUp { peer: peer.to_string() },
            Notice::PeerDown { peer } => Self::PeerDown { peer: peer.to_string() },
            Notice::Misbehaved { link, peer, fault, response } => Self::Misbehaved {
                peer: peer.map(|peer| peer.to_string()),
                link: link.0,
                fault: format!("{fault:?}"),
                response: response.to_string(),
            },
            Notice::Suspicious { suspicion, peer, severity, response } => Self::Suspicious {
                suspicion: suspicion.to_string(),
                peer: peer.map(|peer| peer.to_string()),
                severity: severity.to_string(),
                response: response.to_string(),
            },
            Notice::Evidence { validator, what } => {
                Self::Evidence { validator: validator.0, what: (*what).into() }
            }
            Notice::Entered { view } => Self::Entered { view: view.0 },
            Notice::Finalized { height, view, hash, time, transactions } => Self::Finalized {
                height: height.0,
                view: view.0,
                hash: hash.to_string(),
                time_ms: time.as_millis(),
                transactions: *transactions,
            },
            Notice::Done { id, height, table } => Self::Done {
                id: id.to_string(),
                height: height.0,
                table: table.map(|table| table.0),
            },
            Notice::Failed { id, rejection } => {
                Self::Failed { id: id.to_string(), reason: rejection.to_string() }
            }
            Notice::Rolled { table, round, dice, view } => {
                Self::Rolled { table: table.0, round: round.0, dice: pips(*dice), view: view.0 }
            }
            Notice::Settled { table, round, dice } => {
                Self::Settled { table: table.0, round: round.0, dice: pips(*dice) }
            }
            Notice::RotationProposed { id, version, by, needed } => Self::KeyProposed {
                id: id.to_string(),
                version: *version,
                endorsed_by: *by,
                needed: *needed,
            },
            Notice::KeyChanged { version } => Self::KeyChanged { version: *version },
            Notice::LeftOut => Self::LeftOut {},
            Notice::Abstains { reason } => Self::Abstains { reason: (*reason).into() },
            Notice::Said { room, line } => {
                let (table, peer) = match room {
                    Room::Table(table) => (Some(table.0), None),
                    Room::Peer(peer) => (None, Some(peer.to_string())),
                };
                let (from, at_ms) = (line.from.to_string(), line.at.as_millis());
                Self::Said { table, peer, from, at_ms, text: line.words.to_string() }
            }
            Notice::Delivered { id, to } => {
                Self::Delivered { id: id.to_string(), to: to.to_string() }
            }
            Notice::Undelivered { id, to } => {
                Self::Undelivered { id: id.to_string(), to: to.to_string() }
            }
            Notice::Halted { reason } => Self::Halted { reason: reason.clone() },
        }
    }
}

/// The faces of two dice.
fn pips(dice: Dice) -> [u8; 2] {
    let (first, second) = dice.faces();
    [first, second]
}

/// A player's key: the game's players are the chain's accounts.
fn name(player: Player) -> String {
    PeerId(player.0).to_string()
}
