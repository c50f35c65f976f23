//! Answers to validators that have forgotten what they promised.
//!
//! All validators answer, and nobody but who asks needs to hear it. So an answer goes back on the
//! way on which the question came, from neighbour to neighbour, each of which passes a validator's
//! answer on once for each time that it heard the question. Somebody hostile on the way may swallow
//! answers, and then whoever has to ask again is answered by broadcast too. That costs everybody:
//! with n validators each does it no more often than every n · 200 ms, and for whoever was
//! answered so least often, so that f hostile ones that ask all the time delay an honest one and do
//! not shut it out. Only the newest question of each is known: whoever has an older one of the same
//! validator, from when its journal was lost before, can replay it and disturb its answers.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use super::lost::{Inquiry, Testimony, pause};
use super::{Consensus, Message, Output};
use crate::block::ValidatorIndex;
use crate::event::LinkId;
use crate::time::Time;
use crate::wire::Hash;

/// For each validator, the least time between two answers that one node broadcasts, so that five in
/// a second reach everybody, however many validators there are.
const ALOUD_EACH: Duration = Duration::from_millis(200);

/// The least time between two answers that one node passes on, beyond as many at once as there are
/// validators: who replays old ones makes others say no more than that.
const PASSED_EACH: Duration = Duration::from_millis(200);

/// Who has asked, and how it is answered; an entry for each validator at most.
#[derive(Debug)]
pub(super) struct Vouching {
    asked: BTreeMap<ValidatorIndex, Asked>,
    /// When an answer may be broadcast again.
    aloud_at: Time,
    /// When all that was passed on would have been, had it gone evenly.
    passes_at: Time,
    /// Counts broadcasts: a new attempt is relayed although the last one said the same.
    attempt: u8,
}

/// A question, as it came last.
#[derive(Debug)]
struct Asked {
    nonce: Hash,
    /// Whence it came.
    link: LinkId,
    /// Whose answers went there since.
    sent_back: BTreeSet<ValidatorIndex>,
    /// Whose were relayed to everybody since.
    relayed: BTreeSet<ValidatorIndex>,
    /// When and how often this node has answered, ever more rarely: who asks on and on makes all
    /// others speak.
    answered: Option<(Time, u32)>,
    /// How often by broadcast.
    aloud: u32,
}

/// Whether somebody who was answered then and asks now is not the same trouble any more: after twice
/// the longest pause.
fn is_another_story(now: Time, answered: Time, patience: Duration) -> bool {
    now.since(answered) >= pause(patience * 4, u32::MAX)
}

impl Vouching {
    pub(super) const fn new(attempt: u8) -> Self {
        Self { asked: BTreeMap::new(), aloud_at: Time::ZERO, passes_at: Time::ZERO, attempt }
    }

    /// Somebody's question came over a link.
    fn hear(&mut self, requester: ValidatorIndex, nonce: Hash, link: LinkId) {
        let (sent_back, relayed) = Default::default();
        let (answered, aloud) =
            self.asked.get(&requester).map_or((None, 0), |before| (before.answered, before.aloud));
        self.asked.insert(requester, Asked { nonce, link, sent_back, relayed, answered, aloud });
    }

    /// Whether to answer now, and how often that was done before.
    fn answer(&mut self, now: Time, requester: ValidatorIndex, patience: Duration) -> Option<u32> {
        let asked = self.asked.get_mut(&requester)?;
        let times = match asked.answered {
            None => 0,
            Some((at, times)) if now.since(at) < pause(patience, times) => return None,
            Some((at, _)) if is_another_story(now, at, patience) => 0,
            Some((_, times)) => times.saturating_add(1),
        };
        asked.answered = Some((now, times));
        Some(times)
    }

    /// Whether to broadcast an answer, and as which attempt.
    fn aloud(
        &mut self,
        now: Time,
        requester: ValidatorIndex,
        patience: Duration,
        pause: Duration,
    ) -> Option<u8> {
        let waits =
            |it: &&Asked| it.answered.is_some_and(|(at, _)| !is_another_story(now, at, patience));
        let least = self.asked.values().filter(waits).map(|it| it.aloud).min()?;
        let asked = self.asked.get_mut(&requester).filter(|it| it.aloud <= least)?;
        if now < self.aloud_at {
            return None;
        }
        asked.aloud += 1;
        self.aloud_at = now + pause;
        let attempt = self.attempt;
        self.attempt = attempt.wrapping_add(1);
        Some(attempt)
    }

    /// The question that is answered, unless too much was passed on lately.
    fn passes(
        &mut self,
        now: Time,
        testimony: &Testimony,
        validators: u32,
        passed: impl Fn(&mut Asked) -> &mut BTreeSet<ValidatorIndex>,
    ) -> Option<&Asked> {
        let asked = self.asked.get_mut(&testimony.requester)?;
        let begins = self.passes_at.max(now);
        let is_calm = begins.since(now) <= PASSED_EACH * validators;
        let goes = asked.nonce == testimony.nonce && is_calm;
        if !goes || !passed(asked).insert(testimony.voter) {
            return None;
        }
        self.passes_at = begins + PASSED_EACH;
        Some(asked)
    }
}

impl Consensus {
    /// Somebody asks, over a link: vouch, unless this validator has forgotten something itself.
    pub(super) fn vouch(&mut self, link: LinkId, inquiry: &Inquiry) {
        let Inquiry { requester, nonce, .. } = *inquiry;
        self.vouching.hear(requester, nonce, link);
        let is_able = self.index().is_some_and(|index| index != requester) && self.has_recalled();
        if !is_able {
            return;
        }
        let (now, patience) = (self.now, self.pacemaker.patience());
        let Some(times) = self.vouching.answer(now, requester, patience) else { return };
        let Some(testimony) = self.testify(requester, nonce) else { return };
        let neighbour = self.link_to_validator(requester);
        let (link, message) = (neighbour.unwrap_or(link), Message::Answer(testimony));
        self.outputs.push_back(Output::Send { link, message });
        if times == 0 || neighbour.is_some() {
            return;
        }
        let pause = ALOUD_EACH * self.count_of_validators();
        if let Some(attempt) = self.vouching.aloud(now, requester, patience, pause) {
            let message = Message::Testimony(testimony);
            self.outputs.push_back(Output::Broadcast { message, attempt });
        }
    }

    fn count_of_validators(&self) -> u32 {
        u32::try_from(self.validators.len()).expect("they are numbered by sixteen bits")
    }

    fn link_to_validator(&self, index: ValidatorIndex) -> Option<LinkId> {
        self.sync.link_to(self.validators.peer(index)?)
    }

    /// Somebody else's answer goes on to whoever asked, or to a neighbour nearer to it.
    pub(super) fn send_back(&mut self, testimony: Testimony) {
        let there = self.link_to_validator(testimony.requester);
        let (now, validators) = (self.now, self.count_of_validators());
        let asked = self.vouching.passes(now, &testimony, validators, |it| &mut it.sent_back);
        if let Some(way) = asked.map(|it| it.link) {
            let (link, message) = (there.unwrap_or(way), Message::Answer(testimony));
            self.outputs.push_back(Output::Send { link, message });
        }
    }

    /// An answer that was broadcast goes on if somebody waits for it.
    pub(super) fn relay_answer(&mut self, testimony: &Testimony) {
        let (now, validators) = (self.now, self.count_of_validators());
        let passes = self.vouching.passes(now, testimony, validators, |it| &mut it.relayed);
        if passes.is_some() {
            self.outputs.push_back(Output::Relay);
        }
    }
}
