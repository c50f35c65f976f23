//! What waits to leave on one link, in order of urgency.

use alloc::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::broadcast::MessageId;

/// How many there are.
pub(super) const LANES: usize = 5;

/// How urgent a message is. A link sends nothing of a lane while an earlier one holds anything.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Lane {
    /// What keeps links and consensus going; never dropped.
    Control,
    /// Votes, certificates and proposals.
    Votes,
    /// Transactions on their way to a leader.
    Transactions,
    /// Old blocks for those who missed them.
    Sync,
    /// What people say to one another: it holds nothing else up.
    Talk,
}

impl Lane {
    const COUNT: usize = LANES;
    const ALL: [Self; Self::COUNT] =
        [Self::Control, Self::Votes, Self::Transactions, Self::Sync, Self::Talk];

    /// Whether it gives way: what is under way may hold up what is urgent, so that less of it is at
    /// one time.
    pub(super) const fn gives_way(self) -> bool {
        match self {
            Self::Control | Self::Votes => false,
            Self::Transactions | Self::Sync | Self::Talk => true,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Control => 0,
            Self::Votes => 1,
            Self::Transactions => 2,
            Self::Sync => 3,
            Self::Talk => 4,
        }
    }
}

/// A message's place in one of the series of which the upper layer says how far they have come, so
/// that what is past need not leave any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial {
    /// Which series.
    pub series: u8,
    /// The message's place in it.
    pub number: u64,
}

impl Serial {
    /// Whether it belongs to `series` and comes before `below`.
    pub(super) const fn is_before(self, series: u8, below: u64) -> bool {
        self.series == series && self.number < below
    }
}

/// The control lane is full: the other side has not been taking anything for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// What a waiting message counts for beside its bytes, so that many small ones are bounded too.
const MESSAGE_COST_BYTES: usize = 64;

/// An encoded packet that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) packet: Bytes,
    /// Which broadcast it is, if it is one.
    pub(super) id: Option<MessageId>,
    /// When it matters no more.
    pub(super) serial: Option<Serial>,
}

impl From<Bytes> for Waiting {
    fn from(packet: Bytes) -> Self {
        Self { packet, id: None, serial: None }
    }
}

/// One link's lanes, each at most `lane_bytes` or one message.
#[derive(Debug)]
pub(super) struct Lanes {
    lane_bytes: usize,
    lanes: [Queue; Lane::COUNT],
    /// Broadcasts that wait, and whether they still need to leave.
    broadcasts: BTreeMap<MessageId, bool>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Waiting>,
    bytes: usize,
}

impl Lanes {
    pub(super) fn new(lane_bytes: usize) -> Self {
        Self { lane_bytes, lanes: Default::default(), broadcasts: BTreeMap::new() }
    }

    /// Adds a message, at the cost of the lane's oldest ones if it is full. A broadcast that waits
    /// already is not added.
    pub(super) fn push(&mut self, lane: Lane, message: Waiting) -> Result<(), Overflow> {
        if let Some(id) = message.id
            && self.broadcasts.insert(id, true).is_some()
        {
            return Ok(());
        }
        let queue = &mut self.lanes[lane.index()];
        queue.push(message);
        while queue.bytes > self.lane_bytes && queue.messages.len() > 1 {
            match lane {
                Lane::Control => return Err(Overflow),
                Lane::Votes | Lane::Transactions | Lane::Sync | Lane::Talk => {
                    let victim = queue.pop().and_then(|victim| victim.id);
                    victim.map(|id| self.broadcasts.remove(&id));
                }
            }
        }
        Ok(())
    }

    /// Bytes that wait, and what their messages count for.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.lanes.iter().map(|queue| queue.bytes).sum()
    }

    /// The bytes of the message to leave next.
    pub(super) fn next_bytes(&mut self) -> Option<usize> {
        self.next().map(|(_, bytes)| bytes)
    }

    /// The lane of the message to leave next, and its bytes.
    pub(super) fn next(&mut self) -> Option<(Lane, usize)> {
        for (lane, queue) in Lane::ALL.into_iter().zip(&mut self.lanes) {
            while let Some(front) = queue.messages.front() {
                let needed = front.id.is_none_or(|id| self.broadcasts.get(&id) == Some(&true));
                if needed {
                    return Some((lane, front.packet.len()));
                }
                let idle = queue.pop().and_then(|idle| idle.id);
                idle.map(|id| self.broadcasts.remove(&id));
            }
        }
        None
    }

    /// Takes out the oldest message of the most urgent lane that holds any.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.next_bytes()?;
        let message = self.lanes.iter_mut().find_map(Queue::pop)?;
        message.id.map(|id| self.broadcasts.remove(&id));
        Some(message.packet)
    }

    /// A broadcast need not leave: the other side has it.
    pub(super) fn withdraw(&mut self, id: MessageId) {
        if let Some(needed) = self.broadcasts.get_mut(&id) {
            *needed = false;
        }
    }

    /// What belongs to a `series` before `below` need not leave.
    pub(super) fn pass(&mut self, series: u8, below: u64) {
        for message in self.lanes.iter().flat_map(|queue| &queue.messages) {
            if message.serial.is_some_and(|serial| serial.is_before(series, below))
                && let Some(id) = message.id
                && let Some(needed) = self.broadcasts.get_mut(&id)
            {
                *needed = false;
            }
        }
    }
}

impl Queue {
    fn push(&mut self, message: Waiting) {
        self.bytes += message.packet.len() + MESSAGE_COST_BYTES;
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Waiting> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.packet.len() + MESSAGE_COST_BYTES;
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn drain(lanes: &mut Lanes) -> Vec<Bytes> {
        core::iter::from_fn(|| lanes.pop()).collect()
    }

    #[test]
    fn urgent_lanes_go_first_and_each_keeps_its_order() {
        let mut lanes = Lanes::new(1000);
        for (lane, text) in [
            (Lane::Sync, "sync"),
            (Lane::Votes, "vote 1"),
            (Lane::Transactions, "transaction"),
            (Lane::Control, "control"),
            (Lane::Votes, "vote 2"),
        ] {
            lanes.push(lane, Bytes::from(text).into()).unwrap();
        }
        assert_eq!(lanes.next_bytes(), Some(7));
        assert_eq!(drain(&mut lanes), ["control", "vote 1", "vote 2", "transaction", "sync"]);
        assert_eq!(lanes.next_bytes(), None);
    }

    #[test]
    fn a_full_lane_drops_its_oldest_but_control_overflows() {
        let mut lanes = Lanes::new(3 * 164);
        for number in 0..10 {
            assert_eq!(lanes.push(Lane::Votes, Bytes::from(vec![number; 100]).into()), Ok(()));
        }
        let newest: Vec<Bytes> = (7..10).map(|number| Bytes::from(vec![number; 100])).collect();
        assert_eq!(drain(&mut lanes), newest);
        assert_eq!(
            lanes.push(Lane::Sync, Bytes::from(vec![0; 1000]).into()),
            Ok(()),
            "one always fits"
        );
        for _ in 0..3 {
            assert_eq!(lanes.push(Lane::Control, Bytes::from(vec![0; 100]).into()), Ok(()));
        }
        assert_eq!(lanes.push(Lane::Control, Bytes::new().into()), Err(Overflow));
    }

    #[test]
    fn broadcasts_that_the_other_side_has_or_that_are_past_do_not_leave() {
        let mut lanes = Lanes::new(10_000);
        let broadcast = |number: u8, series| Waiting {
            packet: Bytes::from(vec![number]),
            id: Some(MessageId::of(crate::mesh::Attempt(0), &[number])),
            serial: Some(Serial { series, number: u64::from(number) }),
        };
        for number in 0..8 {
            lanes.push(Lane::Votes, broadcast(number, number % 2)).unwrap();
            lanes.push(Lane::Votes, broadcast(number, number % 2)).unwrap();
        }
        lanes.pass(1, 6);
        lanes.withdraw(MessageId::of(crate::mesh::Attempt(0), &[4]));
        assert_eq!(drain(&mut lanes), [0, 2, 6, 7].map(|number| Bytes::from(vec![number])));
        assert!(lanes.broadcasts.is_empty());
        assert!(lanes.lanes.iter().all(|queue| queue.bytes == 0));
    }
}
