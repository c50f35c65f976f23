//! stub: the signatures that drivers may rely on
use crate::block::{BlockHash, Height, View};
use crate::chain::{Genesis, State};
use crate::event::*;
use crate::identity::*;
use crate::time::{BlockTime, Time};
use crate::wire::Hash;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// What a node is made of.
pub struct Setup {
    /// The network it belongs to.
    pub genesis: Genesis,
    /// Its identity.
    pub keypair: Keypair,
    /// The proof of work of that identity.
    pub proof: ProofOfWork,
    /// Entropy, drawn once per process.
    pub seed: [u8; 32],
    /// Local policy.
    pub config: Config,
}
/// Local policy (fields come with the real node; `Default` is right everywhere).
#[derive(Clone, Debug, Default)]
pub struct Config {}
/// Why a node cannot start from what its journal holds. Display is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotStart(pub String);

pub struct Node;
impl Node {
    /// `records`: everything in the journal, oldest first, positions consecutive from 0.
    pub fn new(
        _setup: Setup,
        _now: Time,
        _records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, CannotStart> {
        todo!()
    }
    pub fn handle(&mut self, _now: Time, _event: Event) {
        todo!()
    }
    pub fn submit(&mut self, _now: Time, _command: Command) -> Result<CommandId, Refusal> {
        todo!()
    }
    pub fn poll(&mut self) -> Option<Action> {
        todo!()
    }
    pub fn deadline(&self) -> Option<Time> {
        todo!()
    }
    pub fn status(&self) -> Status {
        todo!()
    }
    /// The finalized state: accounts and tables.
    pub fn state(&self) -> &State {
        todo!()
    }
    pub fn genesis(&self) -> &Genesis {
        todo!()
    }
}
/// A node's condition at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    pub address: String,
    pub peer: PeerId,
    pub network: NetworkId,
    pub name: String,
    /// Index among the validators, if it is one.
    pub validator: Option<u16>,
    pub validators: u16,
    pub quorum: u16,
    pub tolerated_faults: u16,
    pub epoch: Epoch,
    pub view: View,
    pub height: Height,
    pub block: BlockHash,
    pub state_root: Hash,
    pub time: BlockTime,
    pub peers: Vec<PeerStatus>,
    /// Transactions waiting to be ordered.
    pub waiting_transactions: usize,
    /// Whether the dice key was made by a dealer who could know every roll.
    pub insecure_dealer: bool,
    /// How many shares make a coin, of how many.
    pub dice_threshold: u16,
    /// Why nothing happens right now, in a sentence; empty if nothing is awaited.
    pub waiting_for: String,
    pub halted: Option<String>,
}
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeerStatus {
    pub peer: PeerId,
    pub link: LinkId,
    pub endpoint: String,
    pub validator: Option<u16>,
}

const ASK: &[u8] = b"genesis?";
const ANSWER: &[u8] = b"genesis!";
/// What somebody who is not a node yet sends to a neighbour alone, to be told the genesis.
pub fn genesis_request() -> bytes::Bytes {
    ASK.into()
}
/// What a node answers.
pub fn genesis_answer(genesis: &Genesis) -> bytes::Bytes {
    [ANSWER, &genesis.encode()].concat().into()
}
/// The genesis in a neighbour's message, if it is such an answer; unchecked.
pub fn read_genesis_answer(message: &[u8]) -> Option<Genesis> {
    Genesis::decode(message.strip_prefix(ANSWER)?).ok()
}
