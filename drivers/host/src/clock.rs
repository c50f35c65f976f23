//! The two clocks of a host: one that only goes forward, also while the machine sleeps, by which
//! the node is driven; and the wall clock, which is only ever told to others.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcraps_protocol::time::Time;

/// A clock that starts at [`Time::ZERO`] and never goes back.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Reading,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Self { origin: read() }
    }

    /// Time since the start. Counts suspended time on Linux; elsewhere a suspended machine's
    /// deadlines fire late, never early.
    pub fn now(&self) -> Time {
        Time::ZERO + since(&self.origin)
    }
}

/// What the wall clock says, in milliseconds since the Unix epoch; 0 if it is set before that.
pub fn unix_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(target_os = "linux")]
type Reading = Duration;

#[cfg(target_os = "linux")]
fn read() -> Reading {
    let reading = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(reading.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(reading.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

#[cfg(target_os = "linux")]
fn since(origin: &Reading) -> Duration {
    read().saturating_sub(*origin)
}

#[cfg(not(target_os = "linux"))]
type Reading = std::time::Instant;

#[cfg(not(target_os = "linux"))]
fn read() -> Reading {
    Reading::now()
}

#[cfg(not(target_os = "linux"))]
fn since(origin: &Reading) -> Duration {
    origin.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_at_zero_and_goes_forward() {
        let clock = Clock::start();
        let first = clock.now();
        std::thread::sleep(Duration::from_millis(2));
        let second = clock.now();
        assert!(first < Time::from_micros(1_000_000));
        assert!(second - first >= Duration::from_millis(2));
    }

    #[test]
    fn the_wall_clock_is_set_after_the_year_2020() {
        assert!(unix_ms() > 1_577_836_800_000);
    }
}
