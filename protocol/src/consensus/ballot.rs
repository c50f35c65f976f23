//! What this validator has voted: everything that could forbid it a later vote. The rules S1 to S3
//! of an honest validator are asked here and nowhere else.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Statement, Vote};
use crate::block::{BlockHash, View};
use crate::hooks::{Flaw, Hooks};

/// One validator's own votes.
#[derive(Debug, Default)]
pub(super) struct Ballot {
    cast: Cast,
    hooks: Hooks,
}

/// What a ballot remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cast {
    notarized: Option<(View, BlockHash)>,
    nullified: Option<(View, View)>,
    finalized: Option<(View, BlockHash)>,
    /// Ranges `(h, v]` in which a nullify promised never to finalize, by h. Overlapping promises
    /// of one h are one range, so there are at most as many as notarized views.
    promises: BTreeMap<View, View>,
}

impl Ballot {
    /// A ballot without a vote.
    pub(super) fn new(hooks: Hooks) -> Self {
        Self { hooks, ..Self::default() }
    }

    /// Whether S1 allows `notarize(view, ·)`: not twice, not after nullify or finalize of it or
    /// anything later.
    pub(super) fn may_notarize(&self, view: View) -> bool {
        self.cast.notarized.is_none_or(|(last, _)| last < view)
            && self.cast.nullified.is_none_or(|(last, _)| last < view)
            && self.cast.finalized.is_none_or(|(last, _)| last < view)
    }

    /// Whether S1 and S2 allow `nullify(view, highest)`: not twice, and nothing in its range was
    /// finalized.
    pub(super) fn may_nullify(&self, view: View, highest: View) -> bool {
        self.cast.nullified.is_none_or(|(last, _)| last < view)
            && self.cast.notarized.is_none_or(|(last, _)| last <= view)
            && (self.cast.finalized.is_none_or(|(last, _)| last <= highest)
                || self.hooks.has(Flaw::NullifyAfterFinalize))
            && highest < view
    }

    /// Whether S1 and S3 allow `finalize(view, block)`: not twice, against no promise, and not after
    /// notarizing another block of that view.
    pub(super) fn may_finalize(&self, view: View, block: BlockHash) -> bool {
        let promised_not_to = self.cast.promises.range(..view).any(|(_, last)| view <= *last);
        let other = self.cast.notarized.is_some_and(|(of, voted)| of == view && voted != block)
            && !self.hooks.has(Flaw::FinalizeOther);
        self.cast.finalized.is_none_or(|(last, _)| last < view) && !promised_not_to && !other
    }

    /// Remembers a vote of one's own.
    pub(super) fn record(&mut self, vote: &Vote) {
        match vote.statement {
            Statement::Notarize { view, block, .. } => self.cast.notarized = Some((view, block)),
            Statement::Nullify { view, highest } => {
                self.cast.nullified = Some((view, highest));
                if self.hooks.has(Flaw::PromiseForgotten) {
                    return;
                }
                if self.hooks.has(Flaw::PromiseReplaced) {
                    self.cast.promises.clear();
                }
                let last = self.cast.promises.entry(highest).or_insert(view);
                *last = view.max(*last);
            }
            Statement::Finalize { view, block } => self.cast.finalized = Some((view, block)),
        }
    }

    /// Goes on with what an earlier process remembered.
    pub(super) fn resume(&mut self, cast: Cast) {
        self.cast = cast;
    }

    /// What this ballot remembers.
    pub(super) const fn cast(&self) -> &Cast {
        &self.cast
    }

    /// Forgets promises about views that a final block has settled.
    pub(super) fn settle(&mut self, finalized: View) {
        self.cast.promises.retain(|_, last| *last > finalized);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::ValidatorIndex;
    use crate::identity::Signature;
    use crate::time::BlockTime;
    use crate::wire::Hash;

    const X: BlockHash = Hash([1; 32]);
    const Y: BlockHash = Hash([2; 32]);

    fn ballot(statements: &[Statement]) -> Ballot {
        let mut ballot = Ballot::default();
        for statement in statements {
            let signature = Signature([0; 64]);
            ballot.record(&Vote { voter: ValidatorIndex(0), statement: *statement, signature });
        }
        ballot
    }

    #[test]
    fn a_nullify_forbids_finalizing_its_whole_range() {
        let ballot = ballot(&[Statement::Nullify { view: View(9), highest: View(4) }]);
        assert!(ballot.may_finalize(View(4), X));
        assert!((5..=9).all(|view| !ballot.may_finalize(View(view), X)));
        assert!(ballot.may_finalize(View(10), X));
    }

    #[test]
    fn a_later_nullify_does_not_replace_an_earlier_promise() {
        let ballot = ballot(&[
            Statement::Nullify { view: View(5), highest: View(2) },
            Statement::Nullify { view: View(9), highest: View(8) },
        ]);
        assert!(!ballot.may_finalize(View(4), X));
        assert!(ballot.may_finalize(View(8), X));
        assert!(!ballot.may_finalize(View(9), X));
    }

    #[test]
    fn nothing_is_nullified_over_a_finalize() {
        let ballot = ballot(&[Statement::Finalize { view: View(5), block: X }]);
        assert!(!ballot.may_nullify(View(6), View(4)));
        assert!(ballot.may_nullify(View(6), View(5)));
        assert!(!ballot.may_finalize(View(5), Y));
    }

    #[test]
    fn one_notarize_a_view_and_none_after_a_nullify() {
        let time = BlockTime(0);
        let voted = ballot(&[Statement::Notarize { view: View(3), block: X, time }]);
        assert!(!voted.may_notarize(View(3)));
        assert!(voted.may_notarize(View(4)));
        assert!(voted.may_nullify(View(3), View(2)));
        assert!(!voted.may_finalize(View(3), Y));
        let gone = ballot(&[Statement::Nullify { view: View(3), highest: View(1) }]);
        assert!(!gone.may_notarize(View(3)));
        assert!(!gone.may_nullify(View(3), View(2)));
    }
}
