//! The address book: where others may be found, and when to try again. HyParView's passive view.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::event::{CloseReason, Endpoint, LinkId};
use crate::identity::PeerId;
use crate::rng::Rng;
use crate::time::Time;

/// Places remembered.
const PLACES: usize = 256;
/// Bytes of one, without its name.
const PLACE_BYTES: usize = size_of::<(Endpoint, Place)>();
/// Bytes of all.
pub(in crate::mesh) const BOOK_BYTES: usize = PLACES * (super::ENDPOINT_BYTES + PLACE_BYTES);

/// Places of one peer.
const PLACES_OF_ONE: usize = 4;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(100);
/// After many, and where there was no room.
const LONGEST: Duration = Duration::from_secs(15);
/// The same between validators that all have room for one another: without a quorum nothing goes
/// on, and after a partition most of the time until there is one again would be this. A radio
/// spends too much on every dial.
const LONGEST_OF_VALIDATORS: Duration = Duration::from_secs(2);
/// Where there was no room again and again, for whoever has enough links: a busy place is not asked
/// by everybody around all the time.
const LONGEST_REST: Duration = Duration::from_secs(240);
/// A link that lived as long as this was a success: what ended it is a new story.
const SUCCESS: Duration = Duration::from_secs(10);
/// While another link to the same peer is up.
const DUPLICATE: Duration = Duration::from_secs(10);
/// After the peer broke the protocol: it will most likely do so again.
const FAULT: Duration = Duration::from_secs(60);
/// How long a driver may take to say what became of a dial.
const DIAL: Duration = Duration::from_secs(30);

/// How a link, or an attempt at one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mesh) enum Ending {
    /// Nobody answered.
    Unreachable,
    /// It broke, or the other side ended it.
    Lost,
    /// This node closed it.
    Closed(CloseReason),
}

/// What is known about a place. At most [`PLACES`]; the victim is one that only others have told
/// of and that failed, or else has proven nothing.
#[derive(Debug)]
pub(super) struct Book {
    places: BTreeMap<Endpoint, Place>,
    /// Who is dialled again before long; see [`LONGEST_OF_VALIDATORS`].
    urgent: BTreeSet<PeerId>,
    /// Transports on which nobody is.
    radios: BTreeSet<u8>,
}

#[derive(Debug)]
pub(super) struct Place {
    /// Who is there, as they proved at the last link, or else as others say.
    pub(super) peer: Option<PeerId>,
    /// Whether this node's own driver found it.
    pub(super) is_own: bool,
    /// Whether `peer` was met there.
    is_proven: bool,
    /// Whether it was at the last link: then its end is no failure of the way there.
    was_met: bool,
    state: State,
    failures: u32,
    /// How often there was no room, one time after the other.
    refusals: u32,
    /// Whoever does not need links does not go there before.
    pub(super) rests_until: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { until: Time },
    Dialled { until: Time },
    Linked { link: LinkId, since: Time },
    Oneself,
}

impl Book {
    pub(super) const fn new() -> Self {
        Self { places: BTreeMap::new(), urgent: BTreeSet::new(), radios: BTreeSet::new() }
    }

    /// These peers are dialled again before long: none of them refuses this node for want of room.
    pub(super) fn hurry(&mut self, peers: BTreeSet<PeerId>) {
        self.urgent = peers;
    }

    /// A dial on this transport costs much.
    pub(super) fn spare(&mut self, transport: u8) {
        self.radios.insert(transport);
    }

    /// Whether a dial on this transport costs much.
    pub(super) fn spares(&self, transport: u8) -> bool {
        self.radios.contains(&transport)
    }

    /// A link to a place, or an attempt at one, ends.
    fn end(&mut self, now: Time, endpoint: &Endpoint, ending: Ending, rng: &mut Rng) {
        let may_hurry = !self.spares(endpoint.transport);
        let Some(place) = self.places.get_mut(endpoint) else { return };
        let is_urgent = may_hurry && place.peer.is_some_and(|peer| self.urgent.contains(&peer));
        place.end(now, ending, is_urgent, rng);
    }

    /// The places in such a state.
    fn such(&self, is_such: impl Fn(&Place) -> bool) -> Vec<Endpoint> {
        let such = self.places.iter().filter(|(_, place)| is_such(place));
        such.map(|(endpoint, _)| endpoint.clone()).collect()
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.places.keys().map(|endpoint| endpoint.bytes.len() + PLACE_BYTES).sum()
    }

    /// Whether a place is remembered.
    pub(super) fn knows(&self, endpoint: &Endpoint) -> bool {
        self.places.contains_key(endpoint)
    }

    /// This node's own driver found a place.
    pub(super) fn found(&mut self, now: Time, endpoint: Endpoint, rng: &mut Rng) {
        match self.places.get_mut(&endpoint) {
            Some(place) => place.is_own = true,
            None => self.add(now, endpoint, None, true, rng),
        }
    }

    /// Somebody says that `peer` can be found there.
    pub(super) fn heard(&mut self, now: Time, endpoint: Endpoint, peer: PeerId, rng: &mut Rng) {
        match self.places.get_mut(&endpoint) {
            Some(place) if place.peer.is_none() => place.peer = Some(peer),
            Some(_) => {}
            None => {
                let of_peer = self.places.values().filter(|place| place.peer == Some(peer));
                if of_peer.count() < PLACES_OF_ONE {
                    self.add(now, endpoint, Some(peer), false, rng);
                }
            }
        }
    }

    fn add(
        &mut self,
        now: Time,
        endpoint: Endpoint,
        peer: Option<PeerId>,
        is_own: bool,
        rng: &mut Rng,
    ) {
        if self.places.len() >= PLACES && !self.make_room(is_own, rng) {
            return;
        }
        let state = State::Idle { until: now };
        let place = Place {
            peer,
            is_own,
            is_proven: false,
            was_met: false,
            state,
            failures: 0,
            refusals: 0,
            rests_until: now,
        };
        self.places.insert(endpoint, place);
    }

    /// Forgets the place worth least; nothing that others say displaces what this node knows.
    fn make_room(&mut self, for_own: bool, rng: &mut Rng) -> bool {
        let worth = |place: &Place| {
            let linked = matches!(place.state, State::Linked { .. } | State::Dialled { .. });
            (linked, place.is_own, place.is_proven, place.failures == 0)
        };
        let Some(least) = self.places.values().map(worth).min() else { return true };
        if least.0 || (least.1 && !for_own) {
            return false;
        }
        let worst: Vec<Endpoint> = self
            .places
            .iter()
            .filter(|(_, place)| worth(place) == least)
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        let victim = &worst[rng.below(worst.len() as u64) as usize];
        self.places.remove(victim);
        true
    }

    /// Who is said to be at a place.
    pub(super) fn peer_at(&self, endpoint: &Endpoint) -> Option<PeerId> {
        self.places.get(endpoint)?.peer
    }

    /// Notes that a dial begins.
    pub(super) fn dialled(&mut self, now: Time, endpoint: &Endpoint) {
        if let Some(place) = self.places.get_mut(endpoint) {
            place.state = State::Dialled { until: now + DIAL };
        }
    }

    /// The dial came to something.
    pub(super) fn linked(&mut self, now: Time, endpoint: &Endpoint, link: LinkId) {
        if let Some(place) = self.places.get_mut(endpoint) {
            place.state = State::Linked { link, since: now };
            place.was_met = false;
        }
    }

    /// Who is at the other end of a link is known.
    pub(super) fn met(&mut self, link: LinkId, peer: PeerId) {
        let linked = |place: &&mut Place| matches!(place.state, State::Linked { link: it, .. } if it == link);
        if let Some(place) = self.places.values_mut().find(linked) {
            place.peer = Some(peer);
            (place.is_proven, place.was_met) = (true, true);
        }
    }

    /// The link to a place is gone.
    pub(super) fn unlinked(&mut self, now: Time, link: LinkId, ending: Ending, rng: &mut Rng) {
        let linked =
            |place: &Place| matches!(place.state, State::Linked { link: it, .. } if it == link);
        for endpoint in self.such(linked) {
            self.end(now, &endpoint, ending, rng);
        }
    }

    /// A dial came to nothing.
    pub(super) fn failed(&mut self, now: Time, endpoint: &Endpoint, rng: &mut Rng) {
        self.end(now, endpoint, Ending::Unreachable, rng);
    }

    /// Gives up dials of which nothing was heard.
    pub(super) fn give_up(&mut self, now: Time, rng: &mut Rng) {
        let is_late =
            |place: &Place| matches!(place.state, State::Dialled { until } if until <= now);
        for endpoint in self.such(is_late) {
            self.end(now, &endpoint, Ending::Unreachable, rng);
        }
    }

    /// Dials under way.
    pub(super) fn dials(&self) -> usize {
        self.places.values().filter(|it| matches!(it.state, State::Dialled { .. })).count()
    }

    /// Places that are neither linked nor being dialled, each with the time from which it may be.
    pub(super) fn idle(&self) -> impl Iterator<Item = (&Endpoint, &Place, Time)> {
        self.places.iter().filter_map(|(endpoint, place)| match place.state {
            State::Idle { until } => Some((endpoint, place, until)),
            State::Dialled { .. } | State::Linked { .. } | State::Oneself => None,
        })
    }

    /// When the next dial is given up.
    pub(super) fn gives_up_at(&self) -> Option<Time> {
        let dialled = self.places.values().filter_map(|place| match place.state {
            State::Dialled { until } => Some(until),
            State::Idle { .. } | State::Linked { .. } | State::Oneself => None,
        });
        dialled.min()
    }

    /// Where peers are said to be, for telling others.
    pub(super) fn known(&self) -> impl Iterator<Item = (PeerId, &Endpoint)> {
        let worth_telling = self.places.iter().filter(|(_, place)| place.failures == 0);
        worth_telling.filter_map(|(endpoint, place)| Some((place.peer?, endpoint)))
    }
}

impl Place {
    fn end(&mut self, now: Time, ending: Ending, is_urgent: bool, rng: &mut Rng) {
        let lived = match self.state {
            State::Linked { since, .. } => now.since(since),
            State::Idle { .. } | State::Dialled { .. } | State::Oneself => Duration::ZERO,
        };
        if lived >= SUCCESS {
            (self.failures, self.refusals, self.rests_until) = (0, 0, now);
        }
        let is_refusal = !is_urgent && lived > Duration::ZERO && lived < SUCCESS && self.was_met;
        let longest = if is_urgent { LONGEST_OF_VALIDATORS } else { LONGEST };
        if is_refusal && matches!(ending, Ending::Lost | Ending::Closed(CloseReason::Full)) {
            let rest = LONGEST.saturating_mul(1 << self.refusals.min(16)).min(LONGEST_REST);
            self.refusals = self.refusals.saturating_add(1);
            self.rests_until = now + jittered(rest, rng);
        }
        let most = match ending {
            Ending::Lost if is_refusal => {
                self.failures = self.failures.saturating_add(1);
                LONGEST
            }
            Ending::Unreachable | Ending::Lost | Ending::Closed(CloseReason::TimedOut) => {
                let delay = FIRST.saturating_mul(1 << self.failures.min(16));
                self.failures = self.failures.saturating_add(1);
                delay.min(longest)
            }
            Ending::Closed(CloseReason::Full) => LONGEST,
            Ending::Closed(CloseReason::Duplicate) => DUPLICATE,
            Ending::Closed(CloseReason::Fault(_) | CloseReason::Banned) => FAULT,
            Ending::Closed(CloseReason::Oneself) => {
                self.state = State::Oneself;
                return;
            }
        };
        self.state = State::Idle { until: now + jittered(most, rng) };
    }
}

/// Between half a pause and the whole: nodes that lost each other at the same moment should not all
/// return at the same moment.
fn jittered(most: Duration, rng: &mut Rng) -> Duration {
    let half = most / 2;
    half + Duration::from_micros(rng.below(u64::try_from(half.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use bytes::Bytes;

    use super::*;
    use crate::event::Fault;

    fn endpoint(number: usize) -> Endpoint {
        Endpoint { transport: 0, bytes: Bytes::from(number.to_string()) }
    }

    fn waits(book: &Book, now: Time) -> Option<u128> {
        book.idle().next().map(|(_, _, until)| until.since(now).as_millis())
    }

    #[track_caller]
    fn assert_within(delay: Option<u128>, most: u128) {
        let delay = delay.unwrap();
        assert!((most / 2 - 1..=most).contains(&delay), "{delay} ms for at most {most} ms");
    }

    #[test]
    fn failures_wait_longer_and_longer_and_a_link_that_lived_starts_the_count_again() {
        let (mut book, mut rng) = (Book::new(), Rng::new([1; 32]));
        let mut now = Time::ZERO;
        book.found(now, endpoint(0), &mut rng);
        for most in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000] {
            book.dialled(now, &endpoint(0));
            assert_eq!(book.dials(), 1);
            book.failed(now, &endpoint(0), &mut rng);
            assert_within(waits(&book, now), most);
        }
        for (lived, most) in [(1, 15_000), (60, 100), (1, 200)] {
            book.dialled(now, &endpoint(0));
            book.linked(now, &endpoint(0), LinkId(lived));
            now = now + Duration::from_secs(lived);
            book.unlinked(now, LinkId(lived), Ending::Lost, &mut rng);
            assert_within(waits(&book, now), most);
        }
        book.dialled(now, &endpoint(0));
        assert_eq!(book.gives_up_at(), Some(now + DIAL));
        book.give_up(now + DIAL, &mut rng);
        assert_eq!(book.dials(), 0);
    }

    #[test]
    fn a_validator_is_dialled_again_within_two_seconds_unless_over_a_radio() {
        let (mut book, mut rng) = (Book::new(), Rng::new([1; 32]));
        let (now, peer) = (Time::ZERO, PeerId([1; 32]));
        book.hurry(BTreeSet::from([peer]));
        let mut after = |transport: u8, radio: bool| {
            let place = Endpoint { transport, ..endpoint(0) };
            if radio {
                book.spare(transport);
            }
            book.heard(now, place.clone(), peer, &mut rng);
            for _ in 0..20 {
                book.dialled(now, &place);
                book.failed(now, &place, &mut rng);
            }
            let idle = book.idle().find(|(endpoint, ..)| **endpoint == place);
            let unreachable = idle.map(|(.., until)| until.since(now).as_millis());
            book.linked(now, &place, LinkId(1));
            book.met(LinkId(1), peer);
            let later = now + Duration::from_secs(3);
            book.unlinked(later, LinkId(1), Ending::Lost, &mut rng);
            let idle = book.idle().find(|(endpoint, ..)| **endpoint == place);
            (unreachable, idle.map(|(.., until)| until.since(later).as_millis()))
        };
        let (unreachable, lost) = after(0, false);
        assert_within(unreachable, 2_000);
        assert_within(lost, 2_000);
        let (unreachable, lost) = after(1, true);
        assert_within(unreachable, 15_000);
        assert_within(lost, 15_000);
    }

    #[test]
    fn the_reason_for_closing_decides_when_to_come_back() {
        let (mut book, mut rng) = (Book::new(), Rng::new([1; 32]));
        let now = Time::ZERO;
        book.found(now, endpoint(0), &mut rng);
        let mut after = |reason| {
            book.linked(now, &endpoint(0), LinkId(0));
            book.unlinked(now, LinkId(0), Ending::Closed(reason), &mut rng);
            waits(&book, now)
        };
        assert_within(after(CloseReason::Duplicate), 10_000);
        assert_within(after(CloseReason::Full), 15_000);
        assert_within(after(CloseReason::Fault(Fault::Malformed)), 60_000);
        assert_eq!(after(CloseReason::Oneself), None);
    }

    #[test]
    fn where_there_is_no_room_again_and_again_only_those_return_soon_who_need_a_link() {
        let (mut book, mut rng) = (Book::new(), Rng::new([1; 32]));
        let mut now = Time::ZERO;
        book.found(now, endpoint(0), &mut rng);
        let mut refused = |book: &mut Book, lived: u64, link: u64| {
            book.linked(now, &endpoint(0), LinkId(link));
            book.met(LinkId(link), PeerId([1; 32]));
            now = now + Duration::from_secs(lived);
            book.unlinked(now, LinkId(link), Ending::Lost, &mut rng);
            assert!(waits(book, now).is_some_and(|wait| wait <= 15_000));
            let (_, place, _) = book.idle().next().unwrap();
            place.rests_until.since(now).as_millis()
        };
        for (link, most) in [15_000, 30_000, 60_000, 120_000, 240_000, 240_000].iter().enumerate() {
            assert_within(Some(refused(&mut book, 1, link as u64)), *most);
        }
        assert_eq!(refused(&mut book, 60, 7), 0, "a link that lived is no refusal");
        assert_within(Some(refused(&mut book, 1, 8)), 15_000);
    }

    #[test]
    fn what_others_say_displaces_nothing_that_this_node_found_or_met() {
        let (mut book, mut rng) = (Book::new(), Rng::new([1; 32]));
        let now = Time::ZERO;
        (0..100).for_each(|number| book.found(now, endpoint(number), &mut rng));
        let peer = |number: usize| PeerId([(number / 4) as u8; 32]);
        book.heard(now, endpoint(999), peer(0), &mut rng);
        book.linked(now, &endpoint(999), LinkId(1));
        book.met(LinkId(1), peer(0));
        book.unlinked(now, LinkId(1), Ending::Closed(CloseReason::Full), &mut rng);
        for number in 1000..2000 {
            book.heard(now, endpoint(number), peer(number), &mut rng);
        }
        assert_eq!(book.places.len(), PLACES);
        assert!((0..100).chain([999]).all(|it| book.places.contains_key(&endpoint(it))));
        (2000..3000).for_each(|number| book.found(now, endpoint(number), &mut rng));
        assert_eq!(book.places.len(), PLACES);
    }

    #[test]
    fn one_peer_has_a_few_places_only() {
        let (mut book, mut rng) = (Book::new(), Rng::new([1; 32]));
        (0..50).for_each(|it| book.heard(Time::ZERO, endpoint(it), PeerId([1; 32]), &mut rng));
        assert_eq!(book.places.len(), PLACES_OF_ONE);
    }
}
