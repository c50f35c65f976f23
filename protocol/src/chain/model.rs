//! A small network for the chain's tests and the fuzz target `transactions`: keys, coins, blocks
//! that follow each other, and a world in which anybody asks for anything.

#![allow(clippy::unwrap_used, reason = "a panic in here is what is looked for")]

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::*;
use crate::beacon::{CoinId, SealingSecret};
use crate::block::Parent;
use crate::craps::{Bet, Chips, Round, Rules};
use crate::identity::{Address, Epoch, Keypair, ProofOfWork};
use crate::rng::Rng;
use crate::wire::{List, Text};

pub(super) const BITS: u8 = 4;
pub(super) const CHIPS: u64 = 10_000;

/// Validators and players with their keys.
pub(super) struct Net {
    pub(super) genesis: Genesis,
    pub(super) players: Vec<Keypair>,
}

/// Where a block stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tip {
    pub(super) hash: BlockHash,
    pub(super) slot: Slot,
}

pub(super) fn validator(index: u8) -> Keypair {
    Keypair::from_seed([100 + index; 32])
}

pub(super) fn address(keypair: &Keypair) -> Address {
    let peer = keypair.peer();
    Address { peer, proof: ProofOfWork::mine(peer, BITS) }
}

pub(super) fn card(index: u8) -> ValidatorCard {
    let keypair = validator(index);
    ValidatorCard::new(&keypair, address(&keypair).proof)
}

impl Net {
    /// Players hold [`CHIPS`] each.
    pub(super) fn new(validators: u8, players: u8) -> Self {
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

    pub(super) fn chain(&self) -> Chain {
        Chain::new(&self.genesis)
    }

    pub(super) fn tip(&self) -> Tip {
        let slot = Slot { time: self.genesis.time, ..Slot::default() };
        Tip { hash: self.genesis.network(), slot }
    }

    /// The coin of `view`, from the shares of these validators.
    pub(super) fn coin_by(&self, view: View, members: impl IntoIterator<Item = u16>) -> CoinProof {
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

    pub(super) fn coin(&self, view: View) -> CoinProof {
        self.coin_by(view, 0..self.genesis.dice_threshold())
    }

    pub(super) fn sign(
        &self,
        player: usize,
        nonce: u64,
        operation: Operation,
    ) -> VerifiedTransaction {
        let keypair = &self.players[player];
        let transaction = Transaction {
            sender: address(keypair),
            nonce: Nonce(nonce),
            expires: Height(nonce + 1000),
            operation,
        };
        transaction.sign(keypair, self.genesis.network())
    }

    #[cfg(test)]
    pub(super) fn transfer(
        &self,
        from: usize,
        nonce: u64,
        to: usize,
        amount: u64,
    ) -> VerifiedTransaction {
        let to = address(&self.players[to]);
        self.sign(from, nonce, Operation::Transfer { to, amount: Chips(amount) })
    }

    #[cfg(test)]
    pub(super) fn balance(&self, chain: &Chain, player: usize) -> u64 {
        chain.state().account(&self.players[player].peer()).unwrap().balance.0
    }

    pub(super) fn header(&self, parent: Tip, slot: Slot, commitments: Commitments) -> Header {
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
    pub(super) fn propose(&self, chain: &mut Chain, parent: Tip, slot: Slot) -> (Header, Bytes) {
        let unrecorded = chain.unrecorded(&parent.hash).into_iter();
        let told = unrecorded.filter(|_| self.genesis.is_insecure());
        let coins = told.map(|view| self.coin(view)).collect();
        let (body, commitments) = chain.build(&parent.hash, slot, coins, false).unwrap();
        (self.header(parent, slot, commitments), body)
    }

    #[cfg(test)]
    /// A block with exactly these transactions, whether or not it is valid. `None` if the chain
    /// cannot even say what would come of it.
    pub(super) fn block_of(
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

    #[cfg(test)]
    /// Proposes, checks and finalizes a block of everything that waits.
    pub(super) fn advance(&self, chain: &mut Chain, tip: &mut Tip, millis: u64) -> Finalized {
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

/// The slot after `parent`, `millis` later.
pub(super) fn next(parent: Tip, millis: u64) -> Slot {
    Slot {
        view: parent.slot.view.next(),
        height: parent.slot.height.next(),
        time: parent.slot.time.plus_millis(millis),
    }
}

/// House rules without waiting, but for the two blocks that a betting window has at least.
pub(super) fn quick() -> Rules {
    Rules { window_ms: 0, ..Rules::default() }
}

pub(super) fn open(bank: u64) -> Operation {
    Operation::OpenTable { name: Text::new("t").unwrap(), rules: quick(), bank: Chips(bank) }
}

/// One thing that happens in a [`World`].
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Somebody asks for something, perhaps something silly.
    Ask { player: usize, skip: u64, what: What },
    /// A leader proposes, after so many milliseconds; perhaps the block comes to nothing.
    Block { millis: u64, lost: bool },
    /// All blocks but the newest so many become final.
    Finalize { keep: usize },
}

/// What a player asks for; tables by their number, players by their place.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Transfer { to: usize, amount: u64 },
    Open { bank: u64 },
    Close { table: u32 },
    Sit { table: u32 },
    Stand { table: u32 },
    Bet { table: u32, late: u64, bet: Bet, amount: u64 },
    TakeDown { table: u32, bet: Bet, amount: Option<u64> },
    Call { table: u32, bet: Bet, on: bool },
    Fund { table: u32, amount: u64 },
    Draw { table: u32, amount: u64 },
    Ready { table: u32 },
    PassDice { table: u32 },
    Roll { table: u32 },
}

/// A chain whose blocks are proposed and one that follows it.
pub(crate) struct World {
    net: Net,
    pub(super) leader: Chain,
    pub(super) follower: Chain,
    /// The blocks above the finalized one that stand on each other, oldest first.
    branch: Vec<Tip>,
    finalized: Tip,
    view: View,
    pub(super) settled: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        let net = Net::new(1, 4);
        let (leader, follower) = (net.chain(), net.chain());
        let (finalized, branch) = (net.tip(), Vec::new());
        let mut world =
            Self { net, leader, follower, branch, finalized, view: View(0), settled: 0 };
        // A table and a shooter, so that most of what follows is not refused.
        world.ask(0, 0, &What::Open { bank: 6000 });
        world.block(1, false);
        for player in 1..4 {
            world.ask(player, 0, &What::Sit { table: 1 });
        }
        world.block(1, false);
        world.finalize(0);
        world
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Ask { player, skip, what } => self.ask(*player, *skip, what),
            Step::Block { millis, lost } => self.block(*millis, *lost),
            Step::Finalize { keep } => self.finalize(*keep),
        }
    }

    pub(super) fn ask(&mut self, player: usize, skip: u64, what: &What) {
        let round = |table: u32| {
            let entry = self.leader.state().table(TableId(table));
            entry.map_or(Round(1), |entry| entry.table.round())
        };
        let operation = match *what {
            What::Transfer { to, amount } => {
                let to = address(&self.net.players[to]);
                Operation::Transfer { to, amount: Chips(amount) }
            }
            What::Open { bank } => open(bank),
            What::Close { table } => Operation::CloseTable { table: TableId(table) },
            What::Sit { table } => Operation::Sit { table: TableId(table) },
            What::Stand { table } => Operation::Stand { table: TableId(table) },
            What::Bet { table, late, bet, amount } => {
                let round = Round(round(table).0 - late.min(1));
                let (table, amount) = (TableId(table), Chips(amount));
                Operation::Bet { table, round, bet, amount }
            }
            What::TakeDown { table, bet, amount } => Operation::TakeDown {
                table: TableId(table),
                round: round(table),
                bet,
                amount: amount.map(Chips),
            },
            What::Call { table, bet, on } => {
                Operation::SetWorking { table: TableId(table), round: round(table), bet, on }
            }
            What::Fund { table, amount } => {
                Operation::Fund { table: TableId(table), amount: Chips(amount) }
            }
            What::Draw { table, amount } => {
                Operation::Draw { table: TableId(table), amount: Chips(amount) }
            }
            What::Ready { table } => {
                Operation::Ready { table: TableId(table), round: round(table) }
            }
            What::PassDice { table } => {
                Operation::PassDice { table: TableId(table), round: round(table) }
            }
            What::Roll { table } => Operation::Roll { table: TableId(table), round: round(table) },
        };
        let nonce = self.leader.next_nonce(&self.net.players[player].peer()).unwrap();
        let transaction = self.net.sign(player, nonce.0 + skip, operation);
        let _ = self.leader.submit(transaction);
    }

    fn tip(&self) -> Tip {
        self.branch.last().copied().unwrap_or(self.finalized)
    }

    pub(super) fn block(&mut self, millis: u64, lost: bool) {
        let tip = self.tip();
        self.view = self.view.next();
        let slot = Slot { view: self.view, ..next(tip, millis) };
        let (header, body) = self.net.propose(&mut self.leader, tip, slot);
        assert_eq!(self.leader.check(&header, &body), Ok(()), "what it built itself");
        assert_eq!(self.follower.check(&header, &body), Ok(()), "what another built");
        if !lost {
            self.branch.push(Tip { hash: header.hash(), slot });
        }
    }

    pub(crate) fn finalize(&mut self, keep: usize) {
        let count = self.branch.len().saturating_sub(keep);
        for tip in self.branch.drain(..count) {
            let finalized = self.leader.finalize(&tip.hash);
            self.settled += finalized.effects.settled.len();
            assert_eq!(self.follower.finalize(&tip.hash).effects, finalized.effects);
            assert_eq!(self.leader.state().root(), self.follower.state().root());
            assert_eq!(self.leader.state().supply(), Chips(4 * CHIPS));
            assert!(self.leader.state().conserved());
            self.finalized = tip;
        }
        for tip in [self.finalized].iter().chain(&self.branch) {
            assert!(self.leader.knows(&tip.hash) && self.follower.knows(&tip.hash));
        }
    }
}

/// One of every operation.
pub(crate) fn operations() -> Vec<Operation> {
    let (table, round, bet) = (TableId(1), Round(2), Bet::Pass);
    let amount = Chips(12);
    vec![
        Operation::Transfer { to: address(&validator(0)), amount },
        open(6000),
        Operation::CloseTable { table },
        Operation::Sit { table },
        Operation::Stand { table },
        Operation::Bet { table, round, bet, amount },
        Operation::TakeDown { table, round, bet, amount: Some(amount) },
        Operation::SetWorking { table, round, bet, on: true },
        Operation::Fund { table, amount },
        Operation::Draw { table, amount },
        Operation::Ready { table, round },
        Operation::PassDice { table, round },
        Operation::Roll { table, round },
    ]
}
