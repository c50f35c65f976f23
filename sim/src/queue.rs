//! What happens next: a priority queue over `(time, sequence)`, a total order without ties.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use bitcraps_protocol::time::Time;

/// A queue that hands out its items by time and, within one microsecond, in the order in which
/// they were pushed.
pub trait Queue<T> {
    /// Adds an item; one that lies in the past comes next.
    fn push(&mut self, at: Time, item: T);

    /// Takes the next item and its time.
    fn pop(&mut self) -> Option<(Time, T)>;
}

/// Microseconds of one bucket of the ring.
const BUCKET_MICROS: u64 = 64;

/// Buckets of the ring: what lies within 65.5 ms is found without a search.
const BUCKETS: usize = 1024;

#[derive(Debug)]
struct Entry<T> {
    at: u64,
    sequence: u64,
    item: T,
}

/// A calendar queue: a ring of short buckets for the near future, a map for the rest.
#[derive(Debug)]
pub struct Calendar<T> {
    /// The time of the last item that was handed out, in microseconds.
    now: u64,
    /// What was pushed for that very time since then: it comes after all that was there before, and
    /// would have to be moved past it one by one.
    at_once: VecDeque<T>,
    /// The bucket being emptied, latest first, so that the next item is at its end.
    current: Vec<Entry<T>>,
    /// Which bucket that is, counted from time zero.
    bucket: u64,
    ring: Vec<Vec<Entry<T>>>,
    in_ring: usize,
    /// What lies beyond the ring, by bucket.
    far: BTreeMap<u64, Vec<Entry<T>>>,
    sequence: u64,
    length: usize,
}

impl<T> Default for Calendar<T> {
    fn default() -> Self {
        Self {
            now: 0,
            at_once: VecDeque::new(),
            current: Vec::new(),
            bucket: 0,
            ring: (0..BUCKETS).map(|_| Vec::new()).collect(),
            in_ring: 0,
            far: BTreeMap::new(),
            sequence: 0,
            length: 0,
        }
    }
}

impl<T> Calendar<T> {
    /// How many items wait.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Everything that waits, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let rest = self.ring.iter().chain(self.far.values()).flatten();
        self.current.iter().chain(rest).map(|entry| &entry.item).chain(&self.at_once)
    }

    /// Makes the next nonempty bucket the current one.
    fn refill(&mut self) {
        while self.current.is_empty() && self.length > 0 {
            self.bucket = self.next_bucket();
            let slot = (self.bucket % BUCKETS as u64) as usize;
            std::mem::swap(&mut self.current, &mut self.ring[slot]);
            self.in_ring -= self.current.len();
            self.current.extend(self.far.remove(&self.bucket).into_iter().flatten());
            self.current.sort_unstable_by_key(|entry| Reverse((entry.at, entry.sequence)));
        }
    }

    fn next_bucket(&self) -> u64 {
        let far = self.far.first_key_value().map(|(bucket, _)| *bucket);
        let near = (self.in_ring > 0).then(|| {
            let mut ahead = (1..=BUCKETS as u64).map(|step| self.bucket + step);
            let filled = |bucket: &u64| !self.ring[(*bucket % BUCKETS as u64) as usize].is_empty();
            ahead.find(filled).expect("the ring holds something")
        });
        near.into_iter().chain(far).min().expect("something waits")
    }
}

impl<T> Queue<T> for Calendar<T> {
    fn push(&mut self, at: Time, item: T) {
        let at = at.as_micros().max(self.now);
        self.length += 1;
        if at == self.now {
            return self.at_once.push_back(item);
        }
        let entry = Entry { at, sequence: self.sequence, item };
        self.sequence += 1;
        let bucket = at / BUCKET_MICROS;
        if bucket == self.bucket {
            // Later ones go towards the front; of one time, the newest goes last.
            let place = self.current.partition_point(|other| other.at > at);
            self.current.insert(place, entry);
        } else if bucket < self.bucket + BUCKETS as u64 {
            self.ring[(bucket % BUCKETS as u64) as usize].push(entry);
            self.in_ring += 1;
        } else {
            self.far.entry(bucket).or_default().push(entry);
        }
    }

    fn pop(&mut self) -> Option<(Time, T)> {
        let earlier = self.current.last().is_some_and(|entry| entry.at == self.now);
        if !earlier && let Some(item) = self.at_once.pop_front() {
            self.length -= 1;
            return Some((Time::from_micros(self.now), item));
        }
        self.refill();
        let entry = self.current.pop()?;
        self.length -= 1;
        self.now = entry.at;
        Some((Time::from_micros(entry.at), entry.item))
    }
}

/// The same by the standard library's heap: the reference, and a rival to measure against.
#[derive(Debug)]
pub struct Heap<T> {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    items: VecDeque<Option<T>>,
    first: u64,
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), items: VecDeque::new(), first: 0 }
    }
}

impl<T> Queue<T> for Heap<T> {
    fn push(&mut self, at: Time, item: T) {
        self.heap.push(Reverse((at.as_micros(), self.first + self.items.len() as u64)));
        self.items.push_back(Some(item));
    }

    fn pop(&mut self) -> Option<(Time, T)> {
        let Reverse((at, sequence)) = self.heap.pop()?;
        let item = self.items[(sequence - self.first) as usize].take();
        while self.items.front().is_some_and(Option::is_none) {
            self.items.pop_front();
            self.first += 1;
        }
        item.map(|item| (Time::from_micros(at), item))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_calendar_pops_in_the_order_of_a_binary_heap(
            steps in prop::collection::vec(
                prop_oneof![
                    Just(Some(0)),
                    (0u64..200).prop_map(Some),
                    (0u64..200_000).prop_map(Some),
                    (0u64..50_000_000).prop_map(Some),
                    Just(None),
                    Just(None),
                ],
                0..400,
            ),
        ) {
            let (mut calendar, mut heap) = (Calendar::default(), Heap::default());
            let mut now = Time::ZERO;
            for (index, step) in steps.into_iter().enumerate() {
                match step {
                    Some(delay) => {
                        let at = Time::from_micros(now.as_micros() + delay);
                        calendar.push(at, index);
                        heap.push(at, index);
                    }
                    None => {
                        let popped = calendar.pop();
                        prop_assert_eq!(popped, heap.pop());
                        now = popped.map_or(now, |(at, _)| at);
                    }
                }
            }
            while let Some(popped) = heap.pop() {
                prop_assert_eq!(calendar.pop(), Some(popped));
            }
            prop_assert!(calendar.is_empty() && calendar.pop().is_none());
        }
    }

    #[test]
    fn what_is_pushed_into_the_past_comes_next() {
        let mut calendar = Calendar::default();
        calendar.push(Time::from_micros(1_000), 'a');
        calendar.push(Time::from_micros(1_040), 'b');
        assert_eq!(calendar.pop(), Some((Time::from_micros(1_000), 'a')));
        calendar.push(Time::from_micros(1_000), 'c');
        assert_eq!(calendar.pop().map(|(_, item)| item), Some('c'));
        assert_eq!(calendar.len(), 1);
    }
}
