//! One chain: one block for each height over all sound nodes, for ever and across restarts; each
//! block on the one before; nothing final that a quorum promised never to finalize.

use std::collections::BTreeSet;

use bitcraps_protocol::block::{BlockHash, Header, Height, View};
use bitcraps_protocol::identity::NetworkId;

use super::{Check, Known, Verdict};

/// The chain as all sound nodes together tell it.
#[derive(Debug)]
pub(super) struct Agreement {
    blocks: Known<Height, (View, BlockHash)>,
    /// The newest final height of each place.
    newest: Vec<Height>,
    /// Places that have just gone on from their disk, and said nothing yet.
    resumed: BTreeSet<usize>,
    /// Places that went on from a height without the blocks before it, and have not written down
    /// yet that they fetched its state.
    leaps: Known<usize, (Height, Height)>,
    /// Views with a finalization of their own.
    certified: Known<View, BlockHash>,
    /// Nullified views, and the highest notarization their voters held.
    nullified: Known<View, View>,
}

impl Agreement {
    pub(super) fn new(network: NetworkId, places: usize) -> Self {
        Self {
            blocks: [(Height(0), (View(0), network))].into(),
            newest: vec![Height(0); places],
            resumed: BTreeSet::new(),
            leaps: Known::new(),
            certified: Known::new(),
            nullified: Known::new(),
        }
    }

    /// A place says that a block is final; each says so in the order of heights, and of all of them
    /// unless it fetches a state. A validator alone may find while it starts that the votes in its
    /// journal make blocks final, which are its newest then, and says so of them first.
    pub(super) fn finalized(
        &mut self,
        place: usize,
        height: Height,
        view: View,
        hash: BlockHash,
    ) -> Verdict {
        let newest = core::mem::replace(&mut self.newest[place], height);
        let begins = self.resumed.remove(&place);
        if height <= newest && !begins {
            return Err(out_of_order(height, newest));
        }
        if height > newest.next() {
            self.leaps.insert(place, (newest, height));
        }
        self.agree(height, view, hash)
    }

    /// A place begins to write the state after the block of this height, which it fetched.
    pub(super) fn fetched(&mut self, place: usize, height: Height) {
        if self.leaps.get(&place).is_some_and(|(_, to)| *to == height) {
            self.leaps.remove(&place);
        }
    }

    /// A place has done all that an event led to.
    pub(super) fn came_to_rest(&mut self, place: usize) -> Verdict {
        self.resumed.remove(&place);
        self.leaps.get(&place).map_or(Ok(()), |(from, to)| Err(out_of_order(*to, *from)))
    }

    /// A place goes on from this height: some of what it said may not have been durable.
    pub(super) fn restarted(&mut self, place: usize, height: Height) {
        self.newest[place] = height;
        self.resumed.insert(place);
        self.leaps.remove(&place);
    }

    /// A place writes a final block down.
    pub(super) fn decided(&mut self, header: &Header) -> Verdict {
        self.agree(header.height, header.view, header.hash())?;
        let before = Height(header.height.0.saturating_sub(1));
        let Some((view, hash)) = self.blocks.get(&before).copied() else { return Ok(()) };
        if header.parent.hash != hash {
            let message =
                format!("the block of height {} does not stand on {before}", header.height);
            return Err((Check::Linkage, message));
        }
        if header.view <= view || header.parent.view != view {
            let message = format!("view {} follows view {view} on the chain", header.view);
            return Err((Check::Linkage, message));
        }
        Ok(())
    }

    /// A quorum finalized a block itself.
    pub(super) fn certified(&mut self, view: View, block: BlockHash) -> Verdict {
        let known = *self.certified.entry(view).or_insert(block);
        if known != block {
            return Err((Check::Agreement, format!("two blocks are finalized in view {view}")));
        }
        match self.nullified.range(view..).find(|(_, highest)| **highest < view) {
            Some((nullified, highest)) => Err(broken_promise(view, *nullified, *highest)),
            None => Ok(()),
        }
    }

    /// A quorum nullified a view and promised to finalize nothing above `highest` up to it.
    pub(super) fn nullified(&mut self, view: View, highest: View) -> Verdict {
        let known = self.nullified.entry(view).or_insert(highest);
        *known = highest.min(*known);
        match self.certified.range(highest.next()..=view).next() {
            Some((certified, _)) => Err(broken_promise(*certified, view, highest)),
            None => Ok(()),
        }
    }

    fn agree(&mut self, height: Height, view: View, hash: BlockHash) -> Verdict {
        let known = *self.blocks.entry(height).or_insert((view, hash));
        if known != (view, hash) {
            let message = format!(
                "two blocks of height {height}: {} of view {} and {} of view {view}",
                known.1.short(),
                known.0,
                hash.short()
            );
            return Err((Check::Agreement, message));
        }
        Ok(())
    }
}

fn out_of_order(height: Height, after: Height) -> (Check, String) {
    (Check::Linkage, format!("height {height} is final after {after}"))
}

fn broken_promise(certified: View, nullified: View, highest: View) -> (Check, String) {
    let message = format!(
        "view {certified} is finalized, and view {nullified} is nullified down to {highest}"
    );
    (Check::Linkage, message)
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::block::Parent;
    use bitcraps_protocol::identity::Epoch;
    use bitcraps_protocol::time::BlockTime;
    use bitcraps_protocol::wire::Hash;

    use super::*;

    const A: BlockHash = Hash([1; 32]);
    const B: BlockHash = Hash([2; 32]);

    fn agreement() -> Agreement {
        Agreement::new(Hash([9; 32]), 2)
    }

    fn check(verdict: Verdict) -> Option<Check> {
        verdict.err().map(|(check, _)| check)
    }

    #[test]
    fn two_nodes_with_two_blocks_of_one_height_disagree() {
        let mut agreement = agreement();
        assert_eq!(check(agreement.finalized(0, Height(1), View(1), A)), None);
        assert_eq!(check(agreement.finalized(1, Height(1), View(1), A)), None);
        assert_eq!(check(agreement.finalized(0, Height(2), View(2), A)), None);
        assert_eq!(check(agreement.finalized(1, Height(2), View(2), B)), Some(Check::Agreement));
    }

    #[test]
    fn a_node_that_forgot_a_block_in_a_crash_may_not_finalize_another() {
        let mut agreement = agreement();
        assert_eq!(check(agreement.finalized(0, Height(1), View(1), A)), None);
        agreement.restarted(0, Height(0));
        assert_eq!(check(agreement.finalized(0, Height(1), View(3), B)), Some(Check::Agreement));
    }

    #[test]
    fn only_a_node_that_starts_may_say_its_newest_block_again() {
        let mut agreement = agreement();
        assert_eq!(check(agreement.finalized(0, Height(1), View(1), A)), None);
        agreement.restarted(0, Height(1));
        assert_eq!(check(agreement.finalized(0, Height(1), View(1), A)), None);
        assert_eq!(check(agreement.finalized(0, Height(1), View(1), A)), Some(Check::Linkage));
        agreement.restarted(0, Height(1));
        assert_eq!(check(agreement.came_to_rest(0)), None);
        assert_eq!(check(agreement.finalized(0, Height(1), View(1), A)), Some(Check::Linkage));
        agreement.restarted(0, Height(1));
        assert_eq!(check(agreement.finalized(0, Height(2), View(2), A)), None);
        assert_eq!(check(agreement.finalized(0, Height(2), View(2), A)), Some(Check::Linkage));
    }

    #[test]
    fn heights_rise_and_none_is_skipped_but_by_who_fetches_a_state() {
        let mut agreement = agreement();
        assert_eq!(check(agreement.finalized(0, Height(2), View(2), A)), None);
        assert_eq!(check(agreement.came_to_rest(1)), None);
        assert_eq!(check(agreement.came_to_rest(0)), Some(Check::Linkage));
        agreement.fetched(0, Height(3));
        assert_eq!(check(agreement.came_to_rest(0)), Some(Check::Linkage), "another state");
        agreement.fetched(0, Height(2));
        assert_eq!(check(agreement.came_to_rest(0)), None);
        assert_eq!(check(agreement.finalized(0, Height(2), View(2), A)), Some(Check::Linkage));
    }

    #[test]
    fn a_block_stands_on_the_one_before_and_in_a_later_view() {
        let header = |view: u64, parent: Parent| Header {
            network: Hash([9; 32]),
            epoch: Epoch(0),
            view: View(view),
            height: Height(1),
            parent,
            time: BlockTime(0),
            body: Hash::default(),
            commitments: Default::default(),
            justification: Hash::default(),
        };
        let genesis = Parent { view: View(0), hash: Hash([9; 32]) };
        assert_eq!(check(agreement().decided(&header(3, genesis))), None);
        let stranger = Parent { view: View(0), hash: A };
        assert_eq!(check(agreement().decided(&header(3, stranger))), Some(Check::Linkage));
        assert_eq!(check(agreement().decided(&header(0, genesis))), Some(Check::Linkage));
    }

    #[test]
    fn nothing_is_finalized_inside_a_nullified_range_in_either_order() {
        let mut agreement = agreement();
        assert_eq!(check(agreement.nullified(View(9), View(4))), None);
        assert_eq!(check(agreement.certified(View(4), A)), None);
        assert_eq!(check(agreement.certified(View(10), A)), None);
        assert_eq!(check(agreement.certified(View(5), A)), Some(Check::Linkage));
        assert_eq!(check(agreement.nullified(View(12), View(9))), Some(Check::Linkage));
        assert_eq!(check(agreement.certified(View(4), B)), Some(Check::Agreement));
    }
}
