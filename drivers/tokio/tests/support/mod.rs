//! Networks for tests: real data directories, real sockets, real nodes.

use std::path::{Path, PathBuf};

use bitcraps_host::Identity;
use bitcraps_protocol::chain::{Genesis, ValidatorCard};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::identity::Address;
use bitcraps_protocol::time::BlockTime;
use bitcraps_protocol::wire::Text;
use bitcraps_tokio::config::{self, Config, Flags, Layer};
use bitcraps_tokio::home::Home;

/// Work that identities of tests cost.
const BITS: u8 = 4;

/// The data directory of the only validator of a network, with a million chips.
pub(crate) fn one_validator(directory: &Path) -> (PathBuf, Address) {
    let node = directory.join("node");
    let (identity, _) = Identity::load_or_create(&node, BITS, None).unwrap();
    let card = ValidatorCard::new(&identity.keypair, identity.proof);
    let name = Text::new("test").unwrap();
    let allocations = vec![(identity.address(), Chips(1_000_000))];
    let genesis = Genesis::new(name, vec![card], allocations, BlockTime(0), BITS).unwrap();
    Home::new(&node).adopt(&genesis).unwrap();
    (node, identity.address())
}

/// The configuration of a node that listens on a free loopback port, with its API on another.
pub(crate) fn config(data_dir: &Path) -> Config {
    let layer = Layer {
        listen: Some("127.0.0.1:0".into()),
        api: Some("127.0.0.1:0".into()),
        ..Layer::default()
    };
    let flags =
        Flags { data_dir: Some(data_dir.into()), config: None, without_data_dir: false, layer };
    config::load(flags, []).unwrap().config
}
