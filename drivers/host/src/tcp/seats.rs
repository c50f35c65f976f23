//! How many strangers may be connected at once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::sync::{Arc, Mutex, MutexGuard, lock};

/// Counts inbound connections, in total and by where they come from.
#[derive(Clone)]
pub struct Seats {
    most: usize,
    most_per_source: usize,
    taken: Arc<Mutex<BTreeMap<Source, usize>>>,
}

/// What one party can be assumed to own: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Source(u128);

/// The right to be connected, given back when dropped.
pub struct Seat {
    seats: Seats,
    source: Source,
}

impl Seats {
    /// So many seats, and so many of them for one source.
    pub fn new(most: usize, most_per_source: usize) -> Self {
        Self { most, most_per_source, taken: Arc::new(Mutex::new(BTreeMap::new())) }
    }

    /// A seat for somebody from `address`, if one is free.
    pub fn take(&self, address: IpAddr) -> Option<Seat> {
        let source = Source::of(address);
        let mut taken = self.lock();
        let from_source = taken.get(&source).copied().unwrap_or(0);
        if taken.values().sum::<usize>() >= self.most || from_source >= self.most_per_source {
            return None;
        }
        taken.insert(source, from_source + 1);
        drop(taken);
        Some(Seat { seats: self.clone(), source })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Source, usize>> {
        lock(&self.taken)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        let left = taken.get(&self.source).map_or(0, |count| count - 1);
        if left == 0 {
            taken.remove(&self.source);
        } else {
            taken.insert(self.source, left);
        }
    }
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u128::from(address.to_bits())),
            IpAddr::V6(address) => Self(address.to_bits() >> 64 << 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_source_cannot_take_all_seats_and_all_sources_no_more_than_there_are() {
        let seats = Seats::new(3, 2);
        let first = seats.take(address("192.0.2.1"));
        let second = seats.take(address("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(seats.take(address("192.0.2.1")).is_none());
        let third = seats.take(address("2001:db8::1"));
        assert!(third.is_some());
        assert!(seats.take(address("192.0.2.2")).is_none());
        drop(first);
        let fourth = seats.take(address("2001:db8::ffff"));
        assert!(fourth.is_some());
        drop((second, third, fourth));
        assert!(seats.lock().is_empty());
    }
}
