//! What people say to one another: at a table, where everybody hears it, or to one peer.
//!
//! It has no part in consensus and is kept in memory only. A line is short, an author says few at a
//! time, and only the newest are kept. Lines at a table are signed by their author and broadcast;
//! what is said to one peer travels in letters ([`post`](crate::mesh::post)), which nobody between
//! can read.

mod history;
#[cfg(test)]
mod tests;

use core::time::Duration;

use serde::{Deserialize, Serialize};

use self::history::History;
pub use self::history::{LINES, Line, ROOMS};
use crate::chain::TableId;
use crate::event::LinkId;
use crate::identity::{Address, BadSignature, Context, Domain, Keypair, PeerId, Signature};
use crate::mesh::{Authors, Bucket, Rate};
use crate::time::{BlockTime, Time};
use crate::wire::{Hash, Text, encode};

/// Bytes of the longest line.
pub const TEXT_BYTES: usize = 512;

/// One line of somebody's.
pub type Words = Text<TEXT_BYTES>;

/// What one author may say: a burst of 8 lines, then one in two seconds.
const PER_AUTHOR: Rate = Rate { burst: 16, per_second: 1 };
/// What a line costs.
const LINE_COSTS: u64 = 2;
/// How long an author who has said all they may has to wait for the next line.
pub const PAUSE: Duration = Duration::from_secs(LINE_COSTS / PER_AUTHOR.per_second);

/// Where somebody says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// At a table.
    Table(TableId),
    /// Between this node and one other.
    Peer(PeerId),
}

/// What somebody says at a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Statement {
    table: TableId,
    from: Address,
    /// Its author uses no number twice; they grow, after restarts too.
    number: u64,
    words: Words,
}

/// A line at a table, as it is broadcast; believed only when the signature verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLine {
    statement: Statement,
    signature: Signature,
}

/// What becomes of a line that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new, and to be passed on.
    News(Line),
    /// It came before, or its author says more than their share.
    Idle,
    /// Whoever signed it, it was not its author.
    Forged,
}

/// An author says more than their share, or nobody knows what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// What was said lately, and how much more may be.
#[derive(Debug)]
pub(crate) struct Chat {
    history: History,
    /// Authors at tables.
    authors: Authors,
    /// Authors of letters, who have proved by them who they are.
    writers: Authors,
    /// What this node's player may still say.
    own: Bucket,
    next_number: Option<u64>,
}

impl SignedLine {
    /// The table at which it is said.
    pub const fn table(&self) -> TableId {
        self.statement.table
    }

    /// Who says it.
    pub const fn author(&self) -> Address {
        self.statement.from
    }

    /// Names it.
    pub fn id(&self) -> Hash {
        Hash::of("bitcraps 2026 chat line", self)
    }

    fn check(&self, context: &Context) -> Result<(), BadSignature> {
        let bytes = encode(&self.statement);
        self.statement.from.peer.verify(Domain::Chat, context, &bytes, &self.signature)
    }
}

impl Chat {
    pub(crate) const fn new(now: Time) -> Self {
        Self {
            history: History::new(),
            authors: Authors::new(PER_AUTHOR),
            writers: Authors::new(PER_AUTHOR),
            own: Bucket::new(now, PER_AUTHOR),
            next_number: None,
        }
    }

    /// Learns what the wall clock says: numbers of lines continue from it.
    pub(crate) fn wall_clock(&mut self, unix_ms: u64) {
        self.next_number.get_or_insert(unix_ms);
    }

    /// What was said in a room, oldest first.
    pub(crate) fn lines(&self, room: Room) -> impl Iterator<Item = &Line> {
        self.history.lines(room)
    }

    /// Says something at a table in this node's name.
    pub(crate) fn say(
        &mut self,
        now: Time,
        at: BlockTime,
        speaker: (&Keypair, Address, &Context),
        table: TableId,
        words: Words,
    ) -> Result<(SignedLine, Line), TooMuch> {
        let (keypair, from, context) = speaker;
        let number = self.next_number.ok_or(TooMuch)?;
        self.pay(now)?;
        self.next_number = Some(number + 1);
        let statement = Statement { table, from, number, words };
        let signature = keypair.sign(Domain::Chat, context, &encode(&statement));
        let line = self.note(Room::Table(table), from.peer, at, statement.words.clone());
        Ok((SignedLine { statement, signature }, line))
    }

    /// Notes what this node says to a peer.
    pub(crate) fn write(
        &mut self,
        now: Time,
        at: BlockTime,
        own: PeerId,
        to: PeerId,
        words: Words,
    ) -> Result<Line, TooMuch> {
        self.pay(now)?;
        Ok(self.note(Room::Peer(to), own, at, words))
    }

    /// Whether this node's player may say one more thing.
    pub(crate) fn affords(&mut self, now: Time) -> Result<(), TooMuch> {
        if self.own.affords(now, LINE_COSTS) { Ok(()) } else { Err(TooMuch) }
    }

    fn pay(&mut self, now: Time) -> Result<(), TooMuch> {
        if self.own.take(now, LINE_COSTS) { Ok(()) } else { Err(TooMuch) }
    }

    /// Judges a line whose author may speak at its table; cheapest first.
    pub(crate) fn judge(
        &mut self,
        now: Time,
        at: BlockTime,
        link: LinkId,
        line: &SignedLine,
        context: &Context,
    ) -> Verdict {
        let Statement { table, from: Address { peer, .. }, number, ref words } = line.statement;
        let awaited = self.authors.awaits(peer, number);
        if !awaited || !self.authors.affords(now, peer, LINE_COSTS) {
            return Verdict::Idle;
        }
        if line.check(context).is_err() {
            return Verdict::Forged;
        }
        self.authors.came(now, peer, link, number, LINE_COSTS);
        Verdict::News(self.note(Room::Table(table), peer, at, words.clone()))
    }

    /// Takes what a peer has written to this node, unless it is more than its share.
    pub(crate) fn hear(
        &mut self,
        now: Time,
        at: BlockTime,
        from: PeerId,
        words: Words,
    ) -> Result<Line, TooMuch> {
        if !self.writers.spend(now, from, LINE_COSTS) {
            return Err(TooMuch);
        }
        Ok(self.note(Room::Peer(from), from, at, words))
    }

    fn note(&mut self, room: Room, from: PeerId, at: BlockTime, words: Words) -> Line {
        let line = Line { from, at, words };
        self.history.note(room, line.clone());
        line
    }
}
