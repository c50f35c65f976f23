//! What players type about tables, odds, hands and receipts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::help::{HAND_EXAMPLES, STATS_HELP};
use super::{Change, positive};

/// One roll of one table, typed as `1:17`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roll {
    pub(crate) table: u32,
    pub(crate) round: u64,
}

impl std::str::FromStr for Roll {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a roll is TABLE:ROLL, such as 1:17";
        let (table, round) = text.split_once(':').ok_or(wrong)?;
        let (table, round) = (table.parse().map_err(|_| wrong)?, round.parse().map_err(|_| wrong)?);
        Ok(Self { table, round })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Receipt {
    /// Which roll: the table's number, a colon and the roll's, such as 1:17
    #[arg(value_name = "TABLE:ROLL")]
    pub(crate) roll: Roll,
    /// Whose receipt: an address or key [default: this node's own]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "anybody")]
    pub(crate) player: Option<String>,
    /// For whom it may concern, with everybody's bets
    #[arg(long)]
    pub(crate) anybody: bool,
    /// Where to write it [default: table-TABLE-roll-ROLL.receipt; with --json nowhere]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The receipt: a file as `receipt` writes it, or its JSON form
    pub(crate) file: PathBuf,
    /// The genesis file to trust [default: that of the data directory]
    #[arg(long, value_name = "FILE", conflicts_with = "header")]
    pub(crate) genesis: Option<PathBuf>,
    /// A header of the network to trust, in hexadecimal or in a file, as `network header` prints it
    #[arg(long, value_name = "HEX|FILE")]
    pub(crate) header: Option<String>,
    /// Refuse the receipt of any other roll
    #[arg(long, value_name = "TABLE:ROLL")]
    pub(crate) roll: Option<Roll>,
    /// Refuse the receipt of anybody else: an address or key
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) player: Option<String>,
}

impl Verify {
    /// Whether it needs no data directory.
    pub(crate) fn names_what_to_trust(&self) -> bool {
        self.genesis.is_some() || self.header.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Odds {
    /// Which bet, such as place:6 [default: all that such a table offers]
    pub(crate) bet: Option<String>,
    /// The house rules [default: the standard profile]
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Hand {
    /// Play hands from a file through the engine, without a network
    #[command(after_help = HAND_EXAMPLES)]
    Play(HandPlay),
    /// Print every hand that was played at a table, to be played again with `hand play`
    Export {
        /// The table's number; it may be closed by now
        table: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct HandPlay {
    /// The hands, one JSON object a line; - is standard input
    pub(crate) file: PathBuf,
    /// The house rules of hands that name none [default: the standard profile]
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Answer lines that cannot be played with what is wrong with them, and go on
    #[arg(long)]
    pub(crate) keep_going: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// Open a table and fund its bank
    Open {
        /// What to call it
        name: String,
        /// Chips for its bank
        #[arg(value_parser = positive())]
        bank: u64,
        /// Seconds for bets before each roll, unless all players are ready
        #[arg(long, value_name = "SECONDS")]
        betting_time: Option<u32>,
        #[command(flatten)]
        change: Change,
    },
    /// List open tables
    List,
    /// Put chips into a table's bank; while the dice roll they are put aside for the next round
    Fund {
        /// The table's number
        table: u32,
        /// How many chips
        #[arg(value_parser = positive())]
        amount: u64,
        #[command(flatten)]
        change: Change,
    },
    /// Draw chips out of your own table's bank that no bet needs; while the dice roll, as many as
    /// are free once they are settled
    Draw {
        /// The table's number
        table: u32,
        /// How many chips
        #[arg(value_parser = positive())]
        amount: u64,
        #[command(flatten)]
        change: Change,
    },
    /// Show one table with everything on it, and the house's edge of every bet it takes
    Show {
        /// The table's number
        table: u32,
    },
    /// Show a table and every roll as it happens, until Ctrl-C
    Watch {
        /// The table's number
        table: u32,
    },
    /// Test the dice of a table: all rolls that this node's blocks hold
    #[command(after_help = STATS_HELP)]
    Stats {
        /// The table's number
        table: u32,
    },
    /// Close your own table once no bet is up; its bank returns to you
    Close {
        /// The table's number
        table: u32,
        #[command(flatten)]
        change: Change,
    },
}
