//! Every vote of a sound key that anybody holds, over all its lives: no two contradict each other,
//! and none left before it was durable.

use bitcraps_protocol::block::{BlockHash, ValidatorIndex, View};
use bitcraps_protocol::consensus::{Statement, Vote};
use bitcraps_protocol::identity::Signature;

use super::{Check, Known, Verdict};

/// What one validator stated about one view.
#[derive(Debug, Default)]
struct Stated {
    notarize: Option<Statement>,
    nullify: Option<View>,
    finalize: Option<BlockHash>,
}

/// All votes.
#[derive(Debug, Default)]
pub(super) struct Votes {
    known: Known<(ValidatorIndex, Statement), Signature>,
    durable: Known<(ValidatorIndex, Statement), ()>,
    stated: Known<(ValidatorIndex, View), Stated>,
}

impl Votes {
    /// Whether exactly this vote was seen, and so checked, before.
    pub(super) fn is_known(&self, vote: &Vote) -> bool {
        self.known.get(&(vote.voter, vote.statement)) == Some(&vote.signature)
    }

    /// A sound voter's vote is durable.
    pub(super) fn durable(&mut self, vote: Vote) {
        self.durable.insert((vote.voter, vote.statement), ());
    }

    /// Somebody holds this vote, whose signature verifies.
    pub(super) fn seen(&mut self, vote: &Vote, sound: bool) -> Verdict {
        self.known.insert((vote.voter, vote.statement), vote.signature);
        if !sound {
            return Ok(());
        }
        if !self.durable.contains_key(&(vote.voter, vote.statement)) {
            let message =
                format!("{:?} of {} left before it was durable", vote.statement, vote.voter);
            return Err((Check::Durability, message));
        }
        self.contradiction(vote).map_or(Ok(()), |other| {
            let message = format!("{} states {:?} and {other}", vote.voter, vote.statement);
            Err((Check::VoteDiscipline, message))
        })
    }

    /// What contradicts this vote, in words; else it is remembered. (consensus.md section 6)
    fn contradiction(&mut self, vote: &Vote) -> Option<String> {
        let (voter, view) = (vote.voter, vote.view());
        let stated = self.stated.entry((voter, view)).or_default();
        match vote.statement {
            Statement::Notarize { block, .. } => {
                if let Some(other) = stated.notarize {
                    return Some(format!("{other:?}"));
                }
                stated.notarize = Some(vote.statement);
                let other = stated.finalize.filter(|finalized| *finalized != block);
                other.map(|other| format!("finalizes {}", other.short()))
            }
            Statement::Finalize { block, .. } => {
                if let Some(other) = stated.finalize {
                    return Some(format!("finalizes {}", other.short()));
                }
                stated.finalize = Some(block);
                let other = |statement: &Statement| match statement {
                    Statement::Notarize { block: notarized, .. } => *notarized != block,
                    Statement::Nullify { .. } | Statement::Finalize { .. } => false,
                };
                if let Some(other) = stated.notarize.filter(other) {
                    return Some(format!("{other:?}"));
                }
                let later = self.stated.range((voter, view)..=(voter, View(u64::MAX)));
                let mut nullified = later.filter_map(|((_, of), it)| Some((*of, it.nullify?)));
                let broken = nullified.find(|(_, highest)| *highest < view);
                broken.map(|(of, highest)| format!("nullifies {of} down to {highest}"))
            }
            Statement::Nullify { highest, .. } => {
                if let Some(other) = stated.nullify {
                    return Some(format!("nullifies it down to {other}"));
                }
                stated.nullify = Some(highest);
                let mut range = self.stated.range((voter, highest.next())..=(voter, view));
                let broken = range.find(|(_, it)| it.finalize.is_some());
                broken.map(|((_, of), _)| format!("finalizes view {of}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::time::BlockTime;
    use bitcraps_protocol::wire::Hash;

    use super::*;

    const A: BlockHash = Hash([1; 32]);
    const B: BlockHash = Hash([2; 32]);

    fn notarize(view: u64, block: BlockHash) -> Statement {
        Statement::Notarize { view: View(view), block, time: BlockTime(0) }
    }

    fn nullify(view: u64, highest: u64) -> Statement {
        Statement::Nullify { view: View(view), highest: View(highest) }
    }

    fn finalize(view: u64, block: BlockHash) -> Statement {
        Statement::Finalize { view: View(view), block }
    }

    fn verdicts(statements: &[Statement]) -> Vec<Option<Check>> {
        let mut votes = Votes::default();
        let signature = Signature([0; 64]);
        let verdict = |statement: &Statement| {
            let vote = Vote { voter: ValidatorIndex(3), statement: *statement, signature };
            votes.durable(vote);
            if votes.is_known(&vote) {
                return None;
            }
            votes.seen(&vote, true).err().map(|(check, _)| check)
        };
        statements.iter().map(verdict).collect()
    }

    #[test]
    fn every_contradiction_is_seen_in_both_orders() {
        let bad = Some(Check::VoteDiscipline);
        for (one, other, expected) in [
            (notarize(3, A), notarize(3, B), bad),
            (notarize(3, A), notarize(4, B), None),
            (notarize(3, A), finalize(3, B), bad),
            (notarize(3, A), finalize(3, A), None),
            (notarize(3, A), nullify(3, 2), None),
            (finalize(3, A), finalize(3, B), bad),
            (nullify(3, 1), nullify(3, 2), bad),
            (nullify(5, 2), finalize(3, A), bad),
            (nullify(5, 2), finalize(5, A), bad),
            (nullify(5, 3), finalize(3, A), None),
            (nullify(5, 2), finalize(6, A), None),
        ] {
            assert_eq!(verdicts(&[one, other]), [None, expected], "{one:?} {other:?}");
            assert_eq!(verdicts(&[other, one]), [None, expected], "{other:?} {one:?}");
            assert_eq!(verdicts(&[one, one]), [None, None]);
        }
    }

    #[test]
    fn a_vote_that_was_never_durable_should_not_be_anywhere() {
        let mut votes = Votes::default();
        let (voter, signature) = (ValidatorIndex(0), Signature([0; 64]));
        let vote = Vote { voter, statement: nullify(1, 0), signature };
        let verdict = votes.seen(&vote, true);
        assert_eq!(verdict.err().map(|(check, _)| check), Some(Check::Durability));
        assert_eq!(Votes::default().seen(&vote, false), Ok(()));
    }
}
