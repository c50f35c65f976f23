//! Key generations among participants of which some cheat, sleep, or forget; the chain is a list of
//! records. The tests of the key generation and the fuzz target `keygen` drive it.

#![allow(clippy::unwrap_used, reason = "a panic in here is what is looked for")]

use zeroize::Zeroizing;

use curve25519_dalek::scalar::Scalar;

use super::*;
use crate::beacon::key::ShareSecret;
use crate::beacon::sealing::SealingSecret;
use crate::beacon::{CoinId, CoinProof};
use crate::block::View;
use crate::identity::Keypair;

pub(crate) const NETWORK: NetworkId = Hash([7; 32]);
pub(crate) const EPOCH: Epoch = Epoch(0);

pub(crate) fn keypair(index: usize) -> Keypair {
    Keypair::from_seed([1 + u8::try_from(index).unwrap(); 32])
}

pub(crate) fn index(number: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(number).unwrap())
}

#[cfg(test)]
pub(crate) fn set(numbers: &[usize]) -> BTreeSet<ValidatorIndex> {
    numbers.iter().copied().map(index).collect()
}

/// How a dealer cheats one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheat {
    /// A share of another polynomial.
    WrongShare,
    /// Bytes that nobody can open.
    Garbage,
}

/// A network's chain as far as the key generation sees it, and everybody's part.
pub(crate) struct Ceremony {
    pub(crate) generation: Generation,
    pub(crate) deals: BTreeMap<(u32, ValidatorIndex), Deal>,
    pub(crate) participants: Vec<Participant>,
    pub(crate) waiting: Vec<VerifiedRecord>,
    pub(crate) shares: BTreeMap<(u32, ValidatorIndex), ShareSecret>,
    pub(crate) keys: BTreeMap<u32, DiceKey>,
    pub(crate) height: Height,
    pub(crate) asleep: BTreeSet<ValidatorIndex>,
    /// Who deals badly to whom, in every run in which it may deal.
    pub(crate) cheats: BTreeMap<ValidatorIndex, (ValidatorIndex, Cheat)>,
    /// Versions that rolls wait for.
    pub(crate) rolling: BTreeSet<u32>,
    /// What was worked out ahead of the block that makes the key.
    pub(crate) sum: Option<Sum>,
}

impl Ceremony {
    pub(crate) fn new(n: usize) -> Self {
        let members = (0..n).map(keypair).map(|keypair| Member {
            peer: keypair.peer(),
            sealing: SealingSecret::of(&keypair).public(),
        });
        let members = List::new(members.collect()).unwrap();
        Self {
            generation: Generation::open(EPOCH, members, Height(0)),
            deals: BTreeMap::new(),
            participants: (0..n)
                .map(|it| Participant::new(NETWORK, index(it), &keypair(it)))
                .collect(),
            waiting: Vec::new(),
            shares: BTreeMap::new(),
            keys: BTreeMap::new(),
            height: Height(0),
            asleep: BTreeSet::new(),
            cheats: BTreeMap::new(),
            rolling: BTreeSet::new(),
            sum: None,
        }
    }

    pub(crate) fn verify(&self, signed: SignedRecord) -> Result<VerifiedRecord, Untrue> {
        signed.verify(NETWORK, &self.generation)
    }

    #[cfg(test)]
    pub(crate) fn judge(
        &self,
        record: &VerifiedRecord,
    ) -> Result<BTreeSet<ValidatorIndex>, BadRecord> {
        let deals = |version, dealer| self.deals.get(&(version, dealer));
        self.generation.judge(NETWORK, record, &deals)
    }

    pub(crate) fn is_said(&self, author: ValidatorIndex, kind: Kind) -> bool {
        self.waiting.iter().any(|waiting| {
            let record = waiting.record();
            (record.author, record.version, record.statement.kind())
                == (author, self.generation.version, kind)
        })
    }

    /// Everybody who is awake does all there is to do.
    pub(crate) fn work(&mut self) {
        for number in 0..self.participants.len() {
            let who = index(number);
            while !self.asleep.contains(&who) {
                let mut participant = core::mem::replace(
                    &mut self.participants[number],
                    Participant::new(NETWORK, who, &keypair(number)),
                );
                let deals = |version, dealer| self.deals.get(&(version, dealer));
                let step =
                    participant.step(&self.generation, &deals, |kind| self.is_said(who, kind));
                self.participants[number] = participant;
                match step {
                    Step::Idle => break,
                    Step::Opened => {}
                    Step::Share(key, share) => {
                        self.shares.insert((key.version, who), share);
                    }
                    Step::Say(signed) => {
                        let said = self.tamper(who, self.verify(signed).unwrap());
                        self.waiting.push(said);
                    }
                }
            }
        }
    }

    pub(crate) fn tamper(&self, who: ValidatorIndex, said: VerifiedRecord) -> VerifiedRecord {
        let (Statement::Deal(deal), Some((victim, cheat))) =
            (&said.record().statement, self.cheats.get(&who))
        else {
            return said;
        };
        let mut deal = deal.clone();
        let mut sealed = deal.sealed.to_vec();
        let place = usize::from(victim.0);
        sealed[place] = match cheat {
            Cheat::Garbage => sealed[(place + 1) % sealed.len()],
            Cheat::WrongShare => {
                let other = self.generation.run_of(NETWORK, self.generation.version);
                let polynomial = [Scalar::from(5u8)];
                let keys = self.generation.sealing_keys();
                // Under the same one-time secret, as the dealer itself knows it.
                let secret = one_time(&other, who);
                Deal::of(&other, who, &keys, &secret, &polynomial).sealed[place]
            }
        };
        deal.sealed = List::new(sealed).unwrap();
        self.verify(self.record(who, Statement::Deal(deal))).unwrap()
    }

    pub(crate) fn record(&self, author: ValidatorIndex, statement: Statement) -> SignedRecord {
        let version = self.generation.version;
        let record = Record { epoch: EPOCH, version, author, statement };
        record.sign(&keypair(usize::from(author.0)), NETWORK)
    }

    /// A block of everything that waits and is acceptable.
    pub(crate) fn block(&mut self) -> Advance {
        self.height = self.height.next();
        for record in core::mem::take(&mut self.waiting) {
            let deals = |version, dealer| self.deals.get(&(version, dealer));
            let mut generation = self.generation.clone();
            if generation.apply(NETWORK, &record, &deals).is_err() {
                continue;
            }
            if let Statement::Deal(deal) = &record.record().statement {
                let place = (generation.version, record.record().author);
                self.deals.insert(place, (**deal).clone());
            }
            self.generation = generation;
        }
        let deals = |version, dealer| self.deals.get(&(version, dealer));
        let version = self.generation.version;
        let advance = self.generation.advance(self.height, |closing| {
            let known = self.sum.take().filter(|sum| sum.is_of(closing));
            let mut sum = known.unwrap_or_else(|| Sum::new(closing));
            while !sum.is_done() {
                sum.step(&deals);
            }
            sum.key()
        });
        match &advance {
            Advance::Made(key) => _ = self.keys.insert(version, key.clone()),
            Advance::Restarted(dealers) => {
                for dealer in dealers {
                    self.deals.remove(&(version, *dealer)).unwrap();
                }
            }
            Advance::Nothing | Advance::Dealt | Advance::Retired => {}
        }
        for (version, dealers) in self.generation.forget(|it| self.rolling.contains(&it)) {
            for dealer in dealers {
                self.deals.remove(&(version, dealer)).unwrap();
            }
        }
        advance
    }

    #[cfg(test)]
    /// Blocks until the key is made or `blocks` have gone by.
    pub(crate) fn run(&mut self, blocks: u64) -> Option<&DiceKey> {
        for _ in 0..blocks {
            self.work();
            if self.generation.is_active() {
                break;
            }
            self.block();
        }
        self.keys.get(&self.generation.version).filter(|_| self.generation.is_active())
    }

    /// Whether every choice of shares that is tried gives one coin.
    pub(crate) fn assert_one_coin(&self, version: u32) {
        let key = &self.keys[&version];
        let table = key.table().unwrap();
        let id = CoinId { network: NETWORK, epoch: EPOCH, key_version: version, view: View(3) };
        let shares: Vec<_> = self
            .shares
            .iter()
            .filter(|((of, _), _)| *of == version)
            .map(|(_, share)| {
                assert!(share.belongs_to(&table));
                (share.index(), share.coin_share(&id.input()))
            })
            .collect();
        let threshold = usize::from(key.threshold);
        assert!(shares.len() >= threshold, "{} shares, {threshold} needed", shares.len());
        let coin = |from: usize| {
            let shares = List::new(shares[from..from + threshold].to_vec()).unwrap();
            CoinProof { view: View(3), shares }.verify(key, NETWORK, EPOCH).unwrap()
        };
        for from in 0..=shares.len() - threshold {
            assert_eq!(coin(from), coin(0));
        }
    }
}

/// The one-time secret that [`Deal::make`] derives.
pub(crate) fn one_time(run: &RunId, dealer: ValidatorIndex) -> SealingSecret {
    let mut entropy = Zeroizing::new([0; 32]);
    deal::secrets(run, &keypair(usize::from(dealer.0)))(entropy.as_mut_slice());
    SealingSecret::one_time(&entropy)
}
