//! The making of dice keys: only who dealt badly is left out, a key has enough dealers, and what an
//! honest dealer dealt to an honest member is never opened for everybody.

use std::collections::{BTreeMap, BTreeSet};

use bitcraps_protocol::beacon::SealingKey;
use bitcraps_protocol::beacon::generation::{Generation, Record, Stage, Statement};
use bitcraps_protocol::block::ValidatorIndex;

use super::{Check, Verdict};

/// All runs of the key generation, as final blocks tell them.
#[derive(Debug)]
pub(super) struct Keys {
    /// Who is hostile.
    byzantine: BTreeSet<usize>,
    /// Under which one-time key somebody dealt in a run.
    dealt: BTreeMap<(u32, ValidatorIndex), SealingKey>,
    /// Where the newest state stands.
    version: u32,
    made: BTreeSet<u32>,
    attested: BTreeSet<(u32, ValidatorIndex)>,
    excluded: BTreeSet<ValidatorIndex>,
}

impl Keys {
    pub(super) fn new(byzantine: &BTreeSet<usize>) -> Self {
        Self {
            byzantine: byzantine.clone(),
            dealt: BTreeMap::new(),
            version: 0,
            made: BTreeSet::new(),
            attested: BTreeSet::new(),
            excluded: BTreeSet::new(),
        }
    }

    /// A record in a final block.
    pub(super) fn record(&mut self, record: &Record) -> Verdict {
        let Record { version, author, statement, .. } = record;
        match statement {
            Statement::Deal(deal) => {
                self.dealt.insert((*version, *author), deal.one_time);
                Ok(())
            }
            Statement::Attest(attest) if self.is_hostile(*author) => {
                let mut complaints = attest.complaints.iter();
                let sound = complaints.find(|complaint| !self.is_hostile(complaint.dealer));
                sound.map_or(Ok(()), |complaint| {
                    let dealer = complaint.dealer;
                    let message = format!(
                        "{author} complains about {dealer}, which dealt well, and is heard"
                    );
                    Err((Check::Accountability, message))
                })
            }
            Statement::Attest(attest) => attest
                .complaints
                .iter()
                .try_for_each(|complaint| self.complaint(*version, *author, complaint.dealer)),
        }
    }

    /// A complaint of an honest member gives away what it shares with the dealer's one-time key:
    /// whoever else dealt under that key dealt it in the open.
    fn complaint(&self, version: u32, by: ValidatorIndex, about: ValidatorIndex) -> Verdict {
        if !self.is_hostile(about) {
            let message = format!("{by} complains about {about}, and both are honest");
            return Err((Check::Accountability, message));
        }
        let Some(opened) = self.dealt.get(&(version, about)) else { return Ok(()) };
        let run = (version, ValidatorIndex(0))..=(version, ValidatorIndex(u16::MAX));
        let mut honest = self.dealt.range(run).filter(|((_, dealer), _)| !self.is_hostile(*dealer));
        honest.find(|(_, key)| *key == opened).map_or(Ok(()), |((_, dealer), _)| {
            let message =
                format!("{by} complains about {about}, which opens what {dealer} dealt it");
            Err((Check::Dice, message))
        })
    }

    /// Where the generation stands in a final state; what is new about that.
    pub(super) fn generation(
        &mut self,
        generation: &Generation,
    ) -> Result<Vec<&'static str>, (Check, String)> {
        if let Some(sound) = generation.excluded.iter().find(|dealer| !self.is_hostile(**dealer)) {
            let message = format!("{sound} is left out of the key's dealers, and dealt well");
            return Err((Check::Accountability, message));
        }
        let (version, enough) = (generation.version, usize::from(generation.threshold()));
        let counted = generation.counted.len();
        if generation.is_active() && counted < enough {
            let message = format!("a key of {counted} dealers where {enough} are needed");
            return Err((Check::Dice, message));
        }
        let mut news = Vec::new();
        if version > self.version {
            let retired = self.made.contains(&self.version);
            news.push(if retired { "dice key retired" } else { "key generation restarted" });
            self.version = version;
        }
        if !generation.excluded.is_subset(&self.excluded) {
            news.push("bad dealer left out");
            self.excluded.extend(&generation.excluded);
        }
        let late = self.made.contains(&version);
        for member in &generation.attested {
            if self.attested.insert((version, *member)) && late {
                news.push("attested late");
            }
        }
        if matches!(generation.stage, Stage::Active) && self.made.insert(version) {
            news.push("dice key made");
            if counted < generation.members.len() {
                news.push("dice key made without every dealer");
            }
        }
        Ok(news)
    }

    fn is_hostile(&self, validator: ValidatorIndex) -> bool {
        self.byzantine.contains(&usize::from(validator.0))
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::beacon::SealingSecret;
    use bitcraps_protocol::beacon::generation::{Attest, Deal, SignedRecord};
    use bitcraps_protocol::beacon::generation::{Member, RunId};
    use bitcraps_protocol::block::Height;
    use bitcraps_protocol::identity::{Epoch, Keypair};
    use bitcraps_protocol::wire::{Hash, List};

    use super::*;
    use crate::adversary::read;

    const NETWORK: Hash = Hash([9; 32]);

    fn keypair(index: u16) -> Keypair {
        Keypair::from_seed([index as u8 + 1; 32])
    }

    fn generation() -> Generation {
        let member = |index| {
            let keypair = keypair(index);
            Member { peer: keypair.peer(), sealing: SealingSecret::of(&keypair).public() }
        };
        let members = List::new((0..4).map(member).collect()).unwrap();
        Generation::open(Epoch(0), members, Height(0))
    }

    fn run() -> RunId {
        generation().run(NETWORK)
    }

    fn deal(dealer: u16) -> Deal {
        let generation = generation();
        let keys = generation.sealing_keys();
        Deal::make(&run(), ValidatorIndex(dealer), &keys, generation.threshold(), &keypair(dealer))
    }

    fn record(author: u16, statement: Statement) -> Record {
        let author = ValidatorIndex(author);
        let record = Record { epoch: Epoch(0), version: 0, author, statement };
        let signed: SignedRecord = record.clone().sign(&keypair(author.0), NETWORK);
        assert_eq!(read(&signed).as_ref(), Some(&record), "it can be read again");
        record
    }

    /// A complaint of `by` about whoever made `deal` as `dealer`.
    fn complaint(by: u16, dealer: u16, deal: &Deal) -> Record {
        let secret = SealingSecret::of(&keypair(by));
        let wrong = ValidatorIndex(dealer + 1);
        let mut complaint = deal.open(&run(), wrong, ValidatorIndex(by), &secret).unwrap_err();
        complaint.dealer = ValidatorIndex(dealer);
        let complaints = List::new(vec![complaint]).unwrap();
        record(by, Statement::Attest(Attest { deals: Hash::default(), complaints }))
    }

    /// Validator 3 is hostile.
    fn keys() -> Keys {
        Keys::new(&[3].into())
    }

    fn check<T>(verdict: Result<T, (Check, String)>) -> Option<Check> {
        verdict.err().map(|(check, _)| check)
    }

    #[test]
    fn a_complaint_that_opens_an_honest_deal_is_noticed() {
        let mut keys = keys();
        let (honest, own) = (deal(1), deal(3));
        assert_eq!(keys.record(&record(1, Statement::Deal(Box::new(honest.clone())))), Ok(()));
        assert_eq!(keys.record(&record(3, Statement::Deal(Box::new(own.clone())))), Ok(()));
        assert_eq!(keys.record(&complaint(0, 3, &own)), Ok(()));
        let copied = Deal { one_time: honest.one_time, ..own };
        assert_eq!(keys.record(&record(3, Statement::Deal(Box::new(copied.clone())))), Ok(()));
        assert_eq!(check(keys.record(&complaint(0, 3, &copied))), Some(Check::Dice));
    }

    #[test]
    fn nobody_is_heard_who_complains_about_an_honest_dealer() {
        for by in [0, 3] {
            let verdict = keys().record(&complaint(by, 1, &deal(1)));
            assert_eq!(check(verdict), Some(Check::Accountability), "{by}");
        }
    }

    #[test]
    fn only_hostile_dealers_are_left_out_and_enough_are_counted() {
        let mut bad = generation();
        bad.excluded.insert(ValidatorIndex(1));
        assert_eq!(check(keys().generation(&bad)), Some(Check::Accountability));
        let mut few = generation();
        few.stage = Stage::Active;
        few.counted.extend([ValidatorIndex(0), ValidatorIndex(1)]);
        assert_eq!(check(keys().generation(&few)), Some(Check::Dice));
        let mut right = generation();
        right.excluded.insert(ValidatorIndex(3));
        right.stage = Stage::Active;
        right.counted.extend([0, 1, 2].map(ValidatorIndex));
        let mut keys = keys();
        let news = ["bad dealer left out", "dice key made", "dice key made without every dealer"];
        assert_eq!(keys.generation(&right), Ok(news.to_vec()));
        right.attested.insert(ValidatorIndex(2));
        assert_eq!(keys.generation(&right), Ok(vec!["attested late"]));
        right.version = 1;
        right.stage = Stage::Dealing { until: Height(9) };
        assert_eq!(keys.generation(&right), Ok(vec!["dice key retired"]));
    }
}
