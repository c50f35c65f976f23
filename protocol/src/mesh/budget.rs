//! What a link may deliver: integer token buckets, filled by time, emptied by frames.

use crate::time::Time;

/// How much of something a link may deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once, after a pause.
    pub burst: u64,
    /// On average.
    pub per_second: u64,
}

/// What a link may deliver before it counts as flooding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes of frames.
    pub bytes: Rate,
    /// Frames.
    pub frames: Rate,
    /// Announcements of messages, and questions for them.
    pub digests: Rate,
}

/// What is left of a link's [`Allowance`].
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Bucket,
    frames: Bucket,
    digests: Bucket,
}

impl Budget {
    pub(super) fn new(now: Time, allowance: &Allowance) -> Self {
        Self {
            bytes: Bucket::new(now, allowance.bytes),
            frames: Bucket::new(now, allowance.frames),
            digests: Bucket::new(now, allowance.digests),
        }
    }

    /// Pays for one frame of `bytes`; whether there was enough left.
    pub(super) fn spend(&mut self, now: Time, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.frames.take(now, 1) && self.bytes.take(now, bytes)
    }

    /// Pays for so many digests; whether there was enough left.
    pub(super) fn spend_digests(&mut self, now: Time, digests: usize) -> bool {
        self.digests.take(now, u64::try_from(digests).unwrap_or(u64::MAX))
    }
}

const MICROS: u64 = 1_000_000;

/// Holds what may be spent of a [`Rate`].
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// In millionths, so that a microsecond's share is a whole number.
    level: u64,
    updated: Time,
}

impl Bucket {
    pub(super) const fn new(now: Time, rate: Rate) -> Self {
        Self { rate, level: rate.burst.saturating_mul(MICROS), updated: now }
    }

    /// Pays `amount`; whether there was enough left.
    pub(super) fn take(&mut self, now: Time, amount: u64) -> bool {
        let elapsed = now.as_micros().saturating_sub(self.updated.as_micros());
        self.level = self
            .level
            .saturating_add(elapsed.saturating_mul(self.rate.per_second))
            .min(self.rate.burst.saturating_mul(MICROS));
        self.updated = now;
        let left = self.level.checked_sub(amount.saturating_mul(MICROS));
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let rate = Rate { burst: 10, per_second: 2 };
        let mut bucket = Bucket::new(Time::ZERO, rate);
        assert!(bucket.take(Time::ZERO, 10));
        assert!(!bucket.take(Time::ZERO, 1));
        assert!(!bucket.take(Time::from_micros(499_999), 1));
        assert!(bucket.take(Time::from_micros(500_000), 1));
        assert!(!bucket.take(Time::from_micros(500_001), 1));
        assert!(bucket.take(Time::from_micros(u64::MAX), 10));
        assert!(!bucket.take(Time::from_micros(u64::MAX), 1));
    }

    #[test]
    fn frames_and_bytes_are_both_counted() {
        let allowance = Allowance {
            bytes: Rate { burst: 100, per_second: 1 },
            frames: Rate { burst: 3, per_second: 1 },
            digests: Rate { burst: 2, per_second: 1 },
        };
        let mut budget = Budget::new(Time::ZERO, &allowance);
        assert!(budget.spend(Time::ZERO, 60));
        assert!(!budget.spend(Time::ZERO, 60));
        assert!(budget.spend(Time::ZERO, 40));
        assert!(!budget.spend(Time::ZERO, 0));
        assert!(budget.spend_digests(Time::ZERO, 2));
        assert!(!budget.spend_digests(Time::ZERO, 1));
    }
}
