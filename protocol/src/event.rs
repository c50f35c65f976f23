//! The whole boundary between the core and the world: what happened ([`Event`]), what to do about
//! it ([`Action`]), what the local player wants ([`Command`], or the [`Refusal`] of it), what a
//! peer did wrong ([`Fault`]) and what is worth telling people ([`Notice`]).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::block::{BlockHash, Height, ValidatorIndex, View};
use crate::chain::{Operation, Rejection, SignedTransaction, TableId, TransactionId};
use crate::chat::{Line, Room, Words};
use crate::craps::{Dice, Round};
use crate::identity::PeerId;
use crate::keyring::NoRotation;
use crate::time::BlockTime;
use crate::wire::{Hash, Malformed};

/// One connection between two nodes, named by the driver; never reused while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkId(pub u64);

/// What a link promises about its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkKind {
    /// Ordered and reliable until it goes down, like TCP.
    Stream,
    /// A frame arrives whole or not at all, perhaps late, twice or out of order, like Bluetooth.
    Datagram,
}

/// Who opened a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// The other side.
    Inbound,
    /// This side.
    Outbound,
}

/// Where a transport can find somebody. Opaque to the core: a transport's tag and its own bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Which transport; 0 is TCP, whose bytes are `host:port` in UTF-8.
    pub transport: u8,
    /// The transport's own name for the place.
    pub bytes: Bytes,
}

/// A record's place in the journal: one total order, counted from 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position(pub u64);

/// What a node must still know after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What its keeper must know of it.
    pub label: Label,
    /// Its content, in the core's own encoding.
    pub bytes: Bytes,
}

/// What the keeper of a journal must know of a record without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Nothing.
    Plain,
    /// It is the decided block at this height, which will be asked for under [`Key::Block`].
    Block(Height),
    /// A start may begin to read here, without what is before, once the snapshot of this height is
    /// whole. Blocks that are before are still asked for.
    Base {
        /// The height of the newest final block at this place.
        height: Height,
        /// Whether that block is the last one before this record; otherwise its state was fetched,
        /// and the blocks below it may not be here.
        follows: bool,
    },
    /// The last record of the snapshot of the state at this height.
    Whole(Height),
}

/// What the driver must be able to find again in its journal without holding it in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The decided block at this height.
    Block(Height),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link came up.
    LinkUp {
        /// Its name from now on.
        link: LinkId,
        /// What it promises.
        kind: LinkKind,
        /// Bytes of the largest frame it carries.
        mtu: u32,
        /// Who opened it.
        direction: Direction,
        /// The other end.
        endpoint: Endpoint,
    },
    /// A link is gone; nothing more arrives on it, and what was not `Sent` may be lost.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame arrived, not longer than the link's MTU.
    Received {
        /// On which link.
        link: LinkId,
        /// Its bytes.
        frame: Bytes,
    },
    /// The oldest unfinished [`Action::Send`] on this link has left.
    Sent {
        /// On which link.
        link: LinkId,
    },
    /// This record and all before it are durable.
    Persisted {
        /// The newest durable record.
        position: Position,
    },
    /// Answers [`Action::Load`].
    Loaded {
        /// What was asked for.
        key: Key,
        /// The record's bytes, or `None` if there is no such record.
        bytes: Option<Bytes>,
    },
    /// What the wall clock says; stated in votes, never obeyed.
    WallClock {
        /// Milliseconds since the Unix epoch.
        unix_ms: u64,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Whom it was for.
        endpoint: Endpoint,
    },
    /// Somebody may be found there.
    Discovered {
        /// Where.
        endpoint: Endpoint,
    },
    /// Others can reach this node there, as far as its driver knows.
    Reachable {
        /// Where.
        endpoint: Endpoint,
    },
    /// Whoever runs this node wants a snapshot of the next final block's state.
    SnapshotWanted,
    /// The deadline has passed.
    Tick,
}

/// Something for the driver to do. `Send`, `Persist` and `Load` complete as events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a frame; frames of one link keep their order. Completes as [`Event::Sent`].
    Send {
        /// On which link.
        link: LinkId,
        /// Not longer than the link's MTU.
        frame: Bytes,
    },
    /// Append a record to the journal; positions are consecutive. Completes as
    /// [`Event::Persisted`]; if it cannot, the process must stop.
    Persist {
        /// The record's place.
        position: Position,
        /// Its content.
        record: Record,
    },
    /// Fetch a durable record. Completes as [`Event::Loaded`].
    Load {
        /// Which.
        key: Key,
    },
    /// Try to open a link. Completes as `LinkUp` or `DialFailed`.
    Dial {
        /// To where.
        endpoint: Endpoint,
    },
    /// Close a link. No `LinkDown` follows.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// Remember this for the next life, as secret as this node's own key; it replaces what was kept
    /// before. If it is lost, a neighbour helps.
    KeepKeys(Bytes),
    /// Tell whoever is interested.
    Notify(Notice),
}

/// Why the core closes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// The other side broke the protocol.
    Fault(Fault),
    /// Another link to the same peer survives.
    Duplicate,
    /// The link leads to this node itself.
    Oneself,
    /// The handshake or the link's acknowledgements took too long.
    TimedOut,
    /// There are too many links.
    Full,
    /// Its peer or its address is banned, or denied by whoever runs this node.
    Banned,
}

/// What the local player can ask for.
#[expect(clippy::large_enum_variant, reason = "few wait at one time, and few of them open tables")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sign an operation with this node's key and bring it on the chain.
    Operate(Operation),
    /// Bring a transaction that another key signed on the chain.
    Submit(SignedTransaction),
    /// Say something to people. It is said at once or refused, and has nothing to do with the chain.
    Say {
        /// Where.
        room: Room,
        /// What.
        words: Words,
    },
    /// Make a new key for a private network, for all who have an account. It comes into use once f +
    /// 1 validators stand by it; this one does. Only for validators.
    Rotate {
        /// Who is not to have it; no validator can be left out.
        without: Vec<PeerId>,
        /// Who is to have it without an account.
        with: Vec<PeerId>,
    },
    /// Stand by a new key that another validator made.
    Endorse {
        /// Its name, see [`Notice::RotationProposed`].
        rotation: Hash,
    },
}

/// Names a command that was accepted: the id of its transaction, or of what was said.
pub type CommandId = TransactionId;

/// Why a command was not accepted. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The transaction would not be acceptable after all those already waiting.
    Rejected(Rejection),
    /// Too many transactions are waiting; try again after the next block.
    MempoolFull,
    /// This identity opens tables too often; try again in a while.
    TooManyTables,
    /// Only who sits at a table or owns it speaks there.
    NotAtTable,
    /// Too much was said in a short time; wait a few seconds.
    TooMuchTalk,
    /// Too many letters wait to arrive; try again in a while.
    TooManyLetters,
    /// A letter to this node itself.
    ToOneself,
    /// There cannot be such a new key, or none by that name waits.
    NoRotation(NoRotation),
    /// The submitted bytes are not a transaction signed for this network.
    NotAuthentic,
    /// The node has stopped working; the reason was given in a notice.
    Halted,
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// Bytes that are not a message. Only the neighbour itself can cause it.
    Malformed,
    /// A handshake that is not Noise XX of this version. The neighbour's doing.
    Handshake,
    /// The handshake names another network.
    WrongNetwork,
    /// The handshake's proof of work is worth too little.
    TooLittleWork,
    /// The handshake's signature does not bind the Noise key to the identity.
    WrongIdentity,
    /// A record that does not decrypt, repeats a nonce, or is out of sequence.
    Decryption,
    /// A message or its pieces exceed what a link may carry.
    TooLarge,
    /// A relayed statement with a bad signature; honest neighbours verify before they relay.
    BadSignature,
    /// A certificate that does not verify.
    BadCertificate,
    /// A coin share whose proof does not verify; never the signer's fault, a relay could have done it.
    BadShare,
    /// A block that its own certificates or its parent contradict.
    BadBlock,
    /// A statement by or about somebody who is not a validator.
    NotAValidator,
    /// An answer to something that was not asked.
    Unsolicited,
    /// More than the link's budget allows.
    Flooding,
    /// A record that came before. The neighbour's doing, or that of somebody between.
    Replay,
    /// A transaction that its sender did not sign; honest neighbours verify before they relay.
    ForgedTransaction,
    /// In the clear what members of a private network seal. A neighbour that was given no key.
    Unsealed,
}

/// Behaviour that somebody who looks after a network should hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Suspicion {
    /// A leader signs one proposal after the other for one view.
    ProposalBurst,
    /// A validator contradicts itself.
    Equivocation,
    /// Somebody tries to act for an account whose key they do not have.
    UnauthorizedTransfer,
    /// Somebody sends again what was sent before.
    Replay,
    /// Somebody sends more than the budgets allow.
    Flooding,
}

/// How much a [`Suspicion`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// An accident may look like it.
    Low,
    /// It costs this node something.
    Medium,
    /// Nobody does it by accident.
    High,
}

/// What a node did about a [`Fault`] or a [`Suspicion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// It keeps the proof.
    Recorded,
    /// It listens no more to that.
    Ignored,
    /// It closed the link.
    Disconnected,
    /// It closed the peer's links, and admits none for so long.
    Banned(Duration),
    /// It closed the link, and admits none from that address for so long.
    AddressBanned(Duration),
}

/// Something worth telling people; never needed for correctness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A link's other end is now known and admitted.
    PeerUp {
        /// Who.
        peer: PeerId,
        /// On which link.
        link: LinkId,
    },
    /// A peer's last link is gone.
    PeerDown {
        /// Who.
        peer: PeerId,
    },
    /// A peer broke the protocol.
    Misbehaved {
        /// On which link.
        link: LinkId,
        /// Who, if the handshake got that far.
        peer: Option<PeerId>,
        /// How.
        fault: Fault,
        /// What was done about it.
        response: Response,
    },
    /// Somebody behaves as attackers do.
    Suspicious {
        /// How.
        suspicion: Suspicion,
        /// Who, if known: a neighbour, or the validator whose signatures show it.
        peer: Option<PeerId>,
        /// How much it matters.
        severity: Severity,
        /// What was done about it.
        response: Response,
    },
    /// A validator provably contradicted itself.
    Evidence {
        /// Which.
        validator: ValidatorIndex,
        /// What it did, in words.
        what: &'static str,
    },
    /// This node entered a view.
    Entered {
        /// Which.
        view: View,
    },
    /// A block became final.
    Finalized {
        /// Its height.
        height: Height,
        /// Its view.
        view: View,
        /// Its hash.
        hash: BlockHash,
        /// Its agreed time.
        time: BlockTime,
        /// How many transactions it holds.
        transactions: u32,
    },
    /// A command's transaction is final.
    Done {
        /// The command.
        id: CommandId,
        /// The block that holds it.
        height: Height,
        /// The table it opened, if it opened one.
        table: Option<TableId>,
    },
    /// A command's transaction has become impossible.
    Failed {
        /// The command.
        id: CommandId,
        /// Why.
        rejection: Rejection,
    },
    /// The dice of a final roll are known.
    Rolled {
        /// Where.
        table: TableId,
        /// Which roll.
        round: Round,
        /// What they show.
        dice: Dice,
        /// The view of the block that holds the throw, whose coin it is.
        view: View,
    },
    /// A roll was settled on the chain.
    Settled {
        /// Where.
        table: TableId,
        /// Which roll.
        round: Round,
        /// What the dice showed.
        dice: Dice,
    },
    /// Somebody said something: this node's player, or another.
    Said {
        /// Where.
        room: Room,
        /// Who, when, and what.
        line: Line,
    },
    /// A letter has arrived.
    Delivered {
        /// The command that wrote it.
        id: CommandId,
        /// At whom.
        to: PeerId,
    },
    /// A letter has not arrived, as far as is known, and is given up.
    Undelivered {
        /// The command that wrote it.
        id: CommandId,
        /// Whom it was for.
        to: PeerId,
    },
    /// A validator made or stands by a new key of this private network.
    RotationProposed {
        /// Its name.
        id: Hash,
        /// How many keys came before it.
        version: u32,
        /// How many validators stand by it.
        by: u16,
        /// How many must.
        needed: u16,
    },
    /// This private network has a new key.
    KeyChanged {
        /// How many keys came before it.
        version: u32,
    },
    /// This private network has a new key, and this node was not given it.
    LeftOut,
    /// This validator does not vote until it is safe to, and why.
    Abstains {
        /// The reason.
        reason: &'static str,
    },
    /// This node has stopped working, and why.
    Halted {
        /// The reason, in a sentence that says what to do.
        reason: String,
    },
}

impl Fault {
    /// What it looks like to people.
    pub const fn suspicion(self) -> Option<Suspicion> {
        match self {
            Self::Flooding => Some(Suspicion::Flooding),
            Self::Replay => Some(Suspicion::Replay),
            Self::ForgedTransaction => Some(Suspicion::UnauthorizedTransfer),
            Self::Malformed
            | Self::Handshake
            | Self::WrongNetwork
            | Self::TooLittleWork
            | Self::WrongIdentity
            | Self::Decryption
            | Self::TooLarge
            | Self::BadSignature
            | Self::BadCertificate
            | Self::BadShare
            | Self::BadBlock
            | Self::NotAValidator
            | Self::Unsolicited
            | Self::Unsealed => None,
        }
    }
}

impl Suspicion {
    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Replay => Severity::Low,
            Self::Flooding => Severity::Medium,
            Self::ProposalBurst | Self::Equivocation | Self::UnauthorizedTransfer => Severity::High,
        }
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ProposalBurst => "proposal burst",
            Self::Equivocation => "equivocation",
            Self::UnauthorizedTransfer => "unauthorized transfer",
            Self::Replay => "replay",
            Self::Flooding => "flooding",
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

impl fmt::Display for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => formatter.write_str("recorded"),
            Self::Ignored => formatter.write_str("ignored"),
            Self::Disconnected => formatter.write_str("disconnected"),
            Self::Banned(time) => write!(formatter, "banned for {} s", time.as_secs()),
            Self::AddressBanned(time) => {
                write!(formatter, "address banned for {} s", time.as_secs())
            }
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::TooLarge => Self::TooLarge,
            Malformed::Undecodable | Malformed::NotCanonical => Self::Malformed,
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(formatter),
            Self::MempoolFull => formatter.write_str("too many transactions are waiting"),
            Self::TooManyTables => {
                formatter.write_str("too many tables opened in the last minute; wait a little")
            }
            Self::NotAtTable => formatter
                .write_str("only players who sit at an open table, and its owner, speak there"),
            Self::TooMuchTalk => formatter.write_str("too much said at a time; wait a few seconds"),
            Self::TooManyLetters => {
                formatter.write_str("too many letters still wait to arrive; wait a little")
            }
            Self::ToOneself => formatter.write_str("that is this node's own address"),
            Self::NoRotation(reason) => reason.fmt(formatter),
            Self::NotAuthentic => formatter.write_str("not a transaction signed for this network"),
            Self::Halted => formatter.write_str("the node has stopped working"),
        }
    }
}

impl core::error::Error for Refusal {}

impl fmt::Display for LinkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
