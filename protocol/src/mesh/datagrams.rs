//! An ordered, reliable pipe for frames over a link that loses, repeats and reorders datagrams and
//! carries only short ones.
//!
//! Lies under the session: frames are cut into pieces, each in a numbered datagram that is sent
//! again until it is acknowledged. Nothing here is secret or authentic. Whoever can put datagrams
//! on the link can break it, as by cutting it, and no more: the session notices.
//!
//! Where many share the air, a frame may wait long before it leaves and its acknowledgement too. So
//! the time that an acknowledgement may take counts from when the driver says that a datagram has
//! left, it grows with every one that does not come, and fewer datagrams are under way then.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use bytes::Bytes;

use crate::event::Fault;
use crate::time::Time;

/// Bytes before a piece: its kind, its number, and what has arrived from the other side.
pub(super) const HEADER_BYTES: usize = 7;
/// Bytes of a longest frame: a Noise message and the header of a record.
pub(super) const FRAME_BYTES: usize = 65_544;

const PIECE: u8 = 0x20;
const LAST_PIECE: u8 = 0x21;
const NOTHING: u8 = 0x22;

/// Datagrams under way at one time, at most and at least.
pub(super) const WINDOW: usize = 16;
const LEAST_WINDOW: usize = 2;
/// How far ahead of the one that is missing datagrams are kept: nobody sends further.
pub(super) const KEPT_AHEAD: u16 = WINDOW as u16;
/// Datagrams sent later whose arrival shows that one is lost.
const REORDERED: u64 = 4;
/// How long an acknowledgement waits for something to travel with.
const ACKNOWLEDGE: Duration = Duration::from_millis(20);
/// How long an acknowledgement is awaited: before anything was measured, at least, and at most.
const FIRST_PATIENCE: Duration = Duration::from_millis(300);
const LEAST_PATIENCE: Duration = Duration::from_millis(60);
const MOST_PATIENCE: Duration = Duration::from_secs(4);
/// How often it doubles: a full air must be given way to, but most losses are mere losses.
const MOST_DOUBLINGS: u32 = 3;

/// One side of a link. Holds at most [`WINDOW`] datagrams under way, [`KEPT_AHEAD`] that came too
/// early, one frame that is arriving, and what its owner chose to send.
#[derive(Debug)]
pub(super) struct Datagrams {
    piece_bytes: usize,
    next: u16,
    /// Counts what leaves, however often.
    departures: u64,
    /// The latest departure that has arrived.
    latest: u64,
    waiting: VecDeque<(u8, Bytes)>,
    under_way: VecDeque<UnderWay>,
    /// Numbers of those that the driver has and has not sent; none for a mere acknowledgement.
    handed: VecDeque<Option<u16>>,
    /// Datagrams that may be under way now.
    window: usize,
    /// Arrivals since that last grew.
    arrivals: usize,
    round_trip: Option<Duration>,
    /// How often in a row a datagram left and no acknowledgement came.
    timeouts: u32,
    /// All datagrams before this one have come.
    expected: u16,
    early: BTreeMap<u16, (u8, Bytes)>,
    frame: Vec<u8>,
    acknowledge_at: Option<Time>,
    unacknowledged: u8,
}

#[derive(Debug)]
struct UnderWay {
    number: u16,
    kind: u8,
    piece: Bytes,
    /// When it left the last time; none while the driver has it.
    left: Option<Time>,
    times: u32,
    /// Counts what leaves, however often.
    order: u64,
    has_come: bool,
}

impl Datagrams {
    /// Bytes of the shortest datagrams that are worth it: those of the least MTU of Bluetooth LE,
    /// without what its driver adds.
    pub(super) const MIN_MTU: u32 = 16;

    /// For datagrams of at most `mtu` bytes.
    pub(super) const fn new(mtu: usize) -> Self {
        assert!(mtu > HEADER_BYTES, "a datagram carries something");
        Self {
            piece_bytes: mtu - HEADER_BYTES,
            next: 0,
            departures: 0,
            latest: 0,
            waiting: VecDeque::new(),
            under_way: VecDeque::new(),
            handed: VecDeque::new(),
            window: WINDOW / 2,
            arrivals: 0,
            round_trip: None,
            timeouts: 0,
            expected: 0,
            early: BTreeMap::new(),
            frame: Vec::new(),
            acknowledge_at: None,
            unacknowledged: 0,
        }
    }

    /// Cuts a frame into pieces that wait to leave.
    pub(super) fn send(&mut self, frame: &Bytes) {
        let mut rest = frame.clone();
        while rest.len() > self.piece_bytes {
            self.waiting.push_back((PIECE, rest.split_to(self.piece_bytes)));
        }
        self.waiting.push_back((LAST_PIECE, rest));
    }

    /// Datagrams that have left and whose arrival is not known.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Datagrams kept early, bytes of the frame that is arriving, and datagrams under way.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> (usize, usize, usize) {
        (self.early.len(), self.frame.len(), self.under_way.len())
    }

    /// Bytes of everything that waits, is under way or came early.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held_bytes(&self) -> usize {
        let waiting = self.waiting.iter().map(|(_, piece)| piece.len());
        let under_way = self.under_way.iter().map(|it| it.piece.len());
        let early = self.early.values().map(|(_, piece)| piece.len());
        waiting.chain(under_way).chain(early).sum::<usize>() + self.frame.len()
    }

    /// Whether it has nothing to do but wait, and so can take more.
    pub(super) fn is_ready(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How long acknowledgements have taken lately.
    pub(super) const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// The oldest datagram that the driver had has left.
    pub(super) fn sent(&mut self, now: Time) {
        if let Some(Some(number)) = self.handed.pop_front()
            && let Some(it) = self.under_way.iter_mut().find(|it| it.number == number)
        {
            it.left = Some(now);
        }
    }

    /// The next datagram to leave now, if there is one.
    pub(super) fn next(&mut self, now: Time) -> Option<Bytes> {
        if let Some((index, is_overtaken)) = self.lost(now) {
            let it = &mut self.under_way[index];
            // Those that left together say the same.
            if !is_overtaken && it.times > self.timeouts {
                self.timeouts = it.times;
                self.window = (self.window / 2).max(LEAST_WINDOW);
            }
            self.departures += 1;
            (it.left, it.order) = (None, self.departures);
            it.times += 1;
            let (kind, number, piece) = (it.kind, it.number, it.piece.clone());
            return Some(self.datagram(kind, number, &piece));
        }
        if self.under_way.len() < self.window
            && let Some((kind, piece)) = self.waiting.pop_front()
        {
            let number = self.next;
            self.next = self.next.wrapping_add(1);
            let datagram = self.datagram(kind, number, &piece);
            self.departures += 1;
            let (left, order) = (None, self.departures);
            let it = UnderWay { number, kind, piece, left, times: 1, order, has_come: false };
            self.under_way.push_back(it);
            return Some(datagram);
        }
        if self.acknowledge_at.is_some_and(|at| at <= now) {
            return Some(self.datagram(NOTHING, 0, &[]));
        }
        None
    }

    /// When to ask for the next datagram again.
    pub(super) fn deadline(&self) -> Option<Time> {
        let again = self.under_way.iter().filter(|it| !it.has_come);
        let again = again.filter_map(|it| Some(it.left? + self.patience(it.times)));
        again.chain(self.acknowledge_at).min()
    }

    /// Takes a datagram in; the frames that are complete by it. What is no datagram of this kind is
    /// ignored, as if it had been lost.
    ///
    /// Errors if the pieces add up to more than a frame.
    pub(super) fn receive(&mut self, now: Time, datagram: &Bytes) -> Result<Vec<Bytes>, Fault> {
        let Some((header, _)) = datagram.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(Vec::new());
        };
        let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let (kind, number) = (header[0], word(1));
        self.acknowledged(now, word(3), word(5));
        match kind {
            PIECE | LAST_PIECE => self.piece(now, kind, number, datagram.slice(HEADER_BYTES..)),
            _ => Ok(Vec::new()),
        }
    }

    fn piece(
        &mut self,
        now: Time,
        kind: u8,
        number: u16,
        piece: Bytes,
    ) -> Result<Vec<Bytes>, Fault> {
        let ahead = number.wrapping_sub(self.expected);
        self.unacknowledged = self.unacknowledged.saturating_add(1);
        let at_once = ahead != 0 || self.unacknowledged >= 2;
        let at = if at_once { now } else { now + ACKNOWLEDGE };
        self.acknowledge_at = Some(self.acknowledge_at.map_or(at, |before| before.min(at)));
        if ahead < KEPT_AHEAD {
            self.early.insert(number, (kind, piece));
        }
        let mut frames = Vec::new();
        while let Some((kind, piece)) = self.early.remove(&self.expected) {
            self.expected = self.expected.wrapping_add(1);
            if self.frame.len() + piece.len() > FRAME_BYTES {
                return Err(Fault::TooLarge);
            }
            self.frame.extend_from_slice(&piece);
            if kind == LAST_PIECE {
                frames.push(Bytes::from(mem::take(&mut self.frame)));
            }
        }
        Ok(frames)
    }

    /// The other side has everything before `all`, and those whose bits are set after it.
    fn acknowledged(&mut self, now: Time, all: u16, bits: u16) {
        let first = self.under_way.front().map_or(self.next, |it| it.number);
        if all.wrapping_sub(first) > self.next.wrapping_sub(first) {
            return;
        }
        let mut sample = None;
        for it in &mut self.under_way {
            let behind = it.number.wrapping_sub(all);
            let before = behind > u16::MAX / 2;
            let has_come = before || (1..=16).contains(&behind) && bits >> (behind - 1) & 1 == 1;
            if has_come && !it.has_come {
                it.has_come = true;
                self.arrivals += 1;
                // Of one that left several times nobody knows which has arrived.
                if it.times == 1
                    && let Some(left) = it.left
                {
                    sample = Some(now.since(left));
                    self.latest = self.latest.max(it.order);
                }
            }
        }
        if self.arrivals >= self.window {
            self.arrivals = 0;
            self.window = (self.window + 1).min(WINDOW);
        }
        if let Some(sample) = sample {
            self.timeouts = 0;
            let smooth = self.round_trip.map_or(sample, |before| (before * 7 + sample) / 8);
            self.round_trip = Some(smooth);
        }
        while self.under_way.front().is_some_and(|it| it.has_come) {
            self.under_way.pop_front();
        }
    }

    /// A datagram under way that must be sent again now, and whether others have overtaken it.
    fn lost(&self, now: Time) -> Option<(usize, bool)> {
        self.under_way.iter().enumerate().find_map(|(index, it)| {
            let left = it.left.filter(|_| !it.has_come)?;
            let overtaken = self.latest >= it.order + REORDERED;
            let is_lost = overtaken || left + self.patience(it.times) <= now;
            is_lost.then_some((index, overtaken))
        })
    }

    /// How long to wait for an acknowledgement of what was sent so often.
    fn patience(&self, times: u32) -> Duration {
        let once = self.round_trip.map_or(FIRST_PATIENCE, |it| it * 2 + 2 * ACKNOWLEDGE);
        let once = once.max(LEAST_PATIENCE);
        let doublings = times.saturating_sub(1).max(self.timeouts).min(MOST_DOUBLINGS);
        once.saturating_mul(1 << doublings).min(MOST_PATIENCE)
    }

    /// Everything that leaves says what has arrived.
    fn datagram(&mut self, kind: u8, number: u16, piece: &[u8]) -> Bytes {
        self.acknowledge_at = None;
        self.unacknowledged = 0;
        self.handed.push_back((kind != NOTHING).then_some(number));
        let bits =
            self.early.keys().fold(0u16, |bits, number| match number.wrapping_sub(self.expected) {
                behind @ 1..=16 => bits | 1 << (behind - 1),
                _ => bits,
            });
        let mut datagram = Vec::with_capacity(HEADER_BYTES + piece.len());
        datagram.push(kind);
        datagram.extend_from_slice(&number.to_le_bytes());
        datagram.extend_from_slice(&self.expected.to_le_bytes());
        datagram.extend_from_slice(&bits.to_le_bytes());
        datagram.extend_from_slice(piece);
        Bytes::from(datagram)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::mesh::air::Air;
    use crate::rng::Rng;

    /// Carries `frames` from one side to the other over a bad link; how many arrive, and how long
    /// it takes.
    fn carry(frames: &[Bytes], mtu: usize, loss_percent: u64, seed: u8) -> (usize, Time) {
        let mut rng = Rng::new([seed; 32]);
        let mut air = Air::new(mtu);
        frames.iter().for_each(|frame| air.say(0, frame.clone()));
        let mut fate = || {
            let copies = 1 + u64::from(rng.below(20) == 0);
            let delay = |_| {
                let comes = rng.below(100) >= loss_percent;
                comes.then(|| Duration::from_millis(5 + rng.below(40)))
            };
            (0..copies).filter_map(delay).collect()
        };
        while air.now < Time::ZERO + Duration::from_secs(3600) {
            while air.hand_over(&mut fate) {
                air.all_sent();
            }
            if !air.go_on() {
                break;
            }
        }
        (air.arrived[1], air.now)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_frame_arrives_whole_once_and_in_order(
            sizes in proptest::collection::vec(0usize..2000, 1..20),
            mtu in 16usize..600,
            loss in 0u64..35,
            seed in any::<u8>(),
        ) {
            let frame = |(index, size): (usize, &usize)| Bytes::from(vec![index as u8; *size]);
            let frames: Vec<Bytes> = sizes.iter().enumerate().map(frame).collect();
            let (arrived, _) = carry(&frames, mtu, loss, seed);
            prop_assert_eq!(arrived, frames.len());
        }

        #[test]
        fn whatever_arrives_what_is_held_is_bounded(
            datagrams in proptest::collection::vec(
                (0u8..3, 0u16..100, any::<[u16; 2]>(), 0usize..500), 0..300),
        ) {
            let mut side = Datagrams::new(500);
            side.send(&Bytes::from(vec![1; 3000]));
            while side.next(Time::ZERO).is_some() {
                side.sent(Time::ZERO);
            }
            for (kind, number, [all, bits], size) in datagrams {
                let mut datagram = vec![PIECE + kind];
                for word in [number, all % 20, bits] {
                    datagram.extend_from_slice(&word.to_le_bytes());
                }
                datagram.resize(HEADER_BYTES + size, 0);
                let _ = side.receive(Time::ZERO, &Bytes::from(datagram));
                prop_assert!(side.early.len() <= KEPT_AHEAD as usize);
                prop_assert!(side.frame.len() <= FRAME_BYTES);
                prop_assert!(side.under_way.len() <= WINDOW);
                while side.next(Time::ZERO).is_some() {
                    side.sent(Time::ZERO);
                }
                prop_assert!(side.deadline().is_none_or(|at| at > Time::ZERO));
            }
        }
    }

    #[test]
    fn a_proposal_crosses_a_radio_that_loses_a_fifth_in_seconds() {
        let frame = Bytes::from(vec![7; 60_000]);
        let (arrived, took) = carry(core::slice::from_ref(&frame), 510, 20, 1);
        assert_eq!(arrived, 1);
        assert!(took < Time::ZERO + Duration::from_secs(8), "{took:?}");
    }

    #[test]
    fn pieces_that_add_up_to_more_than_a_frame_are_a_fault() {
        let mut side = Datagrams::new(10_000);
        let mut other = Datagrams::new(10_000);
        other.send(&Bytes::from(vec![0; 80_000]));
        let mut faults = 0;
        while let Some(datagram) = other.next(Time::ZERO) {
            faults += usize::from(side.receive(Time::ZERO, &datagram).is_err());
        }
        assert!(faults > 0);
    }
}
