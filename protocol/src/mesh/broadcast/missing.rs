//! Messages that others have announced and that have not come.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use super::message::MessageId;
use crate::event::LinkId;
use crate::time::Time;

/// Links remembered as having one message.
const HOLDERS: usize = 8;

/// Messages of which one link was the first to announce them; a flood of inventions ends here.
const FIRST_ANNOUNCED: u16 = 512;

/// How long a message may be late, at first and at least, before it is asked for. Above the time
/// that one more hop and the pause between announcements take.
const PATIENCE: Duration = Duration::from_millis(150);
/// The longest patience with a congested tree. Where air is full, every message waits for seconds at
/// every hop, and all that is asked for comes twice.
const MOST_PATIENCE: Duration = Duration::from_secs(10);
/// How long whoever was asked may take at least before the next one is: as long as a message may
/// be late. Where air is scarce, asking sooner brings the same message several times.
const ANSWER: Duration = Duration::from_millis(300);

/// Bytes of one that is awaited.
const WANTED_BYTES: usize =
    size_of::<(MessageId, Wanted, Time, MessageId)>() + HOLDERS * size_of::<LinkId>();
/// Bytes that one link can make this node remember of what it announces.
pub(in crate::mesh) const ANNOUNCED_BYTES: usize = FIRST_ANNOUNCED as usize * WANTED_BYTES;

/// What is awaited, at most [`FIRST_ANNOUNCED`] messages for each link.
#[derive(Debug)]
pub(super) struct Missing {
    messages: BTreeMap<MessageId, Wanted>,
    due: BTreeSet<(Time, MessageId)>,
    /// Of how many each link was the first announcer.
    first: BTreeMap<LinkId, u16>,
    /// How late what the tree brought has been, smoothed.
    lateness: Duration,
}

#[derive(Debug)]
struct Wanted {
    first: LinkId,
    announced: Time,
    due: Time,
    holders: VecDeque<LinkId>,
    /// Whom it was asked of last.
    asked: Option<LinkId>,
}

/// What was known of a message that has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Who else has it.
    pub(super) holders: Vec<LinkId>,
    /// Whom it was asked of last.
    pub(super) asked: Option<LinkId>,
}

impl Missing {
    pub(super) const fn new() -> Self {
        Self {
            messages: BTreeMap::new(),
            due: BTreeSet::new(),
            first: BTreeMap::new(),
            lateness: Duration::ZERO,
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.messages.len() * WANTED_BYTES
    }

    /// How late the tree has been lately.
    pub(super) const fn lateness(&self) -> Duration {
        self.lateness
    }

    /// How long a message may be late now.
    fn patience(&self) -> Duration {
        (self.lateness * 2).clamp(PATIENCE, MOST_PATIENCE)
    }

    /// Somebody has a message that is not here.
    pub(super) fn announced(&mut self, now: Time, link: LinkId, id: MessageId) {
        if let Some(wanted) = self.messages.get_mut(&id) {
            if wanted.holders.len() < HOLDERS && !wanted.holders.contains(&link) {
                wanted.holders.push_back(link);
            }
            return;
        }
        let count = self.first.entry(link).or_default();
        if *count >= FIRST_ANNOUNCED {
            return;
        }
        *count += 1;
        let due = now + self.patience();
        self.due.insert((due, id));
        let holders = VecDeque::from([link]);
        let wanted = Wanted { first: link, announced: now, due, holders, asked: None };
        self.messages.insert(id, wanted);
    }

    /// A message has come over a link. If that is not where it was asked for last, the tree has
    /// brought it, however late: to count only what came before it was asked for would be to ask
    /// too soon for ever.
    pub(super) fn arrived(&mut self, now: Time, link: LinkId, id: MessageId) -> Arrival {
        let Some(wanted) = self.remove(id) else { return Arrival::default() };
        if wanted.asked != Some(link) {
            self.lateness = (self.lateness * 7 + now.since(wanted.announced)) / 8;
        }
        Arrival { holders: wanted.holders.into(), asked: wanted.asked }
    }

    /// Whom to ask for what now. What nobody is left to be asked for is forgotten until it is
    /// announced again.
    pub(super) fn overdue(&mut self, now: Time) -> BTreeMap<LinkId, Vec<MessageId>> {
        let patience = self.patience();
        let mut questions: BTreeMap<LinkId, Vec<MessageId>> = BTreeMap::new();
        while let Some(&(due, id)) = self.due.first()
            && due <= now
        {
            let Some(wanted) = self.messages.get_mut(&id) else { break };
            let Some(holder) = wanted.holders.pop_front() else {
                self.remove(id);
                continue;
            };
            wanted.asked = Some(holder);
            let next = now + ANSWER.max(patience);
            let due = mem::replace(&mut wanted.due, next);
            self.due.remove(&(due, id));
            self.due.insert((next, id));
            questions.entry(holder).or_default().push(id);
        }
        questions
    }

    /// A link is gone.
    pub(super) fn link_down(&mut self, link: LinkId) {
        self.first.remove(&link);
        for wanted in self.messages.values_mut() {
            wanted.holders.retain(|holder| *holder != link);
        }
    }

    fn remove(&mut self, id: MessageId) -> Option<Wanted> {
        let wanted = self.messages.remove(&id)?;
        self.due.remove(&(wanted.due, id));
        if let Some(count) = self.first.get_mut(&wanted.first) {
            *count = count.saturating_sub(1);
        }
        Some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::mesh::Attempt;

    fn id(number: u64) -> MessageId {
        MessageId::of(Attempt(0), &number.to_le_bytes())
    }

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1000)
    }

    #[test]
    fn every_holder_is_asked_in_turn_and_then_the_message_is_given_up() {
        let mut missing = Missing::new();
        missing.announced(at(0), LinkId(1), id(0));
        missing.announced(at(10), LinkId(2), id(0));
        missing.announced(at(10), LinkId(2), id(0));
        assert_eq!(missing.overdue(at(149)), BTreeMap::new());
        assert_eq!(missing.deadline(), Some(at(150)));
        assert_eq!(missing.overdue(at(150)), BTreeMap::from([(LinkId(1), vec![id(0)])]));
        assert_eq!(missing.deadline(), Some(at(450)));
        assert_eq!(missing.overdue(at(450)), BTreeMap::from([(LinkId(2), vec![id(0)])]));
        assert_eq!(missing.overdue(at(750)), BTreeMap::new());
        assert_eq!(missing.deadline(), None);
        assert!(missing.messages.is_empty() && missing.due.is_empty());
    }

    #[test]
    fn one_link_cannot_fill_it_and_what_others_announce_counts_all_the_same() {
        let mut missing = Missing::new();
        (0..10_000).for_each(|number| missing.announced(at(0), LinkId(1), id(number)));
        assert_eq!(missing.messages.len(), usize::from(FIRST_ANNOUNCED));
        missing.announced(at(0), LinkId(2), id(20_000));
        assert_eq!(missing.messages.len(), usize::from(FIRST_ANNOUNCED) + 1);
        missing.link_down(LinkId(1));
        let questions = missing.overdue(at(1000));
        assert_eq!(questions, BTreeMap::from([(LinkId(2), vec![id(20_000)])]));
        assert_eq!(missing.messages.len(), 1);
    }

    #[test]
    fn a_slow_tree_is_given_more_time() {
        let mut missing = Missing::new();
        for number in 0..100 {
            missing.announced(at(number * 1000), LinkId(1), id(number));
            let arrival = missing.arrived(at(number * 1000 + 140), LinkId(2), id(number));
            assert_eq!(arrival, Arrival { holders: vec![LinkId(1)], asked: None });
        }
        missing.announced(at(200_000), LinkId(1), id(1000));
        let due = missing.deadline().unwrap();
        assert!(at(200_250) < due && due <= at(200_280), "{due:?}");

        // It becomes slower, so that everything is asked for before it comes.
        for number in 0..100 {
            let start = 300_000 + number * 5_000;
            let id = id(2_000 + number);
            missing.announced(at(start), LinkId(1), id);
            missing.overdue(at(start + 800));
            missing.arrived(at(start + 800), LinkId(2), id);
        }
        missing.announced(at(900_000), LinkId(1), id(3_000));
        assert!(missing.deadline().unwrap() > at(901_500));
        // What is asked for says nothing of the tree.
        for number in 0..100 {
            let start = 1_000_000 + number * 5_000;
            let id = id(4_000 + number);
            missing.announced(at(start), LinkId(1), id);
            missing.overdue(at(start + 4_000));
            missing.arrived(at(start + 4_900), LinkId(1), id);
        }
        missing.announced(at(2_000_000), LinkId(1), id(5_000));
        assert!(missing.deadline().unwrap() <= at(2_001_600));
    }
}
