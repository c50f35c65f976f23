//! Validators, their votes on one block, and the certificate that these make.

use bitcraps_protocol::block::{
    BlockHash, Commitments, Header, Height, Parent, ValidatorIndex, View,
};
use bitcraps_protocol::consensus::{
    Config, Consensus, Input, Message, Notarization, Statement, ValidatorSet, Vote,
};
use bitcraps_protocol::event::LinkId;
use bitcraps_protocol::identity::{Context, Epoch, Keypair};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::{BlockTime, Time};
use bitcraps_protocol::wire::{Hash, encode};

use super::keypair;

/// So many validators.
pub struct Committee {
    /// Where and when their votes count.
    pub context: Context,
    /// Who they are.
    pub set: ValidatorSet,
    /// Their keys, in the order of their indexes.
    pub keys: Vec<Keypair>,
}

impl Committee {
    /// `n` validators, at most 512.
    pub fn new(n: u16) -> Self {
        let context = Context { network: Hash([42; 32]), epoch: Epoch(0) };
        let keys: Vec<Keypair> = (0..n).map(keypair).collect();
        let set = ValidatorSet::new(keys.iter().map(Keypair::peer).collect(), &context);
        Self { context, set, keys }
    }

    /// A quorum's votes to notarize the block of view 1.
    pub fn votes(&self) -> Vec<Vote> {
        let block = Hash([1; 32]);
        let statement = Statement::Notarize { view: View(1), block, time: BlockTime(1_000) };
        let voters = (0..).map(ValidatorIndex).zip(&self.keys).take(self.set.quorum());
        voters.map(|(index, key)| statement.sign(index, key, &self.context).into_inner()).collect()
    }

    /// What these votes prove.
    pub fn certificate(&self) -> Notarization {
        let block: BlockHash = Hash([1; 32]);
        Notarization::forge(View(1), block, &self.votes()).expect("they are on one block")
    }

    /// Checks a certificate as a node does that has seen none of its votes.
    pub fn check(&self, certificate: &Notarization) {
        certificate.verify(&self.set, &self.context, |_| false).expect("its votes are good");
    }

    /// A node that votes not itself and has heard nothing.
    pub fn observer(&self) -> Consensus {
        let genesis = Header {
            network: self.context.network,
            epoch: Epoch(0),
            view: View(0),
            height: Height(0),
            parent: Parent::default(),
            time: BlockTime(1_000),
            body: Hash::default(),
            commitments: Commitments::default(),
            justification: Hash::default(),
        };
        let (set, rng) = (self.set.clone(), Rng::new([1; 32]));
        Consensus::new(self.context, set, None, genesis, Config::default(), Time::ZERO, rng)
    }
}

/// Hears votes until they are a quorum, and does what comes of it.
pub fn hear(machine: &mut Consensus, votes: &[Vote]) {
    for vote in votes {
        let message = Message::Vote(*vote);
        machine.handle(Time::ZERO, Input::Received { link: LinkId(1), message });
        while machine.poll().is_some() {}
    }
    assert_eq!(machine.view(), View(2), "a quorum ends the view");
}

/// Bytes as long as those that a vote signs.
pub fn signed_bytes(vote: &Vote) -> Vec<u8> {
    encode(&(Hash::default(), Epoch(0), vote.statement))
}
