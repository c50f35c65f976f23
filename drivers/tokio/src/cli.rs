//! What can be typed: commands, flags and the help that teaches them.

use std::fmt::Write as _;
use std::path::PathBuf;

use bitcraps_protocol::craps::odds::Offer;
use bitcraps_protocol::craps::{Bet, Rules};
use bitcraps_tokio::backup::UNFINISHED_HOURS;
use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  bitcraps dev                          a whole network with bots on this machine, to look at
  bitcraps join ticket1…                accept a friend's invitation
  bitcraps table list                   what can be played
  bitcraps sit 1
  bitcraps bet 1 pass 10                10 chips on the pass line of table 1
  bitcraps roll 1                       throw the dice

Exit codes: 0 done, 1 refused or no, 2 wrong usage or configuration, 3 no node to talk to,
4 refused for safety, 5 the disk is full, 6 the disk failed.";

const NETWORK_EXAMPLES: &str = "\
Example, with two validators A and B:
  bitcraps --data-dir a key card        prints A's card
  bitcraps --data-dir b key card        prints B's card
  bitcraps --data-dir a network new --name friends --validator card1AAA… --validator card1BBB…
  bitcraps --data-dir a node --listen 127.0.0.1:7711
  bitcraps --data-dir b node --listen 127.0.0.1:7712 --genesis a/genesis --peers 127.0.0.1:7711";

/// Every kind of bet, from the table's own catalogue, and how to write it.
fn bets() -> String {
    let rules = Rules::default();
    let mut kinds: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for bet in Bet::all() {
        let Some(offer) = Offer::of(bet, &rules) else { continue };
        match kinds.last_mut() {
            Some((help, _, keys)) if *help == bet.help() => keys.push(bet.to_string()),
            _ => kinds.push((bet.help(), offer.when, vec![bet.to_string()])),
        }
    }
    let mut text = String::from("Bets, and when they can be made:\n");
    for (help, when, keys) in kinds {
        let key = match &keys[..] {
            [first, .., last] => format!("{first} … {last}"),
            _ => keys.concat(),
        };
        writeln!(text, "  {key:<32}{help} ({when})").expect("writing to a string cannot fail");
    }
    text + "\nExample: bitcraps bet 1 place:6 12"
}

const ODDS_EXAMPLES: &str = "\
Examples:
  bitcraps odds                         every bet of the standard table
  bitcraps odds place:6                 one bet, in exact fractions
  bitcraps odds buy:4 --rules house.json

A rules file names a preset and what differs from it:
  {\"preset\": \"standard\", \"overrides\": {\"vig\": {\"when\": \"upfront\"}}}
Rules with a bet that may favour the player are refused unless they say
\"allow_player_edge\": true.";

const HAND_EXAMPLES: &str = "\
A line of the file is a hand, or a step of the hand before it:
  {\"bankroll\": 100, \"steps\": [{\"do\": [{\"op\": \"bet\", \"bet\": \"pass\", \"amount\": 10}], \"dice\": [3, 3]}]}
  {\"do\": [{\"op\": \"bet\", \"bet\": \"place:8\", \"amount\": 12, \"working\": true}], \"dice\": [4, 4]}
Each step is answered with a line: what was accepted or refused, the point, the bankroll, the bets
that are up, and what the dice settled. Ops are bet, down, on and off. With several players each
action says whose it is: \"player\": \"anna\". Hands of real tables come from `hand export`; they also
use the ops stand, fund and draw, and down with an amount.";

const RECEIPT_EXAMPLES: &str = "\
Examples:
  bitcraps receipt 1:17                 your receipt of roll 17 of table 1
  bitcraps receipt 1:17 --anybody --out roll.receipt
  bitcraps verify roll.receipt --genesis genesis --roll 1:17

A receipt proves the throw, the bets, the dice and the payout to whoever has the network's genesis
file or one header of it, without a node. A node can make it for its newest 1,024 rolls.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  bitcraps verify table-1-roll-17.receipt                   the network of this data directory
  bitcraps verify table-1-roll-17.receipt --genesis genesis
  bitcraps verify table-1-roll-17.receipt --header 5f1c…    as `bitcraps network header` prints it

Exit code 0: every step holds. 1: the printed step does not. 2: nothing to check, or against.";

const STATS_HELP: &str = "\
What is tested is fixed here, before anybody looks at the dice:
  faces    all 36 outcomes equally often: Pearson's chi-square, 35 degrees of freedom,
           from 180 rolls on
  sevens   one roll in six is a 7: the normal approximation, two-sided, from 36 rolls on
  gaps     rolls from one 7 to the next are geometric: Pearson's chi-square over gaps 0, 1, 2 …,
           as many as are expected 5 times at least and the rest together, from 60 gaps on
Each test fails when its statistic would be exceeded by fair dice once in 1,000 times. Of fair
tables, one in about 333 fails one of the three. Exit code 1 if one fails.";

const CHAT_HELP: &str = "\
Examples:
  bitcraps chat 1 nice roll             everybody in the network who looks at table 1 hears it
  bitcraps chat craps1… are you there?  one peer hears it, however many links away
  bitcraps chat 1 --follow              what was said lately, then what is said, until Ctrl-C
  bitcraps chat craps1…                 what you and that peer said to one another

At a table, those who sit there and its owner speak. What is said to a peer is sealed: nodes on the
way pass it on and cannot read it. It is delivered, or reported as undelivered after half a minute;
nothing is kept for a peer that is away. A line has at most 512 bytes; after 8 lines at a time there
is one more every two seconds. A node remembers the newest 100 lines of a table or peer until it
stops. Nothing of this is on the chain.";

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

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NodeFlags {
    /// What kind of machine this is: desktop, or mobile, which is on Bluetooth, spends less on it,
    /// and is on TCP only if told to listen or to dial peers [env: BITCRAPS_PROFILE=, or
    /// BITCRAPS_MOBILE_MODE=true] [default: desktop]
    #[arg(long, value_name = "desktop|mobile")]
    pub(crate) profile: Option<String>,
    /// Where to accept peers, or off [env: BITCRAPS_LISTEN=] [default: 0.0.0.0:7711, or any free
    /// port after `join`, or off if mobile]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<String>,
    /// Peers to begin with; several with commas [env: BITCRAPS_PEERS=]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', alias = "peer")]
    pub(crate) peers: Option<Vec<String>>,
    /// Where others can reach this node, for tickets; several with commas [env:
    /// BITCRAPS_ADVERTISE=] [default: what it listens on]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub(crate) advertise: Option<Vec<String>>,
    /// Whether to announce the node on the local network and look for others there, on or off; never
    /// announced when listening on loopback only [env: BITCRAPS_LAN=] [default: on, or off if mobile]
    #[arg(long, value_name = "on|off")]
    pub(crate) lan: Option<String>,
    /// Whether to look for others over Bluetooth LE, on or off; needs a program built with
    /// `--features bluetooth` [env: BITCRAPS_BLUETOOTH=] [default: off, or on if mobile]
    #[arg(long, value_name = "on|off")]
    pub(crate) bluetooth: Option<String>,
    /// The Bluetooth adapters to use; several with commas [env: BITCRAPS_ADAPTERS=] [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) adapters: Option<Vec<String>>,
    /// Bytes of the longest Bluetooth frame, 18 to 510; fewer where an adapter loses longer ones [env:
    /// BITCRAPS_FRAME=] [default: 510]
    #[arg(long, value_name = "BYTES")]
    pub(crate) frame: Option<String>,
    /// Peers that the node is linked with at most [env: BITCRAPS_LINKS=] [default: 64]
    #[arg(long, value_name = "N")]
    pub(crate) links: Option<String>,
    /// Whether to tell others where nodes can be found and to learn it from them, on or off [env:
    /// BITCRAPS_EXCHANGE=] [default: on]
    #[arg(long, value_name = "on|off")]
    pub(crate) exchange: Option<String>,
    /// Peers and addresses that are admitted and never banned, though --deny names them; several with
    /// commas, * stands for any text [env: BITCRAPS_ALLOW=]
    #[arg(long, value_name = "peer:HEX|address:HOST", value_delimiter = ',')]
    pub(crate) allow: Option<Vec<String>>,
    /// Peers and addresses that are not admitted [env: BITCRAPS_DENY=]
    #[arg(long, value_name = "peer:HEX|address:HOST", value_delimiter = ',')]
    pub(crate) deny: Option<Vec<String>>,
    /// How many blocks to keep: all of them (archive), at least the newest 131,072 (full) or 4,096
    /// (light). Receipts, statistics and exports reach back as far [env: BITCRAPS_HISTORY=]
    /// [default: archive]
    #[arg(long, value_name = "archive|full|light")]
    pub(crate) history: Option<String>,
    /// Follow headers and proofs only: no blocks, no state, no votes; others prove what is asked
    /// [env: BITCRAPS_LIGHT=on]
    #[arg(long)]
    pub(crate) light: bool,
    /// Make backups in this directory or s3://BUCKET/PREFIX, every hour and in full once a day, and
    /// keep them for 30 days [env: BITCRAPS_BACKUP=]
    #[arg(long, value_name = "PLACE")]
    pub(crate) backup: Option<String>,
    /// Serve the API on this loopback address too, for whoever has the token in api.token [env:
    /// BITCRAPS_API=]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) api: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    pub(crate) flags: NodeFlags,
    /// The network's genesis file, as `network new` writes it; needed once
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// The key of a private network, as `network new --private` writes it; needed once
    #[arg(long, value_name = "FILE")]
    pub(crate) network_key: Option<PathBuf>,
    /// Vote although the journal of this identity was lost, without asking the other validators
    /// what it may have promised. It may break its promises, and be punished: only where nobody
    /// can vouch for it (three validators or fewer, or too many lost journals)
    #[arg(long)]
    pub(crate) accept_lost_journal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The invitation: one word that begins with ticket1
    pub(crate) ticket: String,
    #[command(flatten)]
    pub(crate) flags: NodeFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Print this node's validator card for whoever makes a network; makes an identity if there is
    /// none
    Card,
    /// Seal the identity under a passphrase, which is asked for, or read from --new-passphrase-file,
    /// BITCRAPS_PASSPHRASE_FILE or BITCRAPS_PASSPHRASE
    Seal {
        #[command(flatten)]
        new: NewPassphrase,
    },
    /// Keep the identity without a passphrase again; only the file's permissions protect it then
    Unseal,
    /// Change the passphrase
    Passphrase {
        #[command(flatten)]
        new: NewPassphrase,
    },
    /// Print the identity's recovery phrase: 24 words that are the key
    Export,
    /// Make the identity from its recovery phrase, read from standard input, in a data directory
    /// without one. A validator then observes until the others have told it what it may have
    /// promised. Stop its other node first: two with one key contradict each other
    Import {
        #[command(flatten)]
        new: NewPassphrase,
    },
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NewPassphrase {
    /// A file whose first line is the new passphrase, readable by its owner only [default: ask]
    #[arg(long, value_name = "FILE")]
    pub(crate) new_passphrase_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check that the node wrote every line, in this order
    Verify,
    /// Count the events of each kind
    Report,
    /// Print all events, a line of JSON each
    Export,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// Where the backups are: a directory, or s3://BUCKET/PREFIX [default: `backup` in the
    /// configuration]
    #[arg(long, value_name = "PLACE")]
    pub(crate) target: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Make one of what came since the last one; the node may be running
    Create {
        #[command(flatten)]
        target: Place,
        /// Of everything, whatever there is already
        #[arg(long)]
        full: bool,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List them, oldest first
    List {
        #[command(flatten)]
        target: Place,
    },
    /// Read one, and those before it that it needs, to the end, and execute it as a start would
    Verify {
        #[command(flatten)]
        target: Place,
        /// Which [default: the newest of this identity]
        name: Option<String>,
    },
    /// Verify one and write it into the data directory, which holds its identity and no journal. A
    /// validator then observes until the others have told it what it may have promised
    Restore {
        #[command(flatten)]
        target: Place,
        /// Which [default: the newest of this identity]
        name: Option<String>,
        /// Verify only
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove those that are old and that no younger one needs, and what is left of those that
    /// were never finished
    Prune {
        #[command(flatten)]
        target: Place,
        /// What is younger is kept
        #[arg(long, default_value_t = 30)]
        keep_days: u64,
        /// What was begun later may still be written
        #[arg(long, default_value_t = UNFINISHED_HOURS)]
        unfinished_hours: u64,
        /// Say what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Read the whole journal and say what it holds and whether it is sound; changes nothing
    Check,
    /// Keep the blocks before the damage, put the damaged files aside. A validator then observes
    /// until the others have told it what it may have promised
    Repair {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Have the running node make a snapshot of the next final block's state: its next start reads
    /// from there. It makes one every 1,024 blocks by itself
    Snapshot,
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

    #[test]
    fn the_help_of_bet_has_every_bet_of_the_catalogue() {
        let help = bets();
        for bet in Bet::all().filter(|bet| Offer::of(*bet, &Rules::default()).is_some()) {
            assert!(help.contains(bet.help()), "{bet}");
        }
        assert!(help.contains("  pass                            The shooter wins"), "{help}");
        assert!(help.contains("  place:4 … place:10              The number before a 7"), "{help}");
    }
}
