//! Both sides of a datagram link and the air between them, which loses, repeats and delays. The
//! tests of datagrams and the fuzz target `fragments` drive it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::datagrams::{Datagrams, FRAME_BYTES, KEPT_AHEAD, WINDOW};
use crate::time::Time;

/// Datagrams that a driver takes before one has left.
const DRIVER: usize = 4;

/// A link.
pub(crate) struct Air {
    pub(crate) now: Time,
    mtu: usize,
    sides: [Datagrams; 2],
    /// Frames that the owner of each side has not handed over yet.
    waiting: [VecDeque<Bytes>; 2],
    /// Datagrams that each driver has and has not sent.
    handed: [usize; 2],
    /// What arrives when, at which side.
    flying: BTreeMap<(Time, u64), (usize, Bytes)>,
    count: u64,
    said: [Vec<Bytes>; 2],
    /// Frames of the other side that have arrived at each.
    pub(crate) arrived: [usize; 2],
    /// Somebody else puts datagrams on the link: nothing is promised any more but bounds.
    pub(crate) is_disturbed: bool,
    /// A side was told more than a frame: the link is closed.
    pub(crate) is_broken: bool,
}

impl Air {
    /// A link for datagrams of at most `mtu` bytes.
    pub(crate) fn new(mtu: usize) -> Self {
        Self {
            now: Time::ZERO,
            mtu,
            sides: [Datagrams::new(mtu), Datagrams::new(mtu)],
            waiting: Default::default(),
            handed: [0; 2],
            flying: BTreeMap::new(),
            count: 0,
            said: Default::default(),
            arrived: [0; 2],
            is_disturbed: false,
            is_broken: false,
        }
    }

    /// A side has a frame for the other.
    pub(crate) fn say(&mut self, side: usize, frame: Bytes) {
        self.said[side].push(frame.clone());
        self.waiting[side].push_back(frame);
    }

    /// What may leave is handed to the drivers, if they have room; each copy arrives after a time
    /// that `fate` says. Whether there was anything.
    pub(crate) fn hand_over(&mut self, mut fate: impl FnMut() -> Vec<Duration>) -> bool {
        let before = self.handed;
        for (side, it) in self.sides.iter_mut().enumerate() {
            while self.handed[side] < DRIVER {
                if it.is_ready()
                    && let Some(frame) = self.waiting[side].pop_front()
                {
                    it.send(&frame);
                }
                let Some(datagram) = it.next(self.now) else { break };
                assert!(datagram.len() <= self.mtu && it.under_way() <= WINDOW);
                self.handed[side] += 1;
                for delay in fate() {
                    self.count += 1;
                    let at = (self.now + delay, self.count);
                    self.flying.insert(at, (1 - side, datagram.clone()));
                }
            }
        }
        self.handed != before
    }

    /// The oldest datagram that a driver has has left, if it has one.
    pub(crate) fn sent(&mut self, side: usize) {
        if self.handed[side] > 0 {
            self.handed[side] -= 1;
            self.sides[side].sent(self.now);
        }
    }

    /// All that the drivers have has left.
    pub(crate) fn all_sent(&mut self) {
        for side in 0..2 {
            (0..self.handed[side]).for_each(|_| self.sent(side));
        }
    }

    /// Time passes to when something happens; whether anything will.
    pub(crate) fn go_on(&mut self) -> bool {
        let due = self.sides.iter().filter_map(Datagrams::deadline);
        let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = due.chain(arrival).min() else { return false };
        self.pass(next.max(self.now).since(self.now));
        true
    }

    /// Time passes, and what has flown for long enough arrives.
    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        while let Some(entry) = self.flying.first_entry().filter(|it| it.key().0 <= self.now) {
            let (side, datagram) = entry.remove();
            self.arrive(side, &datagram);
        }
    }

    /// A datagram arrives at a side.
    pub(crate) fn arrive(&mut self, side: usize, datagram: &Bytes) {
        let it = &mut self.sides[side];
        let Ok(frames) = it.receive(self.now, datagram) else {
            assert!(self.is_disturbed, "nobody sends more than a frame");
            self.is_broken = true;
            return;
        };
        for frame in frames {
            assert!(frame.len() <= FRAME_BYTES);
            let expected = self.said[1 - side].get(self.arrived[side]);
            assert!(self.is_disturbed || expected == Some(&frame), "whole, once and in order");
            self.arrived[side] += 1;
        }
        let (early, pieces, under_way) = it.held();
        assert!(early <= usize::from(KEPT_AHEAD) && pieces <= FRAME_BYTES && under_way <= WINDOW);
    }

    /// Whether everything has arrived.
    pub(crate) fn is_done(&self) -> bool {
        (0..2).all(|side| self.arrived[side] == self.said[1 - side].len())
    }
}
