//! Accountability: nobody honest is accused, and whoever hears two votes that contradict each other
//! while it keeps both has evidence by the time it has handled the second.

use std::collections::{BTreeMap, BTreeSet};

use bitcraps_protocol::block::{ValidatorIndex, View};
use bitcraps_protocol::consensus::{Statement, ValidatorSet, Vote};
use bitcraps_protocol::identity::Context;
use bitcraps_protocol::wire::Hash;

use super::{Check, Verdict};

/// What sound nodes heard from validators that are not, and whom they accuse.
#[derive(Debug, Default)]
pub(super) struct Evidences {
    heard: BTreeMap<(usize, ValidatorIndex), Vec<Vote>>,
    accused: BTreeSet<(usize, ValidatorIndex)>,
    /// Justifications that are good, for a sound node journalled a block with it.
    justified: BTreeSet<Hash>,
}

/// A vote that a node hears.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The vote.
    pub vote: Vote,
    /// The hash of the justification that came with it, if it is a proposal.
    pub justification: Option<Hash>,
    /// The first and the last view whose votes the node keeps.
    pub window: (View, View),
}

impl Evidences {
    /// A process starts in a place: what the one before heard is forgotten.
    pub(super) fn restarted(&mut self, place: usize) {
        self.heard.retain(|(of, _), _| *of != place);
        self.accused.retain(|(of, _)| *of != place);
    }

    /// A sound node journals a block with this justification.
    pub(super) fn justified(&mut self, justification: Hash) {
        self.justified.insert(justification);
    }

    /// A node holds evidence against a validator.
    pub(super) fn accused(&mut self, place: usize, validator: ValidatorIndex) {
        self.accused.insert((place, validator));
    }

    /// A node has heard and handled the vote of a validator that is not sound.
    pub(super) fn heard(
        &mut self,
        place: usize,
        heard: Heard,
        validators: &ValidatorSet,
        context: &Context,
    ) -> Verdict {
        let Heard { vote, justification, window: (first, last) } = heard;
        let key = (place, vote.voter);
        let kept = (first..=last).contains(&vote.view());
        // A block that may not stand where it wants to is refused with its vote.
        let refused = justification.is_some_and(|hash| {
            !self.justified.contains(&hash) || validators.leader(vote.view()) != vote.voter
        });
        if !kept || refused || self.accused.contains(&key) {
            return Ok(());
        }
        let known = self.heard.entry(key).or_default();
        known.retain(|earlier| earlier.view() >= first);
        let is_good = |vote: &Vote| vote.verify(validators, context).is_some();
        let contradicted = known
            .iter()
            .filter(|earlier| contradict(&earlier.statement, &vote.statement))
            .find(|earlier| is_good(earlier) && is_good(&vote));
        if let Some(earlier) = contradicted {
            let message = format!(
                "it has heard {:?} and {:?} of {} and has no evidence",
                earlier.statement, vote.statement, vote.voter
            );
            return Err((Check::Accountability, message));
        }
        if !known.contains(&vote) {
            known.push(vote);
        }
        Ok(())
    }
}

/// Whether no sound validator states both. (consensus.md section 6)
fn contradict(one: &Statement, other: &Statement) -> bool {
    use Statement::{Finalize, Notarize, Nullify};
    let promised =
        |view: View, highest: View, finalized: View| (highest.next()..=view).contains(&finalized);
    match (*one, *other) {
        (Notarize { view, .. }, Notarize { view: of, .. }) => view == of && one != other,
        (Finalize { view, block }, Finalize { view: of, block: another })
        | (Notarize { view, block, .. }, Finalize { view: of, block: another })
        | (Finalize { view, block }, Notarize { view: of, block: another, .. }) => {
            view == of && block != another
        }
        (Nullify { view, highest }, Nullify { view: of, highest: another }) => {
            view == of && highest != another
        }
        (Nullify { view, highest }, Finalize { view: finalized, .. })
        | (Finalize { view: finalized, .. }, Nullify { view, highest }) => {
            promised(view, highest, finalized)
        }
        (Notarize { .. }, Nullify { .. }) | (Nullify { .. }, Notarize { .. }) => false,
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::identity::{Epoch, Keypair};
    use bitcraps_protocol::time::BlockTime;

    use super::*;

    const CONTEXT: Context = Context { network: Hash([7; 32]), epoch: Epoch(0) };
    const WINDOW: (View, View) = (View(2), View(66));

    struct Scene {
        evidences: Evidences,
        keypairs: Vec<Keypair>,
        validators: ValidatorSet,
    }

    impl Scene {
        fn new() -> Self {
            let keypairs: Vec<_> = (1..=4).map(|seed| Keypair::from_seed([seed; 32])).collect();
            let peers = keypairs.iter().map(Keypair::peer).collect();
            let validators = ValidatorSet::new(peers, &CONTEXT);
            Self { evidences: Evidences::default(), keypairs, validators }
        }

        fn hear(&mut self, view: u64, block: u8) -> Verdict {
            self.hear_by(0, view, block, None)
        }

        fn hear_by(
            &mut self,
            signer: usize,
            view: u64,
            block: u8,
            justification: Option<Hash>,
        ) -> Verdict {
            let (block, time) = (Hash([block; 32]), BlockTime(0));
            let statement = Statement::Notarize { view: View(view), block, time };
            let voter = ValidatorIndex(0);
            let vote = *statement.sign(voter, &self.keypairs[signer], &CONTEXT).get();
            let heard = Heard { vote, justification, window: WINDOW };
            self.evidences.heard(5, heard, &self.validators, &CONTEXT)
        }
    }

    fn check(verdict: Verdict) -> Option<Check> {
        verdict.err().map(|(check, _)| check)
    }

    #[test]
    fn who_hears_a_contradiction_must_have_evidence() {
        let mut scene = Scene::new();
        assert_eq!(scene.hear(3, 1), Ok(()));
        assert_eq!(scene.hear(3, 1), Ok(()), "the same again");
        assert_eq!(scene.hear(4, 2), Ok(()), "another view");
        assert_eq!(check(scene.hear(3, 2)), Some(Check::Accountability));
        scene.evidences.accused(5, ValidatorIndex(0));
        assert_eq!(scene.hear(3, 2), Ok(()));
    }

    #[test]
    fn what_is_too_old_too_new_forged_or_forgotten_obliges_nobody() {
        let mut scene = Scene::new();
        for view in [1, 67] {
            assert_eq!((scene.hear(view, 1), scene.hear(view, 2)), (Ok(()), Ok(())), "{view}");
        }
        assert_eq!((scene.hear(3, 1), scene.hear_by(1, 3, 2, None)), (Ok(()), Ok(())));
        scene.evidences.restarted(5);
        assert_eq!(scene.hear(3, 2), Ok(()));
    }

    #[test]
    fn a_proposal_counts_if_its_justification_is_good() {
        let mut scene = Scene::new();
        let view = (2..6).find(|view| scene.validators.leader(View(*view)) == ValidatorIndex(0));
        let (view, good) = (view.expect("everybody leads"), Hash([8; 32]));
        scene.evidences.justified(good);
        assert_eq!(scene.hear_by(0, view, 1, Some(good)), Ok(()));
        assert_eq!(scene.hear_by(0, view, 2, Some(Hash([9; 32]))), Ok(()), "it is refused");
        assert_eq!(check(scene.hear_by(0, view, 2, Some(good))), Some(Check::Accountability));
    }

    #[test]
    fn statements_contradict_in_both_orders() {
        let [a, b] = [Hash([1; 32]), Hash([2; 32])];
        let notarize =
            |view, block| Statement::Notarize { view: View(view), block, time: BlockTime(0) };
        let nullify =
            |view, highest| Statement::Nullify { view: View(view), highest: View(highest) };
        let finalize = |view, block| Statement::Finalize { view: View(view), block };
        for (one, other, expected) in [
            (notarize(3, a), notarize(3, b), true),
            (notarize(3, a), notarize(4, b), false),
            (notarize(3, a), finalize(3, b), true),
            (notarize(3, a), finalize(3, a), false),
            (notarize(3, a), nullify(3, 2), false),
            (finalize(3, a), finalize(3, b), true),
            (nullify(3, 1), nullify(3, 2), true),
            (nullify(5, 2), finalize(3, a), true),
            (nullify(5, 3), finalize(3, a), false),
            (nullify(5, 2), finalize(6, a), false),
        ] {
            assert_eq!(contradict(&one, &other), expected, "{one:?} {other:?}");
            assert_eq!(contradict(&other, &one), expected, "{other:?} {one:?}");
        }
    }
}
