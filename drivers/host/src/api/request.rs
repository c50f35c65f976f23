//! What can be asked for, as JSON states it.

use bitcraps_protocol::chain::{Operation, TableId};
use bitcraps_protocol::craps::{Bet, Chips, Round, Rules};
use bitcraps_protocol::event::Command;
use bitcraps_protocol::identity::{Address, PeerId};
use bitcraps_protocol::wire::Text;
use serde::{Deserialize, Serialize};

use super::{Code, Failure};

/// `POST /v1/transactions`: sign an operation with the node's key and bring it on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionRequest {
    /// What to do.
    pub operation: OperationRequest,
    /// Whether to answer only when it is final (and, for a roll, the dice are known), or after a
    /// while.
    #[serde(default)]
    pub wait: bool,
}

/// `POST /v1/invitations`: make a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationRequest {
    /// Chips that the ticket carries, paid by this node's account.
    #[serde(default)]
    pub chips: u64,
    /// The table it leads to.
    #[serde(default)]
    pub table: Option<u32>,
    /// Whether it is for a relay, which carries what members say without reading it: the ticket then
    /// holds no key.
    #[serde(default)]
    pub relay: bool,
}

/// An operation of this node's account; see [`Operation`] for what each does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum OperationRequest {
    /// Pays another account.
    Transfer {
        /// Its address.
        to: String,
        /// How many chips.
        amount: u64,
    },
    /// Opens a table.
    OpenTable {
        /// What it is called.
        name: String,
        /// Its house rules; the usual ones if left out.
        #[serde(default)]
        rules: Option<Box<Rules>>,
        /// Chips for its bank.
        bank: u64,
    },
    /// Closes one's own table.
    CloseTable {
        /// Which.
        table: u32,
    },
    /// Takes a seat.
    Sit {
        /// Where.
        table: u32,
    },
    /// Leaves a seat.
    Stand {
        /// Where.
        table: u32,
    },
    /// Puts chips on a bet.
    Bet {
        /// Where.
        table: u32,
        /// For which roll.
        round: u64,
        /// On what, for example `pass` or `place:6`.
        bet: String,
        /// How many chips.
        amount: u64,
    },
    /// Takes a bet down.
    TakeDown {
        /// Where.
        table: u32,
        /// Before which roll.
        round: u64,
        /// Which.
        bet: String,
        /// How much of it; all if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<u64>,
    },
    /// Calls a bet on or off.
    SetWorking {
        /// Where.
        table: u32,
        /// Before which roll.
        round: u64,
        /// Which.
        bet: String,
        /// Whether it is to work.
        on: bool,
    },
    /// Puts chips into a table's bank.
    Fund {
        /// Whose.
        table: u32,
        /// How many.
        amount: u64,
    },
    /// Draws chips that no bet needs out of the bank of one's own table.
    Draw {
        /// Whose.
        table: u32,
        /// How many.
        amount: u64,
    },
    /// Agrees to roll before the betting window has passed.
    Ready {
        /// Where.
        table: u32,
        /// For which roll.
        round: u64,
    },
    /// Passes the dice to the next player.
    PassDice {
        /// Where.
        table: u32,
        /// Before which roll.
        round: u64,
    },
    /// Throws the dice.
    Roll {
        /// Where.
        table: u32,
        /// Which roll.
        round: u64,
    },
}

impl OperationRequest {
    /// The operation behind the texts.
    pub fn operation(self) -> Result<Operation, Failure> {
        Ok(match self {
            Self::Transfer { to, amount } => {
                let to: Address = to.parse().map_err(|error| {
                    Failure::new(Code::BadRequest, format!("the address {to:?} {error}"))
                })?;
                Operation::Transfer { to, amount: Chips(amount) }
            }
            Self::OpenTable { name, rules, bank } => {
                let name = Text::new(name).map_err(|error| {
                    Failure::new(Code::BadRequest, format!("the table's name is {error}"))
                })?;
                Operation::OpenTable {
                    name,
                    rules: rules.map_or_else(Rules::default, |rules| *rules),
                    bank: Chips(bank),
                }
            }
            Self::CloseTable { table } => Operation::CloseTable { table: TableId(table) },
            Self::Sit { table } => Operation::Sit { table: TableId(table) },
            Self::Stand { table } => Operation::Stand { table: TableId(table) },
            Self::Bet { table, round, bet, amount } => Operation::Bet {
                table: TableId(table),
                round: Round(round),
                bet: parse_bet(&bet)?,
                amount: Chips(amount),
            },
            Self::TakeDown { table, round, bet, amount } => Operation::TakeDown {
                table: TableId(table),
                round: Round(round),
                bet: parse_bet(&bet)?,
                amount: amount.map(Chips),
            },
            Self::SetWorking { table, round, bet, on } => Operation::SetWorking {
                table: TableId(table),
                round: Round(round),
                bet: parse_bet(&bet)?,
                on,
            },
            Self::Fund { table, amount } => {
                Operation::Fund { table: TableId(table), amount: Chips(amount) }
            }
            Self::Draw { table, amount } => {
                Operation::Draw { table: TableId(table), amount: Chips(amount) }
            }
            Self::Ready { table, round } => {
                Operation::Ready { table: TableId(table), round: Round(round) }
            }
            Self::PassDice { table, round } => {
                Operation::PassDice { table: TableId(table), round: Round(round) }
            }
            Self::Roll { table, round } => {
                Operation::Roll { table: TableId(table), round: Round(round) }
            }
        })
    }

    /// The roll whose dice are awaited, if this is one.
    pub fn roll(&self) -> Option<(TableId, Round)> {
        match *self {
            Self::Roll { table, round } => Some((TableId(table), Round(round))),
            Self::Transfer { .. }
            | Self::OpenTable { .. }
            | Self::CloseTable { .. }
            | Self::Sit { .. }
            | Self::Stand { .. }
            | Self::Bet { .. }
            | Self::TakeDown { .. }
            | Self::SetWorking { .. }
            | Self::Fund { .. }
            | Self::Draw { .. }
            | Self::Ready { .. }
            | Self::PassDice { .. } => None,
        }
    }
}

fn parse_bet(text: &str) -> Result<Bet, Failure> {
    text.parse().map_err(|error| Failure::new(Code::BadRequest, format!("{text:?}: {error}")))
}

/// `POST /v1/rotations`: make a new key for a private network, or stand by another validator's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RotationRequest {
    /// Make one, for everybody who has an account.
    Make {
        /// But not for these (addresses or keys); no validator can be left out.
        #[serde(default)]
        without: Vec<String>,
        /// And for these, who have no account.
        #[serde(default)]
        with: Vec<String>,
    },
    /// Stand by the one of this name.
    Endorse(String),
}

impl RotationRequest {
    /// What the node is asked to do.
    pub fn command(self) -> Result<Command, Failure> {
        let peers = |ids: Vec<String>| {
            ids.iter().map(|id| super::peer(id)).collect::<Result<Vec<PeerId>, Failure>>()
        };
        Ok(match self {
            Self::Make { without, with } => {
                Command::Rotate { without: peers(without)?, with: peers(with)? }
            }
            Self::Endorse(id) => {
                let bad = |_| Failure::new(Code::BadRequest, "a new key's name has 64 hex digits");
                Command::Endorse { rotation: id.parse().map_err(bad)? }
            }
        })
    }
}

/// What `POST /v1/rotations` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationView {
    /// What the new key is called while validators make up their minds.
    pub id: String,
}
