//! When a view has taken too long. Time-outs follow the views' measured length between bounds,
//! double while views fail, and come back as they succeed.

use core::time::Duration;

use super::Config;
use crate::block::View;
use crate::time::Time;

/// The timers of the view this node is in.
#[derive(Debug)]
pub(super) struct Pacemaker {
    config: Config,
    entered_at: Time,
    /// When there was first something to agree on in this view.
    busy_since: Option<Time>,
    /// Smoothed length of successful views, from being busy to being left.
    typical: Duration,
    /// Failed views not yet made up for by successful ones.
    failures: u32,
    /// When to say everything once more, and how long to wait after that.
    resend_at: Time,
    resend_after: Duration,
    /// When votes were broadcast last, if this process has done so.
    spoke_at: Option<Time>,
}

/// How a view ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Notarized,
    Nullified,
}

impl Pacemaker {
    pub(super) fn new(config: Config, now: Time) -> Self {
        let typical = config.timeout_initial / TIMEOUT_PER_TYPICAL_VIEW;
        let mut pacemaker = Self {
            config,
            entered_at: now,
            busy_since: None,
            typical,
            failures: 0,
            resend_at: now,
            resend_after: Duration::ZERO,
            spoke_at: None,
        };
        pacemaker.rearm(now);
        pacemaker
    }

    /// The node enters its next view because the one before ended so.
    pub(super) fn enter(&mut self, now: Time, ending: Ending) {
        match ending {
            Ending::Notarized => {
                self.failures = self.failures.saturating_sub(1);
                if let Some(since) = self.busy_since {
                    // 7/8 old, 1/8 new: a single slow view hardly moves it.
                    self.typical = (self.typical * 7 + now.since(since)) / 8;
                }
            }
            Ending::Nullified => self.failures = (self.failures + 1).min(MAX_DOUBLINGS),
        }
        self.busy_since = None;
        self.rearm(now);
    }

    /// There is something to agree on now.
    pub(super) fn busy(&mut self, now: Time) {
        self.busy_since.get_or_insert(now);
    }

    /// How long the leader may wait for something to order.
    pub(super) fn idle_until(&self, brisk: bool) -> Time {
        self.entered_at + if brisk { self.config.idle_brisk } else { self.config.idle_quiet }
    }

    /// When this view is given up.
    pub(super) fn gives_up_at(&self, brisk: bool) -> Time {
        self.busy_since.unwrap_or_else(|| self.idle_until(brisk)) + self.timeout()
    }

    /// Δ: how long a view may take once there is something to agree on.
    pub(super) fn timeout(&self) -> Duration {
        let base = (self.typical * TIMEOUT_PER_TYPICAL_VIEW)
            .clamp(self.config.timeout_min, self.config.timeout_max);
        (base * (1 << self.failures)).min(self.config.timeout_max)
    }

    /// How long neighbours may take to answer, in all: half of what a view may take, if that is more
    /// than is configured. Where certificates take seconds to cross a link, whoever asks sooner gets
    /// the same one several times.
    pub(super) fn patience(&self) -> Duration {
        let configured = self.config.answer_timeout;
        (self.timeout() / 2).clamp(configured, configured * MOST_PATIENCE)
    }

    /// How long one neighbour may take to show a certificate before the next one is asked, and until
    /// the same one is shown to it again.
    pub(super) fn patience_with_certificates(&self) -> Duration {
        (self.timeout() / 8).max(self.config.answer_timeout / 4)
    }

    pub(super) const fn resend_at(&self) -> Time {
        self.resend_at
    }

    /// Something was said for the first time.
    pub(super) fn said(&mut self, now: Time) {
        self.spoke_at = Some(now);
        self.resend_at = self.resend_at.max(now + self.resend_after);
    }

    /// Everything was said once more: wait longer the next time.
    pub(super) fn resent(&mut self, now: Time) {
        self.resend_after = (self.resend_after * 3 / 2).min(self.config.resend_max);
        self.resend_at = now + self.resend_after;
    }

    /// Whether one of so many validators may broadcast once more what it said before; then it is
    /// taken to do so.
    pub(super) fn repeats(&mut self, now: Time, validators: usize) -> bool {
        let pause = REPEAT_EACH * u32::try_from(validators).unwrap_or(u32::MAX);
        let repeats = self.spoke_at.is_none_or(|at| now.since(at) >= pause);
        if repeats {
            self.spoke_at = Some(now);
        }
        repeats
    }

    fn rearm(&mut self, now: Time) {
        self.entered_at = now;
        self.resend_after = self.timeout().min(self.config.resend_max);
        self.resend_at = now + self.resend_after;
    }
}

/// How many times the configured patience with neighbours is the most.
const MOST_PATIENCE: u32 = 8;

/// For each validator, the least time between two broadcasts of the same by one of them: all
/// together repeat themselves no more than ten times a second, whatever their number. Neighbours ask
/// one another for votes that they lack more often than that.
const REPEAT_EACH: Duration = Duration::from_millis(100);

/// A view is given up after this many times its typical length.
const TIMEOUT_PER_TYPICAL_VIEW: u32 = 4;

/// Time-outs double at most this often; then they stay, so that a long outage is not followed by a
/// longer silence.
const MAX_DOUBLINGS: u32 = 6;

/// A validator that was not heard from in this many views is skipped when it leads.
pub(super) const INACTIVE_AFTER: u64 = 10;

/// Whether a validator last heard from in view `seen` counts as active in `view`.
pub(super) const fn is_active(seen: View, view: View) -> bool {
    seen.0 + INACTIVE_AFTER >= view.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_views_double_the_time_out_and_successful_ones_undo_it() {
        let config = Config::default();
        let mut pacemaker = Pacemaker::new(config, Time::ZERO);
        let first = pacemaker.timeout();
        pacemaker.enter(Time::ZERO, Ending::Nullified);
        assert_eq!(pacemaker.timeout(), first * 2);
        pacemaker.enter(Time::ZERO, Ending::Notarized);
        assert_eq!(pacemaker.timeout(), first);
        for _ in 0..100 {
            pacemaker.enter(Time::ZERO, Ending::Nullified);
        }
        assert_eq!(pacemaker.timeout(), config.timeout_max);
    }

    #[test]
    fn patience_with_neighbours_grows_with_the_views_within_bounds() {
        let config = Config::default();
        let mut pacemaker = Pacemaker::new(config, Time::ZERO);
        assert_eq!(pacemaker.patience(), config.answer_timeout);
        pacemaker.enter(Time::ZERO, Ending::Nullified);
        assert_eq!(pacemaker.patience(), config.answer_timeout * 2);
        (0..10).for_each(|_| pacemaker.enter(Time::ZERO, Ending::Nullified));
        assert_eq!(pacemaker.patience(), config.answer_timeout * MOST_PATIENCE);
        assert_eq!(pacemaker.patience_with_certificates(), config.timeout_max / 8);
    }

    #[test]
    fn hundreds_repeat_themselves_as_often_in_all_as_a_few() {
        let mut pacemaker = Pacemaker::new(Config::default(), Time::ZERO);
        let at = |millis| Time::ZERO + Duration::from_millis(millis);
        assert!(pacemaker.repeats(at(0), 300), "it may have been restarted");
        assert!(!pacemaker.repeats(at(29_999), 300));
        assert!(pacemaker.repeats(at(29_999), 100));
        pacemaker.said(at(30_000));
        assert!(!pacemaker.repeats(at(59_999), 300));
        assert!(pacemaker.repeats(at(60_000), 300));
        assert!(pacemaker.repeats(at(60_400), 4));
    }

    #[test]
    fn a_quiet_view_is_given_up_only_after_its_idle_interval() {
        let config = Config::default();
        let mut pacemaker = Pacemaker::new(config, Time::ZERO);
        let timeout = pacemaker.timeout();
        assert_eq!(pacemaker.gives_up_at(false), Time::ZERO + config.idle_quiet + timeout);
        pacemaker.busy(Time::ZERO + Duration::from_millis(3));
        assert_eq!(pacemaker.gives_up_at(false), Time::ZERO + Duration::from_millis(3) + timeout);
    }
}
