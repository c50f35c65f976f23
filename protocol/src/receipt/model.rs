//! A table on a chain whose blocks its validators sign, and the receipts of its rolls. The tests of
//! receipts and the fuzz target `receipts` drive it.

#![allow(clippy::unwrap_used, reason = "a panic in here is what is looked for")]

use alloc::vec;

use super::*;
use crate::beacon::{CoinId, SealingSecret};
use crate::block::{Parent, View};
use crate::chain::{
    Body, Chain, Genesis, Nonce, Operation, Slot, Transaction, ValidatorCard, VerifiedTransaction,
};
use crate::consensus::{Finalization, Statement};
use crate::craps::Bet;
use crate::identity::{Address, Context, Domain, Epoch, Keypair, ProofOfWork, Signature};
use crate::light::Recent;
use crate::rng::Rng;
use crate::time::BlockTime;
use crate::wire::{Hash, Text};

pub(crate) const BITS: u8 = 4;
pub(crate) const TABLE: TableId = TableId(1);

/// Validators who also play: the first owns the table, the second and the third bet, the second
/// throws first.
pub(crate) struct Net {
    pub(crate) genesis: Genesis,
    pub(crate) keys: Vec<Keypair>,
    pub(crate) chain: Chain,
    pub(crate) rolls: Rolls,
    pub(crate) recent: Recent,
    pub(crate) tip: (Hash, Slot),
    /// The next nonce of each player.
    pub(crate) nonces: Vec<u64>,
    /// Whether the next block bears signatures.
    pub(crate) is_signed: bool,
    /// The dice of all rolls, read from the blocks.
    pub(crate) history: History,
    pub(crate) dice: Vec<(TableId, Round, Dice)>,
}

pub(crate) fn keypair(index: u16) -> Keypair {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&index.to_le_bytes());
    Keypair::from_seed(seed)
}

pub(crate) fn address(keypair: &Keypair) -> Address {
    let peer = keypair.peer();
    Address { peer, proof: ProofOfWork::mine(peer, BITS) }
}

impl Net {
    pub(crate) fn new(size: u16, name: &str) -> Self {
        let keys: Vec<Keypair> = (0..size).map(keypair).collect();
        let card = |key: &Keypair| ValidatorCard::new(key, address(key).proof);
        let genesis = Genesis::insecure(
            Text::new(name).unwrap(),
            keys.iter().map(card).collect(),
            keys.iter().map(|key| (address(key), Chips(100_000))).collect(),
            BlockTime(1_000_000),
            BITS,
            &mut Rng::new([3; 32]),
        )
        .unwrap();
        let slot = Slot { time: genesis.time, ..Slot::default() };
        let peers = keys.iter().map(Keypair::peer).collect();
        let key = genesis.dealt().unwrap().key.hash();
        let mut history = History::new(key);
        history.know(key, 0);
        let mut net = Self {
            chain: Chain::new(&genesis),
            rolls: Rolls::new(List::new(peers).unwrap()),
            recent: Recent::default(),
            tip: (genesis.network(), slot),
            nonces: vec![0; keys.len()],
            is_signed: true,
            history,
            dice: Vec::new(),
            genesis,
            keys,
        };
        let rules = Rules { window_ms: 0, ..Rules::default() };
        let open = Operation::OpenTable { name: Text::new("t").unwrap(), rules, bank: Chips(9000) };
        net.act(0, open);
        net.advance();
        for player in [1, 2] {
            net.act(player, Operation::Sit { table: TABLE });
            // Whose transaction comes first in a block depends on its parent's hash.
            net.advance();
        }
        net
    }

    pub(crate) fn act(&mut self, player: usize, operation: Operation) {
        self.nonces[player] += 1;
        let transaction = Transaction {
            sender: address(&self.keys[player]),
            nonce: Nonce(self.nonces[player]),
            expires: crate::block::Height(10_000),
            operation,
        };
        let signed: VerifiedTransaction =
            transaction.sign(&self.keys[player], self.genesis.network());
        self.chain.submit(signed).unwrap();
    }

    pub(crate) fn bet(&mut self, player: usize, bet: Bet, chips: u64) {
        let round = self.round();
        self.act(player, Operation::Bet { table: TABLE, round, bet, amount: Chips(chips) });
    }

    pub(crate) fn round(&self) -> Round {
        self.chain.state().table(TABLE).unwrap().table.round()
    }

    /// The next block, with every coin that a roll waits for.
    pub(crate) fn advance(&mut self) {
        let (parent, at) = self.tip;
        let slot = Slot {
            view: at.view.next(),
            height: at.height.next(),
            time: at.time.plus_millis(1000),
        };
        let coins = self.chain.unrecorded(&parent).into_iter();
        let coins = coins.map(|view| self.coin(view)).collect();
        let (body, commitments) = self.chain.build(&parent, slot, coins, false).unwrap();
        let header = Header {
            network: self.genesis.network(),
            epoch: Epoch(0),
            view: slot.view,
            height: slot.height,
            parent: Parent { view: at.view, hash: parent },
            time: slot.time,
            body: Header::body_hash(&body),
            commitments,
            justification: Hash::default(),
        };
        assert_eq!(self.chain.check(&header, &body), Ok(()));
        self.chain.finalize(&header.hash());
        self.dice.extend(self.history.note(&header, &Body::of(&header, &body).unwrap()));
        let finalization = self.is_signed.then(|| self.sign(&header));
        self.rolls.note(&header, &body, finalization.as_ref(), self.chain.state());
        self.recent.note(&header, finalization.as_ref());
        self.tip = (header.hash(), slot);
    }

    /// Bets, thrown by the shooter and settled; the round that it was.
    pub(crate) fn roll(&mut self) -> Round {
        let round = self.round();
        let table = &self.chain.state().table(TABLE).unwrap().table;
        let Player(shooter) = table.shooter().unwrap();
        let has_line = table.bets().any(|(whose, bet, _)| (whose.0, bet) == (shooter, Bet::Pass));
        let is_come_out = table.point().is_none();
        let shooter = self.keys.iter().position(|key| key.peer().0 == shooter).unwrap();
        if is_come_out && !has_line {
            self.bet(shooter, Bet::Pass, 10);
        }
        self.bet(2, Bet::Field, 5);
        self.bet(2, Bet::AnySeven, 1);
        self.advance();
        self.advance();
        self.act(shooter, Operation::Roll { table: TABLE, round });
        self.advance();
        self.advance();
        round
    }

    pub(crate) fn coin(&self, view: View) -> CoinProof {
        let dealt = self.genesis.dealt().unwrap();
        let id = CoinId { network: self.genesis.network(), epoch: Epoch(0), key_version: 0, view };
        let input = id.input();
        let shares = (0..self.genesis.dice_threshold()).map(ValidatorIndex).map(|index| {
            let secret = SealingSecret::of(&self.keys[usize::from(index.0)]);
            (index, dealt.open_share(index, &secret).unwrap().coin_share(&input))
        });
        CoinProof { view, shares: List::new(shares.collect()).unwrap() }
    }

    pub(crate) fn sign(&self, header: &Header) -> Finalization {
        self.sign_with(header, self.genesis.dice_threshold())
    }

    /// The signatures of so many validators under a block.
    pub(crate) fn sign_with(&self, header: &Header, voters: u16) -> Finalization {
        let context = Context { network: self.genesis.network(), epoch: Epoch(0) };
        let (view, block) = (header.view, header.hash());
        let bytes = encode(&Statement::Finalize { view, block });
        let votes: Vec<(ValidatorIndex, Signature)> = (0..voters)
            .map(|voter| {
                let key = &self.keys[usize::from(voter)];
                (ValidatorIndex(voter), key.sign(Domain::Vote, &context, &bytes))
            })
            .collect();
        decode(&encode(&(view, block, votes)), 1 << 20).unwrap()
    }

    pub(crate) fn receipt(&self, round: Round, player: Option<usize>) -> Receipt {
        let player = player.map(|player| self.keys[player].peer());
        self.rolls.material(TABLE, round).unwrap().receipt(player).unwrap()
    }

    #[cfg(test)]
    pub(crate) fn verify(&self, receipt: &Receipt) -> Result<alloc::boxed::Box<Proven>, Failed> {
        receipt.verify(Trust::Genesis(&self.genesis), &Asked::default()).end
    }
}

/// One roll on a network of four, and its receipt for the third player.
pub(crate) fn one() -> (Net, Receipt) {
    let mut net = Net::new(4, "test");
    let round = net.roll();
    let receipt = net.receipt(round, Some(2));
    (net, receipt)
}
