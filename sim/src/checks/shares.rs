//! When shares of coins may leave: with one's own finalize vote (R1) or once the view's block is
//! final (R2). So nobody can know the dice before enough sound validators stand behind the bets.

use std::collections::BTreeSet;

use bitcraps_protocol::block::{BlockHash, View};
use bitcraps_protocol::chain::Genesis;
use bitcraps_protocol::consensus::{Statement, Vote};

use super::{Check, Known, Verdict};

/// All shares that sound validators gave away.
#[derive(Debug)]
pub(super) struct Shares {
    threshold: usize,
    faulty: usize,
    /// How many sound validators must have voted to finalize before a coin may be known: then no
    /// quorum is without one of them.
    behind: usize,
    finalize: Known<(View, usize), BlockHash>,
    settled: BTreeSet<(usize, View)>,
    /// Views whose block is final for somebody: then a quorum stands behind it, or behind one that
    /// stands on it.
    final_for_some: BTreeSet<View>,
    /// Nodes whose state is more than the blocks that they were seen to finalize lead to.
    heirs: BTreeSet<usize>,
    given: BTreeSet<(View, usize)>,
}

impl Shares {
    pub(super) fn new(genesis: &Genesis, faulty: &BTreeSet<usize>) -> Self {
        let tolerated = genesis.validators.len().saturating_sub(1) / 3;
        Self {
            threshold: usize::from(
                genesis
                    .dealt()
                    .map_or_else(|| genesis.dice_threshold(), |dealt| dealt.key.threshold),
            ),
            faulty: faulty.range(..genesis.validators.len()).count(),
            behind: tolerated + 1,
            finalize: Known::new(),
            settled: BTreeSet::new(),
            final_for_some: BTreeSet::new(),
            heirs: BTreeSet::new(),
            given: BTreeSet::new(),
        }
    }

    /// A sound validator's vote is durable.
    pub(super) fn promised(&mut self, vote: &Vote) {
        if let Statement::Finalize { view, block } = vote.statement {
            self.finalize.insert((view, usize::from(vote.voter.0)), block);
        }
    }

    /// A sound node says that the block of a view is final.
    pub(super) fn finalized(&mut self, place: usize, view: View) {
        self.settled.insert((place, view));
        self.final_for_some.insert(view);
    }

    /// A node has a state that it did not compute before the eyes of the checks: it fetched it, or
    /// starts from it.
    pub(super) fn inherits(&mut self, place: usize) {
        self.heirs.insert(place);
    }

    /// In a node's final state a roll waits for the coin of a view: if it inherited that state, the
    /// block of the view is final for it.
    pub(super) fn rolls_in_state(&mut self, place: usize, view: View) {
        if self.heirs.contains(&place) {
            self.settled.insert((place, view));
        }
    }

    /// A sound validator gives its share away, `with` its finalize vote for a block or by itself.
    pub(super) fn given(&mut self, place: usize, view: View, with: Option<BlockHash>) -> Verdict {
        let is_final = self.settled.contains(&(place, view));
        let voted = self.finalize.get(&(view, place)).copied();
        let allowed = match with {
            Some(block) => voted == Some(block),
            None => is_final || voted.is_some(),
        };
        if !allowed {
            let message = format!(
                "the share of view {view} leaves although its block is neither final nor voted for"
            );
            return Err((Check::Dice, message));
        }
        self.given.insert((view, place));
        let places = (view, 0)..=(view, usize::MAX);
        let known_to_some =
            self.given.range(places.clone()).count() + self.faulty >= self.threshold;
        let behind = self.finalize.range(places).count();
        let is_final_for_some = is_final || self.final_for_some.contains(&view);
        if known_to_some && !is_final_for_some && behind < self.behind {
            let message = format!(
                "the coin of view {view} can be known while only {behind} stand behind its block"
            );
            return Err((Check::Dice, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::block::ValidatorIndex;
    use bitcraps_protocol::identity::Signature;
    use bitcraps_protocol::wire::Hash;

    use super::*;

    const BLOCK: BlockHash = Hash([1; 32]);

    fn shares(threshold: usize) -> Shares {
        Shares {
            threshold,
            faulty: 1,
            behind: 2,
            finalize: Known::new(),
            settled: BTreeSet::new(),
            final_for_some: BTreeSet::new(),
            heirs: BTreeSet::new(),
            given: BTreeSet::new(),
        }
    }

    fn finalize(voter: u16) -> Vote {
        let statement = Statement::Finalize { view: View(5), block: BLOCK };
        Vote { voter: ValidatorIndex(voter), statement, signature: Signature([0; 64]) }
    }

    #[test]
    fn a_share_leaves_with_the_finalize_vote_for_its_block_or_after_finality() {
        let mut shares = shares(3);
        assert!(shares.given(0, View(5), None).is_err());
        shares.promised(&finalize(0));
        assert_eq!(shares.given(0, View(5), Some(BLOCK)), Ok(()));
        assert!(shares.given(0, View(5), Some(Hash([2; 32]))).is_err());
        assert_eq!(shares.given(0, View(5), None), Ok(()), "who asks may have it too");
        assert!(shares.given(1, View(5), None).is_err());
        shares.finalized(1, View(5));
        assert_eq!(shares.given(1, View(5), None), Ok(()));
        shares.rolls_in_state(2, View(5));
        assert!(shares.given(2, View(5), None).is_err(), "it computed that state by itself");
        shares.inherits(2);
        shares.rolls_in_state(2, View(5));
        assert_eq!(shares.given(2, View(5), None), Ok(()));
    }

    #[test]
    fn a_threshold_that_one_sound_share_reaches_is_too_low() {
        let mut low = shares(2);
        low.promised(&finalize(0));
        assert!(low.given(0, View(5), Some(BLOCK)).is_err());
        let mut right = shares(3);
        for voter in [0, 1] {
            right.promised(&finalize(voter));
            assert_eq!(right.given(usize::from(voter), View(5), Some(BLOCK)), Ok(()));
        }
    }

    #[test]
    fn a_coin_may_be_known_whose_block_is_final_by_a_descendant() {
        let mut shares = shares(2);
        shares.promised(&finalize(0));
        assert!(shares.given(0, View(5), Some(BLOCK)).is_err(), "one stands behind it");
        shares.finalized(1, View(5));
        assert_eq!(shares.given(0, View(5), Some(BLOCK)), Ok(()));
    }
}
