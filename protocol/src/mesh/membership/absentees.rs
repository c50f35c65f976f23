//! Validators of whom nothing is heard, and when to look for them: behind full views two crowds may
//! talk past one another, or one node among relays that pass nothing on.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::identity::PeerId;
use crate::time::Time;
use crate::wire::limits::VALIDATORS;

/// How long a validator may be silent while others talk. Validators that wait for something repeat
/// themselves twice as often.
const SILENCE: Duration = Duration::from_secs(10);
/// After how long a silence of all of them something must be wrong here.
const SOLITUDE: Duration = Duration::from_secs(30);
/// How long nobody looks again for one who was met and has nothing to say; doubled each time.
const FOUND: Duration = Duration::from_secs(30);
/// How long somebody is looked for before somebody else is: every search takes a place from a
/// link that may be of use, here and there.
const SEARCH: Duration = Duration::from_secs(10);
/// The longest of these pauses.
const MOST_FOUND: Duration = Duration::from_secs(900);

/// When each validator was last heard; at most all of them.
#[derive(Debug)]
pub(super) struct Absentees {
    own: PeerId,
    validators: BTreeMap<PeerId, Validator>,
    /// When one of the others was last heard.
    latest: Time,
    /// Who is looked for, and until when nobody else is.
    sought: Option<(PeerId, Time)>,
}

#[derive(Clone, Copy, Debug)]
struct Validator {
    heard: Time,
    /// How often it was found and had nothing to say.
    found: u32,
    /// It is not looked for before this.
    rests_until: Time,
}

impl Absentees {
    pub(super) const fn new(own: PeerId) -> Self {
        Self { own, validators: BTreeMap::new(), latest: Time::ZERO, sought: None }
    }

    /// These are the validators now; nobody is missed at first.
    pub(super) fn elect(&mut self, now: Time, peers: BTreeSet<PeerId>) {
        let fresh = Validator { heard: now, found: 0, rests_until: now };
        let known = |peer| (peer, self.validators.get(&peer).copied().unwrap_or(fresh));
        self.validators = peers.into_iter().take(VALIDATORS).map(known).collect();
        self.latest = self.latest.max(now);
    }

    pub(super) fn is_validator(&self, peer: PeerId) -> bool {
        self.validators.contains_key(&peer)
    }

    pub(super) fn heard(&mut self, now: Time, peer: PeerId) {
        if let Some(validator) = self.validators.get_mut(&peer) {
            *validator = Validator { heard: now, found: 0, rests_until: now };
            self.latest = now;
        }
    }

    /// A peer is looked for from now on, and nobody else for a while.
    pub(super) fn seek(&mut self, now: Time, peer: PeerId) {
        if self.sought.is_none_or(|(sought, until)| sought != peer || until <= now) {
            self.sought = Some((peer, now + SEARCH));
        }
    }

    /// A link leads to a peer; whether it was missed. It now has time to speak.
    pub(super) fn met(&mut self, now: Time, peer: PeerId) -> bool {
        let was_missed = self.is_missed(now, peer);
        if was_missed {
            self.seek(now, peer);
        }
        if was_missed && let Some(validator) = self.validators.get_mut(&peer) {
            let pause = FOUND.saturating_mul(1 << validator.found.min(16));
            validator.rests_until = now + pause.min(MOST_FOUND);
            validator.found = validator.found.saturating_add(1);
        }
        was_missed
    }

    /// Whether a validator is to be looked for: it is silent while others talk, or all are, and
    /// nobody else is looked for.
    pub(super) fn is_missed(&self, now: Time, peer: PeerId) -> bool {
        let Some(validator) = self.validators.get(&peer) else { return false };
        let silence = now.since(self.latest);
        self.is_validator(self.own)
            && peer != self.own
            && now.since(validator.heard) >= SILENCE
            && validator.rests_until <= now
            && self.sought.is_none_or(|(sought, until)| sought == peer || until <= now)
            && (silence < SILENCE / 2 || silence >= SOLITUDE)
    }

    /// When somebody may be missed without anything happening before.
    pub(super) fn deadline(&self, now: Time) -> Option<Time> {
        self.is_validator(self.own).then(|| now + SILENCE / 4)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId([number; 32])
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn four() -> Absentees {
        let mut absentees = Absentees::new(peer(0));
        absentees.elect(at(0), (0..4).map(peer).collect());
        absentees
    }

    #[test]
    fn whoever_is_silent_while_others_talk_is_missed_and_rests_longer_each_time_it_is_found() {
        let mut absentees = four();
        let mut searches = Vec::new();
        for second in 1..400 {
            absentees.heard(at(second), peer(1));
            assert!(!absentees.is_missed(at(second), peer(0)));
            assert!(!absentees.is_missed(at(second), peer(1)));
            assert!(!absentees.is_missed(at(second), peer(9)));
            if absentees.met(at(second), peer(2)) {
                searches.push(second);
            }
        }
        assert_eq!(searches, [10, 40, 100, 220]);
        absentees.heard(at(400), peer(2));
        absentees.heard(at(410), peer(1));
        assert!(!absentees.is_missed(at(409), peer(2)));
        assert!(absentees.met(at(410), peer(2)));
    }

    #[test]
    fn one_after_the_other_is_looked_for() {
        let mut absentees = four();
        for second in 1..=15 {
            absentees.heard(at(second), peer(1));
        }
        let missed = |absentees: &Absentees, second| {
            [2, 3].map(|number| absentees.is_missed(at(second), peer(number)))
        };
        assert_eq!(missed(&absentees, 15), [true, true]);
        absentees.seek(at(15), peer(3));
        assert_eq!(missed(&absentees, 16), [false, true]);
        assert!(absentees.met(at(16), peer(3)));
        assert_eq!(missed(&absentees, 17), [false, false], "it has time to speak");
        absentees.heard(at(24), peer(1));
        assert_eq!(missed(&absentees, 25), [true, false]);
    }

    #[test]
    fn a_pause_of_all_is_a_pause_and_a_long_one_means_that_something_is_wrong_here() {
        let absentees = four();
        assert!((0..30).all(|second| !absentees.is_missed(at(second), peer(2))));
        assert!((1..4).all(|number| absentees.is_missed(at(30), peer(number))));
    }

    #[test]
    fn only_validators_look_for_validators() {
        let mut absentees = Absentees::new(peer(9));
        absentees.elect(at(0), (0..4).map(peer).collect());
        assert!(!absentees.is_missed(at(40), peer(1)));
        assert_eq!(absentees.deadline(at(0)), None);
    }
}
