//! A small network for the chain's tests: keys, coins, and blocks that follow each other.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::*;
use crate::beacon::{CoinId, CoinProof, SealingSecret};
use crate::block::{Header, Parent, ValidatorIndex};
use crate::craps::{Chips, Round, Rules};
use crate::identity::{Address, Epoch, Keypair, ProofOfWork};
use crate::ledger::Account;
use crate::rng::Rng;
use crate::wire::{Hash, List, Text};

mod blocks;
mod dice_key;
mod figures;
mod genesis;
mod mempool;
mod model;
mod rounds;
mod wire;

const BITS: u8 = 4;
const CHIPS: u64 = 10_000;

/// Validators and players with their keys.
struct Net {
    genesis: Genesis,
    players: Vec<Keypair>,
}

/// Where a block stands.
#[derive(Clone, Copy)]
struct Tip {
    hash: BlockHash,
    slot: Slot,
}

fn validator(index: u8) -> Keypair {
    Keypair::from_seed([100 + index; 32])
}

fn address(keypair: &Keypair) -> Address {
    let peer = keypair.peer();
    Address { peer, proof: ProofOfWork::mine(peer, BITS) }
}

fn card(index: u8) -> ValidatorCard {
    let keypair = validator(index);
    ValidatorCard::new(&keypair, address(&keypair).proof)
}

impl Net {
    /// Players hold [`CHIPS`] each.
    fn new(validators: u8, players: u8) -> Self {
        let players: Vec<Keypair> =
            (0..players).map(|index| Keypair::from_seed([1 + index; 32])).collect();
        let allocations = players.iter().map(|player| (address(player), Chips(CHIPS))).collect();
        let genesis = Genesis::insecure(
            Text::new("test").unwrap(),
            (0..validators).map(card).collect(),
            allocations,
            BlockTime(1_000_000),
            BITS,
            &mut Rng::new([7; 32]),
        );
        Self { genesis: genesis.unwrap(), players }
    }

    fn chain(&self) -> Chain {
        Chain::new(&self.genesis)
    }

    fn tip(&self) -> Tip {
        let slot = Slot { time: self.genesis.time, ..Slot::default() };
        Tip { hash: self.genesis.network(), slot }
    }

    /// The coin of `view`, from the shares of these validators.
    fn coin_by(&self, view: View, members: impl IntoIterator<Item = u16>) -> CoinProof {
        let dealt = self.genesis.dealt().unwrap();
        let network = self.genesis.network();
        let key_version = dealt.key.version;
        let input = CoinId { network, epoch: Epoch(0), key_version, view }.input();
        let shares = members.into_iter().map(|index| {
            let secret = SealingSecret::of(&validator(u8::try_from(index).unwrap()));
            let share = dealt.open_share(ValidatorIndex(index), &secret).unwrap();
            (ValidatorIndex(index), share.coin_share(&input))
        });
        CoinProof { view, shares: List::new(shares.collect()).unwrap() }
    }

    fn coin(&self, view: View) -> CoinProof {
        self.coin_by(view, 0..self.genesis.dice_threshold())
    }

    fn sign(&self, player: usize, nonce: u64, operation: Operation) -> VerifiedTransaction {
        let keypair = &self.players[player];
        let transaction = Transaction {
            sender: address(keypair),
            nonce: Nonce(nonce),
            expires: Height(nonce + 1000),
            operation,
        };
        transaction.sign(keypair, self.genesis.network())
    }

    fn transfer(&self, from: usize, nonce: u64, to: usize, amount: u64) -> VerifiedTransaction {
        let to = address(&self.players[to]);
        self.sign(from, nonce, Operation::Transfer { to, amount: Chips(amount) })
    }

    fn balance(&self, chain: &Chain, player: usize) -> u64 {
        chain.state().account(&self.players[player].peer()).unwrap().balance.0
    }

    fn header(&self, parent: Tip, slot: Slot, commitments: Commitments) -> Header {
        Header {
            network: self.genesis.network(),
            epoch: Epoch(0),
            view: slot.view,
            height: slot.height,
            parent: Parent { view: parent.slot.view, hash: parent.hash },
            time: slot.time,
            body: Hash::default(),
            commitments,
            justification: Hash::default(),
        }
    }

    /// What a leader with this chain proposes on `parent`, all coins recorded that a dealt key
    /// tells.
    fn propose(&self, chain: &mut Chain, parent: Tip, slot: Slot) -> (Header, Bytes) {
        let unrecorded = chain.unrecorded(&parent.hash).into_iter();
        let told = unrecorded.filter(|_| self.genesis.is_insecure());
        let coins = told.map(|view| self.coin(view)).collect();
        let (body, commitments) = chain.build(&parent.hash, slot, coins, false).unwrap();
        (self.header(parent, slot, commitments), body)
    }

    /// A block with exactly these transactions, whether or not it is valid. `None` if the chain
    /// cannot even say what would come of it.
    fn block_of(
        &self,
        chain: &mut Chain,
        parent: Tip,
        transactions: &[VerifiedTransaction],
    ) -> (Header, Bytes) {
        let slot = next(parent, 1000);
        let transactions = transactions.iter().map(|one| one.signed().clone()).collect();
        let body = Body {
            coins: List::new(vec![]).unwrap(),
            key_generation: List::new(vec![]).unwrap(),
            transactions: List::new(transactions).unwrap(),
            rolls: List::new(vec![]).unwrap(),
        };
        let (_, commitments) = chain.build(&parent.hash, slot, vec![], true).unwrap();
        let commitments = Commitments { transactions: body.root(), ..commitments };
        (self.header(parent, slot, commitments), body.encode())
    }

    /// Proposes, checks and finalizes a block of everything that waits.
    fn advance(&self, chain: &mut Chain, tip: &mut Tip, millis: u64) -> Finalized {
        let slot = next(*tip, millis);
        let (header, body) = self.propose(chain, *tip, slot);
        assert_eq!(chain.check(&header, &body), Ok(()));
        *tip = Tip { hash: header.hash(), slot };
        let finalized = chain.finalize(&tip.hash);
        assert_eq!(chain.state().root(), header.commitments.state);
        assert!(chain.state().conserved());
        finalized
    }
}

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

/// The slot after `parent`, `millis` later.
fn next(parent: Tip, millis: u64) -> Slot {
    Slot {
        view: parent.slot.view.next(),
        height: parent.slot.height.next(),
        time: parent.slot.time.plus_millis(millis),
    }
}

/// House rules without waiting, but for the two blocks that a betting window has at least.
fn quick() -> Rules {
    Rules { window_ms: 0, ..Rules::default() }
}

fn open(bank: u64) -> Operation {
    Operation::OpenTable { name: Text::new("t").unwrap(), rules: quick(), bank: Chips(bank) }
}
