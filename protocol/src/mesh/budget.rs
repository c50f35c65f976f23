//! What a link may deliver: integer token buckets, filled by time, emptied by frames.

use alloc::collections::BTreeMap;

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
    /// Work for nothing or for the neighbour alone: questions, and messages that turn out to be of
    /// no use. In checks of signatures, of about 50 µs each. Votes and all else that brings a view
    /// forward cost nothing here: authors have budgets for that, by view.
    pub work: Rate,
}

/// What is left of a link's [`Allowance`].
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Bucket,
    frames: Bucket,
    digests: Bucket,
    work: Bucket,
}

impl Budget {
    pub(super) fn new(now: Time, allowance: &Allowance) -> Self {
        Self {
            bytes: Bucket::new(now, allowance.bytes),
            frames: Bucket::new(now, allowance.frames),
            digests: Bucket::new(now, allowance.digests),
            work: Bucket::new(now, allowance.work),
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

    /// Pays for work; whether there was enough left.
    pub(super) fn spend_work(&mut self, now: Time, work: u64) -> bool {
        self.work.take(now, work)
    }
}

/// Budgets of many, one each. At most so many are kept; the victim is the one that is spent least,
/// so that nobody gets a new budget by making room.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    most: usize,
    buckets: BTreeMap<K, Bucket>,
}

impl<K: Ord + Clone> Buckets<K> {
    pub(crate) const fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, buckets: BTreeMap::new() }
    }

    /// Pays `amount` for `key`; whether there was enough left.
    pub(crate) fn take(&mut self, now: Time, key: &K, amount: u64) -> bool {
        if let Some(bucket) = self.buckets.get_mut(key) {
            return bucket.take(now, amount);
        }
        self.make_room(now);
        self.buckets.entry(key.clone()).or_insert(Bucket::new(now, self.rate)).take(now, amount)
    }

    /// Takes `amount` from `key`, or as much as there is.
    pub(crate) fn charge(&mut self, now: Time, key: &K, amount: u64) {
        if !self.take(now, key, amount)
            && let Some(bucket) = self.buckets.get_mut(key)
        {
            bucket.level = 0;
        }
    }

    /// Whether `key` could pay `amount`.
    pub(crate) fn affords(&mut self, now: Time, key: &K, amount: u64) -> bool {
        match self.buckets.get_mut(key) {
            Some(bucket) => bucket.affords(now, amount),
            None => amount <= self.rate.burst,
        }
    }

    fn make_room(&mut self, now: Time) {
        if self.buckets.len() < self.most {
            return;
        }
        // Whoever has everything left loses nothing.
        let rate = self.rate;
        self.buckets.retain(|_, bucket| !bucket.affords(now, rate.burst));
        if self.buckets.len() >= self.most {
            let fullest = self.buckets.iter().max_by_key(|(_, bucket)| bucket.level);
            if let Some(key) = fullest.map(|(key, _)| key.clone()) {
                self.buckets.remove(&key);
            }
        }
    }
}

const MICROS: u64 = 1_000_000;

/// Holds what may be spent of a [`Rate`].
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    /// In millionths, so that a microsecond's share is a whole number.
    level: u64,
    updated: Time,
}

impl Bucket {
    pub(crate) const fn new(now: Time, rate: Rate) -> Self {
        Self { rate, level: rate.burst.saturating_mul(MICROS), updated: now }
    }

    /// Pays `amount`; whether there was enough left.
    pub(crate) fn take(&mut self, now: Time, amount: u64) -> bool {
        self.fill(now);
        let left = self.level.checked_sub(amount.saturating_mul(MICROS));
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }

    /// Gives `amount` back.
    pub(super) fn give(&mut self, now: Time, amount: u64) {
        self.fill(now);
        let most = self.rate.burst.saturating_mul(MICROS);
        self.level = self.level.saturating_add(amount.saturating_mul(MICROS)).min(most);
    }

    /// Whether `amount` is left.
    pub(crate) fn affords(&mut self, now: Time, amount: u64) -> bool {
        self.fill(now);
        self.level >= amount.saturating_mul(MICROS)
    }

    /// What is left, in millionths.
    pub(super) fn left(&self, now: Time) -> u64 {
        let elapsed = now.as_micros().saturating_sub(self.updated.as_micros());
        self.level
            .saturating_add(elapsed.saturating_mul(self.rate.per_second))
            .min(self.rate.burst.saturating_mul(MICROS))
    }

    fn fill(&mut self, now: Time) {
        self.level = self.left(now);
        self.updated = now;
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
            work: Rate { burst: 5, per_second: 1 },
        };
        let mut budget = Budget::new(Time::ZERO, &allowance);
        assert!(budget.spend(Time::ZERO, 60));
        assert!(!budget.spend(Time::ZERO, 60));
        assert!(budget.spend(Time::ZERO, 40));
        assert!(!budget.spend(Time::ZERO, 0));
        assert!(budget.spend_digests(Time::ZERO, 2));
        assert!(!budget.spend_digests(Time::ZERO, 1));
        assert!(budget.spend_work(Time::ZERO, 5));
        assert!(!budget.spend_work(Time::ZERO, 1));
    }

    #[test]
    fn many_have_a_budget_each_and_a_crowd_renews_nobodys() {
        let mut buckets = Buckets::new(Rate { burst: 5, per_second: 1 }, 8);
        assert!(buckets.take(Time::ZERO, &0, 5));
        for key in 1..1000 {
            assert!(buckets.take(Time::ZERO, &key, 1));
            assert!(!buckets.take(Time::ZERO, &0, 1), "spent most, so kept");
            assert!(buckets.buckets.len() <= 8);
        }
        let later = Time::from_micros(1_000_000);
        assert!(buckets.affords(later, &0, 1) && buckets.take(later, &0, 1));
        assert!(!buckets.affords(later, &0, 1));
    }
}
