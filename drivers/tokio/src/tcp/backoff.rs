//! When to dial a peer again.

use std::time::Duration;

use bitcraps_protocol::event::CloseReason;
use bitcraps_protocol::rng::Rng;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(100);
/// After many.
const LONGEST: Duration = Duration::from_secs(15);
/// A connection that lived as long as this was a success: what ended it is a new story.
const SUCCESS: Duration = Duration::from_secs(10);
/// While another link to the same peer is up, which may go down without our noticing here.
const DUPLICATE: Duration = Duration::from_secs(10);
/// After the peer broke the protocol: it will most likely do so again.
const FAULT: Duration = Duration::from_secs(60);

/// How a connection, or an attempt at one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nobody answered.
    Unreachable,
    /// The connection broke, or the other side ended it.
    Lost { lived: Duration },
    /// The node closed it.
    Closed(CloseReason),
}

/// Counts failures and spreads the next attempts in time, so that nodes that lost each other at the
/// same moment do not all return at the same moment.
pub(super) struct Backoff {
    rng: Rng,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, failures: 0 }
    }

    /// How long to wait after `ending`; `None` for ever. At least half of what it could be.
    pub(super) fn after(&mut self, ending: Ending) -> Option<Duration> {
        let most = match ending {
            Ending::Unreachable => self.grow(),
            Ending::Lost { lived } => {
                if lived >= SUCCESS {
                    self.failures = 0;
                }
                self.grow()
            }
            Ending::Closed(CloseReason::TimedOut) => self.grow(),
            Ending::Closed(CloseReason::Full) => LONGEST,
            Ending::Closed(CloseReason::Duplicate) => {
                self.failures = 0;
                DUPLICATE
            }
            Ending::Closed(CloseReason::Fault(_)) => FAULT,
            Ending::Closed(CloseReason::Oneself) => return None,
        };
        let half = most / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        Some(half + Duration::from_micros(self.rng.below(micros)))
    }

    fn grow(&mut self) -> Duration {
        let delay = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        delay.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::event::Fault;

    use super::*;

    fn delays(endings: &[Ending]) -> Vec<Option<u128>> {
        let mut backoff = Backoff::new(Rng::new([1; 32]));
        endings.iter().map(|ending| backoff.after(*ending).map(|delay| delay.as_millis())).collect()
    }

    #[track_caller]
    fn assert_within(delay: Option<u128>, most: u128) {
        let delay = delay.unwrap();
        assert!((most / 2..=most).contains(&delay), "{delay} ms for at most {most} ms");
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_bound() {
        let delays = delays(&[Ending::Unreachable; 40]);
        for (delay, most) in delays.iter().zip([100, 200, 400, 800, 1600, 3200, 6400, 12_800]) {
            assert_within(*delay, most);
        }
        for delay in &delays[8..] {
            assert_within(*delay, 15_000);
        }
    }

    #[test]
    fn a_connection_that_lived_starts_the_count_again() {
        let lost = |seconds| Ending::Lost { lived: Duration::from_secs(seconds) };
        let delays = delays(&[Ending::Unreachable, lost(1), lost(60), lost(1)]);
        for (delay, most) in delays.into_iter().zip([100, 200, 100, 200]) {
            assert_within(delay, most);
        }
    }

    #[test]
    fn what_the_node_said_decides() {
        let closed = |reason| delays(&[Ending::Closed(reason)])[0];
        assert_within(closed(CloseReason::TimedOut), 100);
        assert_within(closed(CloseReason::Duplicate), 10_000);
        assert_within(closed(CloseReason::Full), 15_000);
        assert_within(closed(CloseReason::Fault(Fault::Malformed)), 60_000);
        assert_eq!(closed(CloseReason::Oneself), None);
    }
}
