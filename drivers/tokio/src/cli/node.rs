//! What operators type: a node's flags, keys, journals and backups.

use std::path::PathBuf;

use bitcraps_tokio::backup::UNFINISHED_HOURS;
use clap::{Args, Subcommand};

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
