//! What the process hands to its audit log besides the node's notices.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Event, WAITING};

/// Refusals that are written at once.
const BURST: u32 = 32;
/// Seconds after which one more is.
const PAUSE: u64 = 2;
/// Bytes that are kept of what was asked for.
const REQUEST_BYTES: usize = 128;

/// Hands events to the audit log. Cheap to copy; never waits.
#[derive(Clone, Debug)]
pub struct Auditor {
    sender: SyncSender<Event>,
    budget: Arc<Mutex<Budget>>,
}

/// Events for a log that has not begun.
#[derive(Debug)]
pub struct Waiting(pub(super) Receiver<Event>);

/// Whoever may ask can ask often: that must not fill a disk.
#[derive(Debug)]
struct Budget {
    left: u32,
    since: Instant,
    missed: u64,
}

impl Auditor {
    /// One for a log that is yet to begin.
    pub fn new() -> (Self, Waiting) {
        let (sender, receiver) = sync_channel(WAITING);
        let budget = Budget { left: BURST, since: Instant::now(), missed: 0 };
        (Self { sender, budget: Arc::new(Mutex::new(budget)) }, Waiting(receiver))
    }

    pub(super) fn sender(&self) -> SyncSender<Event> {
        self.sender.clone()
    }

    /// The API refused `request`, a method and a path. After some dozens in a row only one in two
    /// seconds is written down, with how many were not.
    pub fn refused(&self, request: &str, code: &str, reason: &str) {
        let cut = |text: &str| text.chars().take(REQUEST_BYTES).collect();
        let (request, code, reason) = (cut(request), code.to_owned(), cut(reason));
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if !budget.take(Instant::now()) {
            budget.missed += 1;
            return;
        }
        let missed = std::mem::take(&mut budget.missed);
        drop(budget);
        if missed > 0 {
            self.send(Event::Missed { events: missed });
        }
        self.send(Event::Refused { request, code, reason });
    }

    fn send(&self, event: Event) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(event) {
            self.budget.lock().unwrap_or_else(PoisonError::into_inner).missed += 1;
        }
    }
}

impl Budget {
    fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.since).as_secs() / PAUSE;
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(BURST);
            self.left = self.left.saturating_add(earned).min(BURST);
            self.since = now;
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn refusals_without_end_fill_no_disk() {
        let begun = Instant::now();
        let mut budget = Budget { left: BURST, since: begun, missed: 0 };
        let mut within = |seconds: u64| {
            let now = begun + Duration::from_secs(seconds);
            (0..100).filter(|_| budget.take(now)).count()
        };
        let counts = [0, 1, 2, 3, 8, 1_000_000].map(&mut within);
        assert_eq!(counts, [32, 0, 1, 0, 3, 32]);
    }

    #[test]
    fn how_many_refusals_were_not_written_is_written() {
        let (auditor, waiting) = Auditor::new();
        for _ in 0..40 {
            auditor.refused(&"x".repeat(1000), "refused", "no");
        }
        let events: Vec<Event> = waiting.0.try_iter().collect();
        assert_eq!(events.len(), 32);
        let request = "x".repeat(REQUEST_BYTES);
        let (code, reason) = ("refused".to_owned(), "no".to_owned());
        assert_eq!(events[0], Event::Refused { request, code, reason });
        assert_eq!(auditor.budget.lock().unwrap().missed, 8);
    }
}
