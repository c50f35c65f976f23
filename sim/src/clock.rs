//! A node's clocks: a monotonic one that starts anywhere and drifts, and a wall clock that also
//! jumps. Timers fire in local time.

use bitcraps_protocol::time::Time;

/// When simulations begin, in Unix milliseconds.
pub const START_UNIX_MS: u64 = 1_700_000_000_000;

/// One node's clocks.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Local time at simulated time zero, in microseconds.
    pub offset_micros: u64,
    /// How fast it is: parts in a million more than true.
    pub drift_ppm: i64,
    /// How wrong the wall clock is, in milliseconds.
    pub wall_error_ms: i64,
}

impl Clock {
    /// Local time at the simulated time `at`.
    pub fn local(&self, at: Time) -> Time {
        if self.drift_ppm == 0 {
            return Time::from_micros(self.offset_micros.saturating_add(at.as_micros()));
        }
        let at = i128::from(at.as_micros());
        let gone = at + at * i128::from(self.drift_ppm) / 1_000_000;
        let local = i128::from(self.offset_micros) + gone.max(0);
        Time::from_micros(u64::try_from(local).unwrap_or(u64::MAX))
    }

    /// The first simulated time at which local time is not before `local`.
    pub fn simulated(&self, local: Time) -> Time {
        if self.drift_ppm == 0 {
            return Time::from_micros(local.as_micros().saturating_sub(self.offset_micros));
        }
        let gone = i128::from(local.as_micros()) - i128::from(self.offset_micros);
        let guess = gone.max(0) * 1_000_000 / (1_000_000 + i128::from(self.drift_ppm));
        let mut at = Time::from_micros(u64::try_from(guess).unwrap_or(u64::MAX).saturating_sub(2));
        while self.local(at) < local {
            let Some(next) = at.as_micros().checked_add(1) else { return at };
            at = Time::from_micros(next);
        }
        at
    }

    /// What the wall clock says at the simulated time `at`.
    pub fn unix_ms(&self, at: Time) -> u64 {
        (START_UNIX_MS + at.as_micros() / 1_000).saturating_add_signed(self.wall_error_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_timer_fires_at_the_first_moment_that_is_not_too_early(
            offset_micros in 0u64..1_000_000_000,
            drift_ppm in prop_oneof![Just(0), -200_000i64..200_000],
            deadline in 0u64..10_000_000_000,
        ) {
            let clock = Clock { offset_micros, drift_ppm, wall_error_ms: 0 };
            let local = Time::from_micros(deadline);
            let at = clock.simulated(local);
            prop_assert!(clock.local(at) >= local);
            if at > Time::ZERO {
                let before = Time::from_micros(at.as_micros() - 1);
                prop_assert!(clock.local(before) < local);
            }
        }
    }
}
