//! What waits to leave on one link, in order of urgency.

use alloc::collections::VecDeque;

use bytes::Bytes;

/// How urgent a message is. A link sends nothing of a lane while an earlier one holds anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// What keeps links and consensus going; never dropped.
    Control,
    /// Votes, certificates and proposals.
    Votes,
    /// Transactions on their way to a leader.
    Transactions,
    /// Old blocks for those who missed them.
    Sync,
}

impl Lane {
    const COUNT: usize = 4;

    const fn index(self) -> usize {
        match self {
            Self::Control => 0,
            Self::Votes => 1,
            Self::Transactions => 2,
            Self::Sync => 3,
        }
    }
}

/// The control lane is full: the other side has not been taking anything for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// What a waiting message counts for beside its bytes, so that many small ones are bounded too.
const MESSAGE_COST_BYTES: usize = 64;

/// One link's lanes, each at most `lane_bytes` or one message.
#[derive(Debug)]
pub(super) struct Lanes {
    lane_bytes: usize,
    lanes: [Queue; Lane::COUNT],
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl Lanes {
    pub(super) fn new(lane_bytes: usize) -> Self {
        Self { lane_bytes, lanes: Default::default() }
    }

    /// Adds a message, at the cost of the lane's oldest ones if it is full.
    pub(super) fn push(&mut self, lane: Lane, message: Bytes) -> Result<(), Overflow> {
        let queue = &mut self.lanes[lane.index()];
        queue.push(message);
        while queue.bytes > self.lane_bytes && queue.messages.len() > 1 {
            match lane {
                Lane::Control => return Err(Overflow),
                Lane::Votes | Lane::Transactions | Lane::Sync => queue.pop(),
            };
        }
        Ok(())
    }

    /// The bytes of the message to leave next.
    pub(super) fn next_bytes(&self) -> Option<usize> {
        self.lanes.iter().find_map(|queue| queue.messages.front()).map(Bytes::len)
    }

    /// Takes out the oldest message of the most urgent lane that holds any.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.lanes.iter_mut().find_map(Queue::pop)
    }
}

impl Queue {
    fn push(&mut self, message: Bytes) {
        self.bytes += message.len() + MESSAGE_COST_BYTES;
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len() + MESSAGE_COST_BYTES;
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
            lanes.push(lane, Bytes::from(text)).unwrap();
        }
        assert_eq!(lanes.next_bytes(), Some(7));
        assert_eq!(drain(&mut lanes), ["control", "vote 1", "vote 2", "transaction", "sync"]);
        assert_eq!(lanes.next_bytes(), None);
    }

    #[test]
    fn a_full_lane_drops_its_oldest_but_control_overflows() {
        let mut lanes = Lanes::new(3 * 164);
        for number in 0..10 {
            assert_eq!(lanes.push(Lane::Votes, Bytes::from(vec![number; 100])), Ok(()));
        }
        let newest: Vec<Bytes> = (7..10).map(|number| Bytes::from(vec![number; 100])).collect();
        assert_eq!(drain(&mut lanes), newest);
        assert_eq!(lanes.push(Lane::Sync, Bytes::from(vec![0; 1000])), Ok(()), "one always fits");
        for _ in 0..3 {
            assert_eq!(lanes.push(Lane::Control, Bytes::from(vec![0; 100])), Ok(()));
        }
        assert_eq!(lanes.push(Lane::Control, Bytes::new()), Err(Overflow));
    }
}
