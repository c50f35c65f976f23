//! What can be typed. The flags are the settings of [`bitcraps_host::config`], and mean what they
//! mean to `bitcraps node`.

use std::ffi::OsString;
use std::path::PathBuf;

use bitcraps_host::config::Flags;
use bitcraps_host::exit::Usage;
use lexopt::{Arg, Parser};

const HELP: &str = "\
A BitCraps node and nothing else, for small machines.

Usage: bitcraps-smol node [OPTIONS]

It runs the node of a data directory that knows its network: one that `bitcraps join` or
`bitcraps network new` has made, or with --genesis. The `bitcraps` command talks to it as to any
other node: bitcraps --data-dir DIR status

Options:
  --data-dir DIR         Where the node keeps its identity, network and journal
                         [default: ~/.local/share/bitcraps]
  --config FILE          Configuration file [default: bitcraps.toml in the data directory]
  --genesis FILE         The network's genesis file, as `network new` writes it; needed once
  --network-key FILE     The key of a private network, written beside it; needed once
  --listen IP:PORT       Where to accept peers [default: 0.0.0.0:7711, or any free port after `join`]
  --peers HOST:PORT,…    Peers to begin with
  --advertise HOST:PORT,…  Where others can reach this node, for tickets
                         [default: what it listens on]
  --lan on|off           Announce the node on the local network and look for others there
                         [default: on]
  --links N              Peers that the node is linked with at most [default: 64]
  --exchange on|off      Tell others where nodes can be found and learn it from them [default: on]
  --allow, --deny peer:HEX|address:HOST,…
                         Who is admitted and never banned, and who is not; * stands for any text
  --history archive|full|light
                         How many blocks to keep [default: archive]
  --light                Follow headers and proofs only: no blocks, no state, no votes
  --log FILTER           What to log to standard error, such as debug
  --accept-lost-journal  Vote although the journal of this identity was lost; it may break its
                         promises, and be punished: only where nobody can vouch for it
  --help, --version

Every option but the last three can be said as a variable too: BITCRAPS_DATA_DIR, BITCRAPS_LISTEN …
A sealed identity is opened with the passphrase in the file that BITCRAPS_PASSPHRASE_FILE names, or
in BITCRAPS_PASSPHRASE.

Examples:
  bitcraps --data-dir b key card                 an identity for the light node
  bitcraps-smol node --data-dir b --genesis a/genesis --listen 127.0.0.1:7712 --peers 127.0.0.1:7711
  bitcraps --data-dir b status

SIGTERM and SIGINT end it. Exit codes: 0 done, 1 refused or no, 2 wrong usage or configuration,
4 refused for safety, 5 the disk is full, 6 the disk failed.";

/// What was asked for.
pub(crate) enum Asked {
    /// To run a node.
    Node(Box<Arguments>),
    /// To read this.
    Text(String),
}

/// How to run a node.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) flags: Flags,
    pub(crate) genesis: Option<PathBuf>,
    pub(crate) network_key: Option<PathBuf>,
    pub(crate) accept_lost_journal: bool,
}

/// Reads the arguments after the program's name.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, Usage> {
    let mut read = Arguments::default();
    let mut is_node = false;
    let mut parser = Parser::from_args(arguments);
    let wrong = |error: lexopt::Error| Usage(format!("{error}; see bitcraps-smol --help"));
    while let Some(argument) = parser.next().map_err(wrong)? {
        let name = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Text(HELP.into())),
            Arg::Short('V') | Arg::Long("version") => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Asked::Text(format!("bitcraps-smol {version}")));
            }
            Arg::Value(value) if !is_node && value == "node" => {
                is_node = true;
                continue;
            }
            Arg::Long("accept-lost-journal") => {
                read.accept_lost_journal = true;
                continue;
            }
            Arg::Long("light") => {
                read.flags.layer.set("light", "on".into());
                continue;
            }
            Arg::Long(name) => name.to_owned(),
            Arg::Short(_) | Arg::Value(_) => return Err(wrong(argument.unexpected())),
        };
        let value = |parser: &mut Parser| parser.value().map_err(wrong);
        match &*name {
            "data-dir" => read.flags.data_dir = Some(value(&mut parser)?.into()),
            "config" => read.flags.config = Some(value(&mut parser)?.into()),
            "genesis" => read.genesis = Some(value(&mut parser)?.into()),
            "network-key" => read.network_key = Some(value(&mut parser)?.into()),
            "listen" | "peers" | "advertise" | "lan" | "links" | "exchange" | "allow" | "deny"
            | "history" | "log" => {
                let text = value(&mut parser)?.into_string();
                let text = text.map_err(|_| Usage(format!("--{name} is not a text")))?;
                read.flags.layer.set(&name, text);
            }
            _ => return Err(wrong(Arg::Long(&name).unexpected())),
        }
    }
    match is_node {
        true => Ok(Asked::Node(Box::new(read))),
        false => Err(Usage("say what to do: bitcraps-smol node --help".into())),
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_host::config::Layer;

    use super::*;

    fn arguments(line: &str) -> Result<Asked, Usage> {
        read(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn flags_are_settings() {
        let line = "--data-dir d node --listen 1.2.3.4:5 --peers a:1,b:2 --links=7 --log info \
                    --genesis g --network-key k --accept-lost-journal";
        let Ok(Asked::Node(read)) = arguments(line) else { panic!("it is right") };
        let layer = Layer {
            listen: Some("1.2.3.4:5".into()),
            peers: Some(vec!["a:1".into(), "b:2".into()]),
            links: Some("7".into()),
            log: Some("info".into()),
            ..Layer::default()
        };
        let flags =
            Flags { data_dir: Some("d".into()), config: None, without_data_dir: false, layer };
        let (genesis, network_key) = (Some("g".into()), Some("k".into()));
        let expected = Arguments { flags, genesis, network_key, accept_lost_journal: true };
        assert_eq!(*read, expected);
    }

    #[test]
    fn what_is_not_a_flag_is_refused_and_help_is_given() {
        for line in ["", "join", "node node", "node --lisen x", "node --listen", "node -x"] {
            assert!(arguments(line).is_err(), "{line}");
        }
        for line in ["--help", "node --help", "-h", "--version"] {
            assert!(matches!(arguments(line), Ok(Asked::Text(_))), "{line}");
        }
    }
}
