//! A small network for the chain's tests: keys, coins, and blocks that follow each other.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::model::*;
use super::*;
use crate::beacon::{CoinId, CoinProof, SealingSecret};
use crate::block::{Header, Parent, ValidatorIndex};
use crate::craps::{Chips, Round};
use crate::identity::{Address, Epoch, Keypair, ProofOfWork};
use crate::ledger::Account;
use crate::wire::{Hash, List, Text};

mod blocks;
mod dice_key;
mod figures;
mod genesis;
mod mempool;
mod model;
mod rounds;
mod wire;

/// A state with so many accounts, among others.
pub(super) fn wide_state(accounts: u32) -> State {
    let mut entries = BTreeMap::new();
    let genesis = Net::new(4, 3).genesis.state();
    for key in (0..tree::BUCKETS).flat_map(|bucket| genesis.tree().keys(bucket)) {
        entries.insert(*key, genesis.entry(key).unwrap().clone());
    }
    let Some(Entry::Meta(meta)) = entries.get_mut(&Key::Meta) else { panic!("there are totals") };
    meta.supply = Chips(meta.supply.0 + u64::from(accounts));
    for account in 0..accounts {
        let Hash(peer) = Hash::of("bitcraps test account", &account);
        let account = Entry::Account(Account::holding(Chips(1)));
        entries.insert(Key::Account(PeerId(peer)), account);
    }
    State::from_entries(entries).unwrap()
}
