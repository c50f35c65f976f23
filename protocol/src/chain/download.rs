//! Fetching a whole state from several neighbours at once. Every part is checked by itself against
//! a state root that a quorum has certified, so it does not matter who gives it; whoever gives a
//! wrong one is reported and asked nothing more, and another one is asked in its place.
//!
//! Knows nothing of certificates: it is told only of offers that were verified.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::snapshot::{Assembly, Part, PartId};
use super::state::State;
use crate::block::{BlockHash, Height};
use crate::event::LinkId;
use crate::time::Time;
use crate::wire::Hash;

/// The depth of the parts that are asked for first: 64 of them.
const DEPTH: u8 = 6;

/// Parts asked of one neighbour at one time, so that it is never idle.
const ASKED_AT_ONCE: usize = 2;

/// A state that somebody has, behind a certified block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The block after which it is.
    pub block: BlockHash,
    /// That block's height.
    pub height: Height,
    /// The state root in its header.
    pub root: Hash,
}

/// What a neighbour says when asked for a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// This.
    Part(Part),
    /// It is too large: ask for its halves.
    Split(PartId),
    /// It does not have that state any more.
    Gone,
}

/// A state on its way here.
#[derive(Debug)]
pub(crate) struct Download {
    patience: Duration,
    /// Who has what. Bounded by the number of links.
    sources: BTreeMap<LinkId, Offer>,
    /// Who gave something wrong. Bounded by the number of links.
    liars: BTreeSet<LinkId>,
    target: Option<(Offer, Assembly)>,
    asked: BTreeMap<PartId, (LinkId, Time)>,
    outputs: VecDeque<Output>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A neighbour has a state; the offer was verified.
    Offered { link: LinkId, offer: Offer },
    /// A neighbour answered.
    Answered { link: LinkId, block: BlockHash, answer: Answer },
    /// A neighbour is gone.
    LinkDown { link: LinkId },
    /// The deadline has passed.
    Tick,
}

/// Something to do.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// Ask a neighbour for a part.
    Ask { link: LinkId, block: BlockHash, part: PartId },
    /// A neighbour gave what cannot be.
    Blame { link: LinkId },
    /// The state is here.
    Complete { offer: Offer, state: State },
}

impl Download {
    /// A download that gives each neighbour so long to answer.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            sources: BTreeMap::new(),
            liars: BTreeSet::new(),
            target: None,
            asked: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`.
    pub(crate) fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Offered { link, offer } => {
                if !self.liars.contains(&link) {
                    self.sources.insert(link, offer);
                }
            }
            Input::Answered { link, block, answer } => self.on_answer(link, block, answer),
            Input::LinkDown { link } => {
                self.liars.remove(&link);
                self.let_go(link);
            }
            Input::Tick => {}
        }
        let late = self.asked.values().filter(|(_, expires)| *expires <= now);
        let late: BTreeSet<LinkId> = late.map(|(link, _)| *link).collect();
        for link in late {
            self.let_go(link);
        }
        self.choose_target();
        self.ask(now);
        self.complete();
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When somebody has taken too long.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.asked.values().map(|(_, expires)| *expires).min()
    }

    /// Whether somebody has taken too long by now.
    pub(crate) fn deadline_passed(&self, now: Time) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether anybody is known who has a state.
    pub(crate) fn has_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    fn on_answer(&mut self, link: LinkId, block: BlockHash, answer: Answer) {
        let Some((offer, assembly)) = &mut self.target else { return };
        if offer.block != block {
            // Of a state that was given up since.
            return;
        }
        let id = match &answer {
            Answer::Part(part) => part.id(),
            Answer::Split(id) => *id,
            Answer::Gone => return self.let_go(link),
        };
        if self.asked.get(&id).is_none_or(|(asked, _)| *asked != link) {
            // Not asked, or so long ago that another one was asked since.
            return;
        }
        self.asked.remove(&id);
        let taken = match answer {
            Answer::Part(part) => assembly.add(part),
            Answer::Split(id) => assembly.split(id),
            Answer::Gone => return,
        };
        if taken.is_err() {
            self.liars.insert(link);
            self.let_go(link);
            self.outputs.push_back(Output::Blame { link });
        }
    }

    /// Asks a neighbour nothing more; what it was asked for is asked of others.
    fn let_go(&mut self, link: LinkId) {
        self.sources.remove(&link);
        self.asked.retain(|_, (asked, _)| *asked != link);
    }

    /// Sticks to the state that is being fetched while anybody has it, else takes the newest.
    fn choose_target(&mut self) {
        let is_offered = |block| self.sources.values().any(|offer| offer.block == block);
        if self.target.as_ref().is_some_and(|(offer, _)| is_offered(offer.block)) {
            return;
        }
        let newest = self.sources.values().max_by_key(|offer| offer.height).copied();
        if let Some(offer) = newest {
            self.asked.clear();
            self.target = Some((offer, Assembly::new(offer.root, DEPTH)));
        }
    }

    /// Asks every source for as much as it may be asked for.
    fn ask(&mut self, now: Time) {
        let Some((target, assembly)) = &self.target else { return };
        let mut open = assembly.missing().filter(|part| !self.asked.contains_key(part));
        let mut asking = BTreeMap::new();
        let holders = self.sources.iter().filter(|(_, offer)| offer.block == target.block);
        for (link, _) in holders {
            let busy = self.asked.values().filter(|(asked, _)| asked == link).count();
            for part in open.by_ref().take(ASKED_AT_ONCE.saturating_sub(busy)) {
                asking.insert(part, (*link, now + self.patience));
                let (link, block) = (*link, target.block);
                self.outputs.push_back(Output::Ask { link, block, part });
            }
        }
        drop(open);
        self.asked.extend(asking);
    }

    fn complete(&mut self) {
        let is_whole = |(_, assembly): &mut (Offer, Assembly)| assembly.missing().next().is_none();
        let Some((offer, assembly)) = self.target.take_if(is_whole) else { return };
        self.sources.clear();
        if let Some(state) = assembly.finish() {
            self.outputs.push_back(Output::Complete { offer, state });
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::chain::tests::wide_state;

    const PATIENCE: Duration = Duration::from_secs(1);
    const BLOCK: BlockHash = Hash([8; 32]);

    fn offer(state: &State) -> Offer {
        Offer { block: BLOCK, height: Height(9), root: state.root() }
    }

    fn drain(download: &mut Download) -> Vec<Output> {
        core::iter::from_fn(|| download.poll()).collect()
    }

    /// Answers everything: `honest` links rightly, others with a part that lacks an entry.
    fn run(download: &mut Download, state: &State, honest: &[u64], bytes: usize) -> Outcome {
        let mut outcome = Outcome::default();
        let mut now = Time::ZERO;
        loop {
            let outputs = drain(download);
            if outputs.is_empty() {
                let Some(deadline) = download.deadline() else { return outcome };
                now = deadline;
                download.handle(now, Input::Tick);
            }
            for output in outputs {
                match output {
                    Output::Ask { link, block, part } => {
                        *outcome.asked.entry(link).or_default() += 1_u32;
                        let right = state.part(part, bytes);
                        let answer = match (right, honest.contains(&link.0)) {
                            (Some(right), true) => Answer::Part(right),
                            (Some(_), false) => {
                                Answer::Part(wide_state(7).part(part, 1 << 20).unwrap())
                            }
                            (None, _) => Answer::Split(part),
                        };
                        download.handle(now, Input::Answered { link, block, answer });
                    }
                    Output::Blame { link } => outcome.blamed.push(link),
                    Output::Complete { state, .. } => outcome.root = Some(state.root()),
                }
            }
        }
    }

    #[derive(Debug, Default)]
    struct Outcome {
        asked: BTreeMap<LinkId, u32>,
        blamed: Vec<LinkId>,
        root: Option<Hash>,
    }

    #[test]
    fn several_neighbours_are_asked_at_once_and_a_liar_is_replaced() {
        let state = wide_state(500);
        let mut download = Download::new(PATIENCE);
        for link in 1..=3 {
            let input = Input::Offered { link: LinkId(link), offer: offer(&state) };
            download.handle(Time::ZERO, input);
        }
        let outcome = run(&mut download, &state, &[1, 3], 600);
        assert_eq!(outcome.root, Some(state.root()));
        assert_eq!(outcome.blamed, [LinkId(2)]);
        assert!(outcome.asked[&LinkId(1)] > 20 && outcome.asked[&LinkId(3)] > 20);
        assert!(outcome.asked[&LinkId(2)] <= ASKED_AT_ONCE as u32);
    }

    #[test]
    fn who_does_not_answer_or_is_gone_is_replaced() {
        let state = wide_state(50);
        let mut download = Download::new(PATIENCE);
        let input = Input::Offered { link: LinkId(1), offer: offer(&state) };
        download.handle(Time::ZERO, input);
        assert_eq!(drain(&mut download).len(), ASKED_AT_ONCE);
        download.handle(Time::ZERO + PATIENCE, Input::Tick);
        assert!(!download.has_sources());
        assert!(drain(&mut download).is_empty() && download.deadline().is_none());
        for link in [2, 3] {
            let input = Input::Offered { link: LinkId(link), offer: offer(&state) };
            download.handle(Time::ZERO + PATIENCE, input);
        }
        download.handle(Time::ZERO + PATIENCE, Input::LinkDown { link: LinkId(2) });
        let asked_2 = |output: &Output| matches!(output, Output::Ask { link: LinkId(2), .. });
        let outputs = drain(&mut download);
        assert!(outputs.iter().any(asked_2));
        for output in outputs {
            if let Output::Ask { link: link @ LinkId(3), block, part } = output {
                let answer = Answer::Part(state.part(part, 1 << 20).unwrap());
                download.handle(Time::ZERO + PATIENCE, Input::Answered { link, block, answer });
            }
        }
        let outcome = run(&mut download, &state, &[3], 1 << 20);
        assert_eq!(outcome.root, Some(state.root()));
        assert_eq!(outcome.blamed, []);
    }

    #[test]
    fn what_was_not_asked_changes_nothing() {
        let state = wide_state(5);
        let mut download = Download::new(PATIENCE);
        let link = LinkId(1);
        let part = state.part(PartId::all(DEPTH).next().unwrap(), 1 << 20).unwrap();
        let answer = |block| Input::Answered { link, block, answer: Answer::Part(part.clone()) };
        download.handle(Time::ZERO, answer(BLOCK));
        download.handle(Time::ZERO, Input::Offered { link: LinkId(2), offer: offer(&state) });
        download.handle(Time::ZERO, answer(BLOCK));
        download.handle(Time::ZERO, answer(Hash([1; 32])));
        let outputs = drain(&mut download);
        assert_eq!(outputs.len(), ASKED_AT_ONCE);
        assert!(outputs.iter().all(|it| matches!(it, Output::Ask { link: LinkId(2), .. })));
    }

    #[test]
    fn a_state_that_nobody_has_any_more_is_given_up_for_the_newest() {
        let (old, new) = (wide_state(5), wide_state(6));
        let mut download = Download::new(PATIENCE);
        download.handle(Time::ZERO, Input::Offered { link: LinkId(1), offer: offer(&old) });
        let newer = Offer { block: Hash([9; 32]), height: Height(10), root: new.root() };
        download.handle(Time::ZERO, Input::Offered { link: LinkId(2), offer: newer });
        let gone = Input::Answered { link: LinkId(1), block: BLOCK, answer: Answer::Gone };
        download.handle(Time::ZERO, gone);
        drop(drain(&mut download).drain(..ASKED_AT_ONCE));
        let mut again = Download::new(PATIENCE);
        again.handle(Time::ZERO, Input::Offered { link: LinkId(2), offer: newer });
        let outcome = run(&mut again, &new, &[2], 1 << 20);
        assert_eq!(outcome.root, Some(new.root()));
        assert_eq!(download.target.as_ref().map(|(offer, _)| offer.block), Some(newer.block));
    }
}
