//! A dice key, its shares, and the coin of one view.

use bitcraps_protocol::beacon::{
    Beacon, CoinId, CoinProof, CoinShare, Config, Dealt, DiceRelease, Input, SealingSecret, Setup,
    ShareSecret, deal, threshold,
};
use bitcraps_protocol::block::{ValidatorIndex, View};
use bitcraps_protocol::event::LinkId;
use bitcraps_protocol::identity::Epoch;
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::Time;
use bitcraps_protocol::wire::{Hash, List};

use super::keypair;

const NETWORK: Hash = Hash([42; 32]);

/// A dice key of so many validators.
pub struct Dice {
    /// The key and the sealed shares.
    pub dealt: Dealt,
    /// The opened shares of a quorum.
    pub secrets: Vec<ShareSecret>,
    /// The coin that they make.
    pub id: CoinId,
}

impl Dice {
    /// The key of `n` validators, of whom n − f make a coin.
    pub fn new(n: u16) -> Self {
        let sealing = |index| SealingSecret::of(&keypair(index));
        let members: Vec<_> =
            (0..n).map(|index| (keypair(index).peer(), sealing(index).public())).collect();
        let quorum = threshold(members.len());
        let dealt = deal(&members, quorum, &mut Rng::new([9; 32]), &Hash([3; 32]));
        let open = |index| dealt.open_share(ValidatorIndex(index), &sealing(index));
        let secrets = (0..quorum).map(|index| open(index).expect("it was dealt")).collect();
        let key_version = dealt.key.version;
        let id = CoinId { network: NETWORK, epoch: Epoch(0), key_version, view: View(1) };
        Self { dealt, secrets, id }
    }

    /// The first member's share of the coin.
    pub fn share(&self) -> CoinShare {
        self.secrets[0].coin_share(&self.id.input())
    }

    /// A quorum's shares.
    pub fn proof(&self) -> CoinProof {
        let input = self.id.input();
        let shares = self.secrets.iter().map(|it| (it.index(), it.coin_share(&input))).collect();
        CoinProof { view: self.id.view, shares: List::new(shares).expect("a quorum") }
    }

    /// Checks every share and puts the coin together.
    pub fn verify(&self, proof: &CoinProof) {
        proof.verify(&self.dealt.key, NETWORK, Epoch(0)).expect("its shares are good");
    }

    /// Somebody who collects shares, has none, and waits for this coin.
    pub fn collector(&self) -> Beacon {
        let setup = Setup {
            network: NETWORK,
            epoch: Epoch(0),
            key: self.dealt.key.table().expect("the key is good"),
            secret: None,
            release: DiceRelease::default(),
            config: Config::default(),
        };
        let mut beacon = Beacon::new(setup);
        beacon.handle(Time::ZERO, Input::Entered { view: self.id.view });
        beacon.handle(Time::ZERO, Input::Final { view: self.id.view });
        beacon
    }
}

/// Takes the first member's share, as it comes by gossip.
pub fn collect(beacon: &mut Beacon, share: CoinShare) {
    let (link, index, view) = (LinkId(1), ValidatorIndex(0), View(1));
    beacon.handle(Time::ZERO, Input::Share { link, index, view, share });
    assert!(beacon.vouches_for(view, index, &share), "the share is good");
}
