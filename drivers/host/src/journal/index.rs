//! Where the blocks are: every one of them while there are few, every so many when there are more,
//! so that a long history costs no more memory than a short one. What lies between is found by
//! reading on from the block before it.

use std::collections::{BTreeMap, VecDeque};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Label, Position};

use super::Place;

/// Places that are remembered at most: some 3 MB.
const PLACES: usize = 65_536;

/// The places of all blocks whose heights are multiples of a stride.
#[derive(Debug)]
pub(super) struct Index {
    places: BTreeMap<Height, Place>,
    /// Where the bases are, by the height of the first block behind each. As many as segments.
    bases: BTreeMap<Height, Place>,
    stride: u64,
    most: usize,
    /// The first and last heights of blocks without a gap between. There is a gap where a node
    /// fetched a state instead of blocks. The oldest is forgotten when there are too many.
    runs: VecDeque<(Height, Height)>,
    /// The next block begins a run: what came last was the base of a state that was fetched.
    anew: Option<Height>,
}

/// Runs that are remembered at most.
const RUNS: usize = 1024;

impl Index {
    pub(super) fn new() -> Self {
        Self::with_room_for(PLACES)
    }

    fn with_room_for(most: usize) -> Self {
        Self {
            places: BTreeMap::new(),
            bases: BTreeMap::new(),
            stride: 1,
            most,
            runs: VecDeque::new(),
            anew: None,
        }
    }

    /// Remembers what a record's label says of the blocks.
    pub(super) fn note_record(&mut self, label: Label, place: Place) {
        match label {
            Label::Block(height) => self.note(height, place),
            Label::Base { height, follows } => self.note_base(height, follows, place),
            Label::Plain | Label::Whole(_) => {}
        }
    }

    /// Remembers where a block is, if its height is a multiple of the stride. When too many are
    /// remembered, every other one is forgotten.
    pub(super) fn note(&mut self, height: Height, place: Place) {
        self.extend_run(height);
        if !height.0.is_multiple_of(self.stride) {
            return;
        }
        self.places.insert(height, place);
        if self.places.len() > self.most {
            self.stride *= 2;
            let stride = self.stride;
            self.places.retain(|height, _| height.0.is_multiple_of(stride));
        }
    }

    /// Remembers where a base of this height is, and that all blocks since the last one are here
    /// if it `follows` its block.
    pub(super) fn note_base(&mut self, height: Height, follows: bool, place: Place) {
        match (follows, self.anew, self.runs.back_mut()) {
            (true, Some(first), _) if first <= height => {
                self.anew = None;
                self.begin_run(first, height);
            }
            (true, None, Some((_, last))) => *last = height.max(*last),
            (true, Some(_), _) => {}
            (true, None, None) | (false, _, _) => self.anew = Some(height.next()),
        }
        self.bases.insert(height.next(), place);
    }

    /// Where to begin to look for a block. `None` if there is no such block, or if only the
    /// journal's beginning lies before it.
    pub(super) fn before(&self, height: Height) -> Option<(Height, Place)> {
        let block = self.places.range(..=height).next_back();
        let base = self.bases.range(..=height).next_back();
        let nearest = block.into_iter().chain(base).max_by_key(|(height, _)| **height);
        nearest.map(|(height, place)| (*height, *place))
    }

    /// The newest base from which on at least so many of the newest blocks are kept.
    pub(super) fn base_below(&self, height: Height, keep: u64) -> Option<Place> {
        let most = Height(height.0.saturating_sub(keep));
        self.bases.range(..=most).next_back().map(|(_, place)| *place)
    }

    /// Forgets everything that was before `first`, where a base is.
    pub(super) fn forget_before(&mut self, first: Position) {
        self.places.retain(|_, place| place.segment >= first);
        self.bases.retain(|_, place| place.segment >= first);
        let Some((oldest, _)) = self.bases.first_key_value() else { return };
        let oldest = *oldest;
        self.runs.retain(|(_, last)| *last >= oldest);
        if let Some((begin, _)) = self.runs.front_mut() {
            *begin = oldest.max(*begin);
        }
    }

    /// The highest block that was noted.
    pub(super) fn newest(&self) -> Option<Height> {
        self.runs.back().map(|(_, last)| *last)
    }

    /// The first run that reaches `from`, without what comes before that.
    pub(super) fn run(&self, from: Height) -> Option<(Height, Height)> {
        let (first, last) = self.runs.iter().find(|(_, last)| *last >= from)?;
        Some((from.max(*first), *last))
    }

    fn extend_run(&mut self, height: Height) {
        let begins_anew = self.anew.take().is_some();
        match self.runs.back_mut() {
            Some((_, last)) if height <= *last => {}
            Some((_, last)) if !begins_anew && height == last.next() => *last = height,
            Some(_) | None => self.begin_run(height, height),
        }
    }

    fn begin_run(&mut self, first: Height, last: Height) {
        if self.runs.len() == RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back((first, last));
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::event::Position;

    use super::*;

    #[test]
    fn memory_is_bounded_and_every_block_lies_close_behind_a_known_one() {
        let mut index = Index::with_room_for(8);
        let place = |height| Place { segment: Position(0), offset: height };
        for height in 1..=1000 {
            index.note(Height(height), place(height));
            assert!(index.places.len() <= 8);
        }
        assert_eq!(index.newest(), Some(Height(1000)));
        assert_eq!(index.run(Height(0)), Some((Height(1), Height(1000))));
        index.note(Height(2000), place(2000));
        assert_eq!(index.run(Height(7)), Some((Height(7), Height(1000))));
        assert_eq!(index.run(Height(1001)), Some((Height(2000), Height(2000))));
        assert_eq!(index.run(Height(2001)), None);
        assert_eq!(index.stride, 128);
        for height in 128..=1000 {
            let known = height - height % 128;
            assert_eq!(index.before(Height(height)), Some((Height(known), place(known))));
        }
        assert_eq!(index.before(Height(127)), None);
    }
}
