//! What must be durable before what leaves.
//!
//! Records form one total order: when a record is durable, so is every earlier one. A vote is
//! appended behind the block and the certificates it rests on, and leaves when its own position is
//! durable; that is all there is to writing ahead. Recovery is a fold over the records.
//!
//! Every so often the journal can be read from its middle: a [base](Entry::Base) names the newest
//! final block and says again what was promised above it, and the snapshot of that block's state
//! follows, soon but among other records. What is before a base whose snapshot is whole is only
//! history.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::block::{BlockHash, Header, Height, View};
use crate::chain::Part;
use crate::consensus::{Block, Certificate, Certified, Decided, Promises, Vote};
use crate::event::{Label, Position, Record};
use crate::wire::{Malformed, decode, encode, limits};

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A block this node voted for or proposed.
    Block(Block),
    /// A certificate by which it entered a view, or the highest notarization it holds.
    Certificate(Certificate),
    /// A vote of its own: a promise.
    Vote(Vote),
    /// A final block.
    Decided(Decided),
    /// After a lost journal: nothing is voted for up to the view after this one.
    Barred {
        /// The highest view that the others had reached.
        maximum: View,
    },
    /// After a lost journal: a human has decided that this validator votes all the same.
    Overridden,
    /// A part of a snapshot: of the state after a final block.
    Part {
        /// The block.
        block: BlockHash,
        /// Some of the state's entries.
        part: Part,
    },
    /// The parts of this block's state are all before this.
    Snapshot(Certified),
    /// The newest final block, where reading may begin.
    Base {
        /// Its header.
        header: Header,
        /// Whether its record is the last one of a block before this; otherwise its state was
        /// fetched.
        follows: bool,
    },
    /// Follows a base: everything promised about views above its block.
    Promises(Promises),
}

impl Entry {
    /// The record to persist.
    pub fn to_record(&self) -> Record {
        let label = match self {
            Self::Decided(decided) => Label::Block(decided.block.header.height),
            Self::Base { header, follows } => {
                Label::Base { height: header.height, follows: *follows }
            }
            Self::Snapshot(certified) => Label::Whole(certified.header.height),
            Self::Block(_)
            | Self::Certificate(_)
            | Self::Vote(_)
            | Self::Barred { .. }
            | Self::Overridden
            | Self::Part { .. }
            | Self::Promises(_) => Label::Plain,
        };
        Record { label, bytes: encode(self).into() }
    }

    /// Whether it proves itself, so that it may come from a backup, without the promises that were
    /// made beside it.
    pub const fn proves_itself(&self) -> bool {
        match self {
            Self::Decided(_) | Self::Part { .. } | Self::Snapshot(_) => true,
            // Its header is that of a snapshot or of a block, which are compared with it.
            Self::Base { .. } => true,
            Self::Block(_)
            | Self::Certificate(_)
            | Self::Vote(_)
            | Self::Barred { .. }
            | Self::Overridden
            | Self::Promises(_) => false,
        }
    }

    /// Reads a record back.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        decode(bytes, limits::MESSAGE_BYTES)
    }
}

/// Finds where reading a journal may begin: told all labels, oldest first, from anywhere on.
#[derive(Clone, Debug, Default)]
pub struct Beginnings {
    /// Bases whose snapshots are not whole yet.
    open: Vec<(Position, Height)>,
    newest: Option<Position>,
}

impl Beginnings {
    /// The record at `position` has this label.
    pub fn note(&mut self, position: Position, label: Label) {
        match label {
            Label::Base { height, .. } => {
                // What a crash interrupted was begun again.
                self.open.retain(|(_, of)| *of != height);
                self.open.push((position, height));
            }
            Label::Whole(height) => {
                if let Some(at) = self.open.iter().position(|(_, of)| *of == height) {
                    self.newest = Some(self.open[at].0);
                    self.open.drain(..=at);
                }
            }
            Label::Plain | Label::Block(_) => {}
        }
    }

    /// The newest base whose snapshot is whole.
    pub const fn newest(&self) -> Option<Position> {
        self.newest
    }
}

/// Hands out positions and remembers how far the journal is durable.
#[derive(Debug, Default)]
pub struct Journal {
    next: u64,
    durable: u64,
}

impl Journal {
    /// A journal that already holds `records` records, all durable.
    pub const fn holding(records: u64) -> Self {
        Self { next: records, durable: records }
    }

    /// The position of the next record.
    pub const fn append(&mut self) -> Position {
        let position = Position(self.next);
        self.next += 1;
        position
    }

    /// Everything up to `position` is durable. What was never appended cannot be.
    pub fn persisted(&mut self, position: Position) {
        assert!(position.0 < self.next, "only what was appended becomes durable");
        self.durable = self.durable.max(position.0 + 1);
    }

    /// Whether the record at `position` is durable.
    pub const fn is_durable(&self, position: Position) -> bool {
        position.0 < self.durable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durable_record_implies_every_earlier_one() {
        let mut journal = Journal::holding(3);
        let (first, second, third) = (journal.append(), journal.append(), journal.append());
        assert_eq!(first, Position(3));
        journal.persisted(second);
        assert!(journal.is_durable(first) && journal.is_durable(second));
        assert!(!journal.is_durable(third));
    }
}
