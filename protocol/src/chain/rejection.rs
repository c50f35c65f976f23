//! Why a transaction is not acceptable, and why a block is not valid.

use core::fmt;

use super::{Nonce, NotAuthentic, TableId};
use crate::beacon::generation::{BadRecord, Untrue};
use crate::block::{Height, View};
use crate::craps::{self, Chips};
use crate::ledger::Insufficient;
use crate::wire::limits;

/// Why a transaction cannot be in the next block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The sender has no account: nobody ever paid it.
    NoAccount,
    /// This nonce or a later one was used already.
    NonceUsed {
        /// The first one that was not.
        next: Nonce,
    },
    /// The nonce is more than [`limits::NONCE_GAP`] above the last one used.
    NonceTooFar,
    /// The last height at which it might have been included has passed.
    Expired {
        /// That height.
        expires: Height,
    },
    /// It expires more than [`limits::EXPIRY_BLOCKS`] blocks ahead.
    ExpiryTooFar,
    /// The block has as many transactions, of all or of this sender, as it may hold, or the chain
    /// as many unsettled rolls.
    NoRoom,
    /// A transfer of nothing.
    NothingToTransfer,
    /// The sender's balance is too small.
    InsufficientFunds {
        /// The balance.
        have: Chips,
        /// What is needed.
        need: Chips,
    },
    /// The payee has no account yet, and its address is worth too few bits of proof of work.
    TooLittleWork {
        /// What the network asks for.
        bits: u8,
    },
    /// No table of this number is open.
    NoSuchTable {
        /// The number.
        table: TableId,
    },
    /// Only the account that opened a table may close it.
    NotOwner,
    /// The sender, or everybody together, has as many tables open as allowed.
    TooManyTables,
    /// There is no dice key now: the validators are making one.
    NoDiceKey,
    /// The table refuses.
    Table(craps::Refusal),
}

/// Why a block must not be voted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Its parent was not executed here; nothing is known about the block itself.
    UnknownParent,
    /// The bytes are not the body that the header commits to; another copy may be.
    WrongBody,
    /// Another network or epoch than its parent's.
    WrongNetwork,
    /// The height, view or time does not follow its parent's.
    OutOfOrder,
    /// It records a coin that no roll waits for.
    NoPendingRoll {
        /// Of this view.
        view: View,
    },
    /// It records a coin whose shares do not prove it.
    BadCoin {
        /// Of this view.
        view: View,
    },
    /// It holds a record of the key generation that is none.
    Untrue {
        /// Its place among them, from 0.
        index: usize,
        /// What is wrong with it.
        why: Untrue,
    },
    /// It holds a record of the key generation that is not acceptable there.
    BadRecord {
        /// Its place among them, from 0.
        index: usize,
        /// Why not.
        why: BadRecord,
    },
    /// It holds a transaction whose sender did not sign it.
    NotAuthentic {
        /// Its place in the body, from 0.
        index: usize,
        /// What is wrong with it.
        why: NotAuthentic,
    },
    /// It holds a transaction that is not acceptable there.
    Rejected {
        /// Its place in the body, from 0.
        index: usize,
        /// Why not.
        why: Rejection,
    },
    /// It rolls a table's dice without its shooter, before they are due.
    SystemRoll {
        /// Which table.
        table: TableId,
        /// What the table says.
        why: Rejection,
    },
    /// The header says something else about the body or the state after it.
    WrongCommitments,
}

impl Rejection {
    /// Whether it may pass without any other change, only because time goes on.
    pub const fn is_early(&self) -> bool {
        matches!(self, Self::Table(craps::Refusal::BettingOpen { .. }))
    }

    /// Whether a transaction that may not wait now may do so later: this node may be behind.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::NoAccount | Self::NonceTooFar | Self::ExpiryTooFar)
    }
}

impl From<Insufficient> for Rejection {
    fn from(Insufficient { have, need }: Insufficient) -> Self {
        Self::InsufficientFunds { have, need }
    }
}

impl From<craps::Refusal> for Rejection {
    fn from(refusal: craps::Refusal) -> Self {
        Self::Table(refusal)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAccount => formatter.write_str(
                "there is no account yet: it comes into being when somebody pays this address",
            ),
            Self::NonceUsed { next } => {
                write!(formatter, "the nonce was used already; the next free one is {}", next.0)
            }
            Self::NonceTooFar => write!(
                formatter,
                "the nonce is more than {} above the last one used",
                limits::NONCE_GAP
            ),
            Self::Expired { expires } => {
                write!(formatter, "it was not included up to height {expires} and has expired")
            }
            Self::ExpiryTooFar => {
                write!(formatter, "it may expire at most {} blocks ahead", limits::EXPIRY_BLOCKS)
            }
            Self::NoRoom => formatter.write_str("the next block has no room for it"),
            Self::NothingToTransfer => formatter.write_str("a transfer moves at least one chip"),
            Self::InsufficientFunds { have, need } => {
                Insufficient { have: *have, need: *need }.fmt(formatter)
            }
            Self::TooLittleWork { bits } => write!(
                formatter,
                "the payee has no account yet and its address is worth less than {bits} bits of \
                 proof of work"
            ),
            Self::NoSuchTable { table } => write!(formatter, "no table {} is open", table.0),
            Self::NotOwner => formatter.write_str("only its owner may close a table"),
            Self::TooManyTables => formatter.write_str("too many tables are open"),
            Self::NoDiceKey => formatter
                .write_str("the dice cannot be rolled yet: the validators are making their key"),
            Self::Table(refusal) => refusal.fmt(formatter),
        }
    }
}

impl core::error::Error for Rejection {}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownParent => formatter.write_str("its parent was not executed here"),
            Self::WrongBody => formatter.write_str("the body is not the one its header names"),
            Self::WrongNetwork => formatter.write_str("it belongs to another network or epoch"),
            Self::OutOfOrder => {
                formatter.write_str("its height, view or time does not follow its parent's")
            }
            Self::NoPendingRoll { view } => {
                write!(formatter, "it records a coin of view {view}, for which no roll waits")
            }
            Self::BadCoin { view } => {
                write!(formatter, "its shares do not prove the coin of view {view}")
            }
            Self::Untrue { index, why } => {
                write!(formatter, "its key generation record {index} is none: {why}")
            }
            Self::BadRecord { index, why } => {
                write!(formatter, "its key generation record {index} is not acceptable: {why}")
            }
            Self::NotAuthentic { index, why } => {
                let why = match why {
                    NotAuthentic::Malformed(_) => "malformed",
                    NotAuthentic::BadSignature => "not signed by its sender",
                };
                write!(formatter, "its transaction {index} is {why}")
            }
            Self::Rejected { index, why } => {
                write!(formatter, "its transaction {index} is not acceptable: {why}")
            }
            Self::SystemRoll { table, why } => {
                write!(formatter, "it may not roll the dice of table {}: {why}", table.0)
            }
            Self::WrongCommitments => {
                formatter.write_str("its header does not tell what its body does")
            }
        }
    }
}

impl core::error::Error for Invalid {}
