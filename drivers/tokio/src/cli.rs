//! What can be typed: commands, flags and the help that teaches them.

mod help;
mod node;
mod table;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use help::{
    CHAT_HELP, EXAMPLES, NETWORK_EXAMPLES, ODDS_EXAMPLES, RECEIPT_EXAMPLES, VERIFY_EXAMPLES, bets,
};

pub(crate) use node::{Audit, Backup, Join, Key, NewPassphrase, NodeArgs, NodeFlags, Place, Store};
pub(crate) use table::{Hand, HandPlay, Odds, Receipt, Roll, Table, Verify};

const GLOBAL: &str = "Options of every command";

/// Craps that nobody owns: a table, dice and a ledger run by nodes that need not trust each other.
#[derive(Debug, Parser)]
#[command(name = "bitcraps", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Where the node keeps its identity, network and journal [env: BITCRAPS_DATA_DIR=]
    /// [default: ~/.local/share/bitcraps]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file [env: BITCRAPS_CONFIG=] [default: bitcraps.toml in the data directory]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// What to log to standard error, such as `debug` or `bitcraps=trace` [env: BITCRAPS_LOG=]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole network with bots on this machine
    Dev(Dev),
    /// Run a node
    Node(NodeArgs),
    /// This node's identity
    #[command(subcommand)]
    Key(Key),
    /// Make networks
    #[command(subcommand)]
    Network(Network),
    /// What a stopped node has on disk
    #[command(subcommand)]
    Store(Store),
    /// The signed log of what this node has seen and done
    #[command(subcommand)]
    Audit(Audit),
    /// Encrypted copies of the network's history elsewhere
    #[command(subcommand)]
    Backup(Backup),
    /// Print a ticket with which somebody can join the network
    Invite(Invite),
    /// Accept an invitation: fetch its network, take its chips and run a node
    Join(Join),
    /// Carry what members of a private network say to one another, without being able to read it
    Relay(Join),
    /// Look for networks on the local network and over Bluetooth; needs no node
    Nearby {
        /// For how long
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
    },
    /// How the node and its network are doing, and what they wait for
    Status,
    /// How many chips an account has
    Balance {
        /// Whose [default: this node's own]
        address: Option<String>,
    },
    /// Pay chips to somebody
    Transfer {
        /// Whom: an address that begins with craps1
        address: String,
        /// How many chips
        #[arg(value_parser = positive())]
        amount: u64,
        #[command(flatten)]
        change: Change,
    },
    /// Write the receipt of a roll, which proves it to anybody without a network
    #[command(after_help = RECEIPT_EXAMPLES)]
    Receipt(Receipt),
    /// Check a receipt offline, step by step
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Tables
    #[command(subcommand)]
    Table(Table),
    /// What bets are worth, exactly
    #[command(after_help = ODDS_EXAMPLES)]
    Odds(Odds),
    /// Scripted hands
    #[command(subcommand)]
    Hand(Hand),
    /// Talk: at a table, or with one peer
    #[command(after_help = CHAT_HELP)]
    Chat(Chat),
    /// Take a seat at a table
    Sit {
        /// The table's number
        table: u32,
        #[command(flatten)]
        change: Change,
    },
    /// Leave a table: bets that may come down do, the others play to their end
    Stand {
        /// The table's number
        table: u32,
        #[command(flatten)]
        change: Change,
    },
    /// Put chips on a bet
    #[command(after_help = bets())]
    Bet {
        /// The table's number
        table: u32,
        /// On what, such as pass or place:6
        bet: String,
        /// How many chips
        #[arg(value_parser = positive())]
        amount: u64,
        #[command(flatten)]
        round: Round,
        #[command(flatten)]
        change: Change,
    },
    /// Take a bet down, or a part of it
    Down {
        /// The table's number
        table: u32,
        /// Which bet, such as place:6
        bet: String,
        /// How many chips of it [default: all]
        #[arg(value_parser = positive())]
        amount: Option<u64>,
        #[command(flatten)]
        round: Round,
        #[command(flatten)]
        change: Change,
    },
    /// Call a bet on: it wins and loses, on the come-out too
    On(Call),
    /// Call a bet off: it neither wins nor loses until it is called on
    Off(Call),
    /// Agree to roll before the betting time has passed
    Ready {
        /// The table's number
        table: u32,
        #[command(flatten)]
        round: Round,
        #[command(flatten)]
        change: Change,
    },
    /// Pass the dice to the next player, if it is your turn to throw them
    PassDice {
        /// The table's number
        table: u32,
        #[command(flatten)]
        round: Round,
        #[command(flatten)]
        change: Change,
    },
    /// Throw the dice, if it is your turn, and show them
    Roll {
        /// The table's number
        table: u32,
        #[command(flatten)]
        round: Round,
        #[command(flatten)]
        change: Change,
    },
}

/// Something to say, or to listen to.
#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// A table's number, or a peer's address or key
    #[arg(value_name = "TABLE|PEER")]
    pub(crate) room: String,
    /// What to say [default: nothing; shows what was said]
    pub(crate) text: Vec<String>,
    /// Show what was said and go on until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
    /// Do not wait until a peer has it
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// A bet to be called on or off.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// The table's number
    pub(crate) table: u32,
    /// Which bet, such as place:6
    pub(crate) bet: String,
    #[command(flatten)]
    pub(crate) round: Round,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// Of a command that changes something.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Change {
    /// Print the transaction's id at once instead of waiting until it is final
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Of a command that is for one roll of a table.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Round {
    /// For which roll of the table; refused if it is another one's turn [default: the present one]
    #[arg(long, value_name = "N")]
    pub(crate) round: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Validators
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) nodes: u16,
    /// Bots that sit, bet and roll; more than one fewer than the validators get nodes of their own
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) bots: u16,
    /// Stop after so many rolls and print a summary [default: go on until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = positive())]
    pub(crate) rolls: Option<u64>,
    /// Keep the nodes' data directories here, and go on from what is there [default: a temporary
    /// directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Run every node as a process of its own
    #[arg(long)]
    pub(crate) processes: bool,
    /// Write the receipt of every roll here, one file each
    #[arg(long, value_name = "DIR")]
    pub(crate) receipts: Option<PathBuf>,
    /// Deal the dice key when the network is made instead of letting the validators make it
    #[arg(long)]
    pub(crate) insecure_dealer: bool,
    /// Inject faults into running nodes at random moments, and judge what comes of it: `kill` ends
    /// a process and starts it again, `pause` stops it for a while, `partition` cuts its
    /// connections or makes them silent
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        requires = "processes",
        conflicts_with = "rolls"
    )]
    pub(crate) chaos: Vec<Fault>,
    /// How many faults
    #[arg(long, default_value_t = 20, requires = "chaos", value_parser = positive())]
    pub(crate) rounds: u64,
    /// Which faults at which moments: the same number, the same faults [default: a random number,
    /// which is printed]
    #[arg(long, requires = "chaos")]
    pub(crate) seed: Option<u64>,
}

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fault {
    /// SIGKILL, then a new start.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Pause,
    /// No connection to others, then connections again.
    Partition,
    /// SIGKILL, then some of what the journal had not synced is lost or garbage, then a new start.
    Power,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Network {
    /// Print the newest final block's header: for whoever will check receipts without the genesis
    Header,
    /// Make a network from its validators' cards
    #[command(after_help = NETWORK_EXAMPLES)]
    New(NewNetwork),
    /// Give a private network a new key, for everybody who has an account there. It comes into use
    /// once enough validators stand by it; whoever is left out hears nothing more. Tickets that were
    /// not used yet become worthless. Only for validators
    Rotate {
        /// Somebody who is not to have it: an address or key. No validator can be left out
        #[arg(long, value_name = "WHO")]
        without: Vec<String>,
        /// Somebody who is to have it without an account
        #[arg(long, value_name = "WHO")]
        with: Vec<String>,
    },
    /// Stand by a new key that another validator made; `status` shows which wait, and for whom they
    /// are
    Endorse {
        /// Its name: 64 hexadecimal digits
        rotation: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NewNetwork {
    /// A validator's card, from its `key card`; once for each validator
    #[arg(long = "validator", value_name = "CARD", required = true)]
    pub(crate) validators: Vec<String>,
    /// What to call it
    #[arg(long, default_value = "bitcraps")]
    pub(crate) name: String,
    /// Chips that each validator starts with; there will never be others
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) chips: u64,
    /// Write the genesis file here [default: genesis in the data directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Deal the dice key here and now instead of letting the validators make it: whoever runs
    /// this could know every roll
    #[arg(long)]
    pub(crate) insecure_dealer: bool,
    /// Seal what members say under a key that only those have who are invited. Writes it beside the
    /// genesis file; hand both to the other validators, and keep it secret
    #[arg(long)]
    pub(crate) private: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// Chips from this node's account for whoever takes the ticket first
    #[arg(long, default_value_t = 0)]
    pub(crate) chips: u64,
    /// The table to sit down at
    #[arg(long)]
    pub(crate) table: Option<u32>,
    /// For `bitcraps relay`: the ticket holds no key of a private network
    #[arg(long)]
    pub(crate) relay: bool,
    /// Show the ticket as a QR code too; needs about 70 columns and 36 lines
    #[arg(long)]
    pub(crate) qr: bool,
}

fn positive() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_stake_of_nothing_is_a_mistake_of_usage() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("bitcraps bet 1 pass 10 --round 3").is_ok());
        assert!(parse("bitcraps bet 1 pass 0").is_err());
        assert!(parse("bitcraps bet 1 pass -5").is_err());
        assert!(parse("bitcraps table open home 1000 --json").is_ok());
        assert!(parse("bitcraps join").is_err());
    }
}
