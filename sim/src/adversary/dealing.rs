//! Small changes to what a hostile validator says to make a dice key, signed again with its own key.

use bitcraps_protocol::beacon::generation::{
    Attest, Deal, Generation, Kind, RECORD_BYTES, Record, SignedRecord, Statement,
};
use bitcraps_protocol::beacon::{SealedShare, SealingSecret};
use bitcraps_protocol::block::ValidatorIndex;
use bitcraps_protocol::chain::State;
use bitcraps_protocol::identity::{Domain, Keypair, Signature};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::simulation::Packet;
use bitcraps_protocol::wire::{Hash, List, decode, encode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::forge::Forger;
use super::strategies::Mutation;

/// A record's bytes as they travel.
#[derive(Serialize, Deserialize)]
struct Raw {
    bytes: Bytes,
    signature: Signature,
}

/// Reads what a record says, whoever signed it.
pub fn read(signed: &SignedRecord) -> Option<Record> {
    let encoded = encode(signed);
    let raw: Raw = decode(&encoded, encoded.len()).ok()?;
    decode(&raw.bytes, RECORD_BYTES).ok()
}

/// Which statement a message makes to make a key, if it makes one.
pub(super) fn kind_of(packet: &Packet) -> Option<Kind> {
    match packet {
        Packet::KeyGeneration(signed) => read(signed).map(|record| record.statement.kind()),
        Packet::Consensus(_)
        | Packet::Finalize { .. }
        | Packet::Share { .. }
        | Packet::AskShares { .. }
        | Packet::Transaction(_)
        | Packet::AskGenesis
        | Packet::Genesis(_)
        | Packet::AskSnapshot
        | Packet::Snapshot(_)
        | Packet::AskPart { .. }
        | Packet::Part { .. }
        | Packet::AskLight(_)
        | Packet::Light(_)
        | Packet::Letter(_)
        | Packet::Chat(_)
        | Packet::Sealed { .. }
        | Packet::Hello
        | Packet::Rotation(_)
        | Packet::AskRotation
        | Packet::Compact(_) => None,
    }
}

impl Forger {
    /// Another version of what this validator says to make a key.
    pub(super) fn dealing(
        &self,
        packet: &Packet,
        mutation: Mutation,
        state: &State,
        history: &[Packet],
        rng: &mut Rng,
    ) -> Option<Packet> {
        let Packet::KeyGeneration(signed) = packet else { return None };
        let record = read(signed)?;
        let generation = state.generation()?;
        let others = self.deals(&record, state, history);
        match (mutation, &record.statement) {
            (Mutation::Shares, Statement::Deal(deal)) => {
                let deal = spoil_shares(deal, usize::from(self.index.0), rng)?;
                Some(self.say(&record, Statement::Deal(Box::new(deal))))
            }
            (Mutation::Degree, Statement::Deal(deal)) => {
                let mut deal = deal.clone();
                let mut commitments = deal.commitments.to_vec();
                match rng.below(2) {
                    0 => drop(commitments.pop()),
                    _ => commitments.push(*commitments.last()?),
                }
                deal.commitments = List::new(commitments).ok()?;
                Some(self.say(&record, Statement::Deal(deal)))
            }
            (Mutation::CopiedKey, Statement::Deal(deal)) => {
                let (_, other) = pick(&others, rng)?;
                let mut deal = deal.clone();
                deal.one_time = other.one_time;
                if rng.below(2) == 0 {
                    deal.knows_one_time = other.knows_one_time;
                }
                Some(self.say(&record, Statement::Deal(deal)))
            }
            (Mutation::RogueKey, Statement::Deal(deal)) => {
                let (_, other) = pick(&others, rng)?;
                let mut commitments = deal.commitments.to_vec();
                *commitments.first_mut()? = *other.commitments.first()?;
                let mut deal = deal.clone();
                deal.commitments = List::new(commitments).ok()?;
                Some(self.say(&record, Statement::Deal(deal)))
            }
            (Mutation::NoKey, Statement::Deal(deal)) => {
                // The identity as one-time key: nothing that is made this way can even be decoded.
                let (bytes, key) = (encode(&record), deal.one_time.to_bytes());
                let at = bytes.windows(key.len()).position(|window| window == key)?;
                let mut bytes = bytes;
                bytes[at..at + key.len()].fill(0);
                self.say_bytes(bytes)
            }
            (Mutation::SecondDeal, Statement::Deal(_)) => {
                let deal = self.another_deal(&record, generation, rng);
                Some(self.say(&record, Statement::Deal(Box::new(deal))))
            }
            (Mutation::FalseComplaint, Statement::Attest(attest)) => {
                let run = generation.run_of(self.context.network, record.version);
                let own = SealingSecret::of(&self.keypair);
                let all = rng.below(2) == 0;
                let accused: Vec<_> = match all {
                    true => others.iter().collect(),
                    false => pick(&others, rng).into_iter().collect(),
                };
                let complain = |(dealer, deal): &(ValidatorIndex, Deal)| {
                    // What only a spoilt copy deserves.
                    let spoilt = spoil_share_of(deal, self.index)?;
                    spoilt.open(&run, *dealer, self.index, &own).err()
                };
                let complaints = accused.into_iter().filter_map(complain).collect();
                let complaints = List::new(complaints).ok()?;
                let deals = attest.deals;
                Some(self.say(&record, Statement::Attest(Attest { deals, complaints })))
            }
            (Mutation::OtherDeals, Statement::Attest(attest)) => {
                let complaints = attest.complaints.clone();
                let attest = Attest { deals: Hash(rng.bytes32()), complaints };
                Some(self.say(&record, Statement::Attest(attest)))
            }
            _ => None,
        }
    }

    fn say(&self, record: &Record, statement: Statement) -> Packet {
        let Record { epoch, version, author, .. } = *record;
        let record = Record { epoch, version, author, statement };
        Packet::KeyGeneration(record.sign(&self.keypair, self.context.network))
    }

    fn say_bytes(&self, bytes: Vec<u8>) -> Option<Packet> {
        let signature = self.keypair.sign(Domain::KeyGeneration, &self.context, &bytes);
        let raw = encode(&Raw { bytes: bytes.into(), signature });
        decode(&raw, raw.len()).ok().map(Packet::KeyGeneration)
    }

    /// A good deal, and not the one that this validator makes.
    fn another_deal(&self, record: &Record, generation: &Generation, rng: &mut Rng) -> Deal {
        let run = generation.run_of(self.context.network, record.version);
        let (keys, other) = (generation.sealing_keys(), Keypair::from_seed(rng.bytes32()));
        Deal::make(&run, self.index, &keys, generation.threshold(), &other)
    }

    /// What others dealt in the run of `record`, from the chain or from hearsay.
    fn deals(
        &self,
        record: &Record,
        state: &State,
        history: &[Packet],
    ) -> Vec<(ValidatorIndex, Deal)> {
        let members = (0..self.validators.len() as u16).map(ValidatorIndex);
        let others = members.filter(|index| *index != self.index);
        let heard: Vec<Record> = history
            .iter()
            .filter_map(|packet| match packet {
                Packet::KeyGeneration(signed) => read(signed),
                _ => None,
            })
            .filter(|heard| heard.version == record.version)
            .collect();
        let of = |dealer: ValidatorIndex| {
            let said = heard.iter().find_map(|heard| match &heard.statement {
                Statement::Deal(deal) if heard.author == dealer => Some((**deal).clone()),
                Statement::Deal(_) | Statement::Attest(_) => None,
            });
            let deal = state.deal(record.version, dealer).cloned().or(said)?;
            Some((dealer, deal))
        };
        others.filter_map(of).collect()
    }
}

fn pick<'a, T>(from: &'a [T], rng: &mut Rng) -> Option<&'a T> {
    from.get(rng.below(from.len().max(1) as u64) as usize)
}

/// Wrong shares for some receivers, one at least, other than the dealer.
fn spoil_shares(deal: &Deal, dealer: usize, rng: &mut Rng) -> Option<Deal> {
    let mut sealed = deal.sealed.to_vec();
    let certain = (dealer + 1 + rng.below(sealed.len().max(2) as u64 - 1) as usize) % sealed.len();
    for (receiver, share) in sealed.iter_mut().enumerate() {
        if receiver == certain || (receiver != dealer && rng.below(3) == 0) {
            *share = spoilt(share)?;
        }
    }
    Some(Deal { sealed: List::new(sealed).ok()?, ..deal.clone() })
}

fn spoil_share_of(deal: &Deal, receiver: ValidatorIndex) -> Option<Deal> {
    let mut sealed = deal.sealed.to_vec();
    let share = sealed.get_mut(usize::from(receiver.0))?;
    *share = spoilt(share)?;
    Some(Deal { sealed: List::new(sealed).ok()?, ..deal.clone() })
}

fn spoilt(share: &SealedShare) -> Option<SealedShare> {
    let mut bytes = encode(share);
    *bytes.first_mut()? ^= 1;
    decode(&bytes, bytes.len()).ok()
}
