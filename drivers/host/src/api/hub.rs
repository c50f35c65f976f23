//! Where notices meet requests: outcomes for those who wait, events for those who watch.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::Poll;

use bitcraps_protocol::chain::{TableId, TransactionId};
use bitcraps_protocol::craps::Round;
use bitcraps_protocol::event::Notice;
use bytes::Bytes;
use futures_channel::{mpsc, oneshot};

use super::{EventView, Outcome, Outcomes, event};
use crate::sync::{Mutex, StdArc, lock};

/// Events that a slow watcher may be behind before it misses some.
const EVENTS: usize = 1024;

/// How long somebody is willing to wait: over when it is ready.
pub(crate) type Patience<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

/// Outcomes and events of one node.
pub struct Hub {
    outcomes: Mutex<Known>,
    watchers: Mutex<Watchers>,
}

#[derive(Default)]
struct Known {
    outcomes: Outcomes,
    /// Those who wait for a change; a request that is given up is swept out with the next one.
    waiting: Vec<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Watchers {
    watching: Vec<Watcher>,
    are_over: bool,
}

struct Watcher {
    lines: mpsc::Sender<Bytes>,
    missed: u64,
}

impl Hub {
    pub(super) fn new() -> StdArc<Self> {
        let (outcomes, watchers) = (Mutex::new(Known::default()), Mutex::new(Watchers::default()));
        StdArc::new(Self { outcomes, watchers })
    }

    /// The listener that feeds this hub until it is dropped. Never blocks.
    pub(super) fn listener(
        hub: &StdArc<Self>,
    ) -> impl FnMut(&Notice) -> ControlFlow<()> + Send + 'static {
        let hub = StdArc::downgrade(hub);
        move |notice| match hub.upgrade() {
            Some(hub) => {
                hub.note(notice);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }

    fn note(&self, notice: &Notice) {
        let mut known = lock(&self.outcomes);
        if known.outcomes.note(notice) {
            for waiting in known.waiting.drain(..) {
                // Fails only if it was given up.
                let _ = waiting.send(());
            }
        }
        drop(known);
        let mut watchers = lock(&self.watchers);
        if !watchers.watching.is_empty() {
            let line = line(&event(notice));
            watchers.watching.retain_mut(|watcher| watcher.tell(&line));
        }
    }

    /// Expects an accepted transaction's outcome, and that of the roll it asks for.
    pub(crate) fn expect(&self, id: TransactionId, roll: Option<(TableId, Round)>) {
        lock(&self.outcomes).outcomes.expect(id, roll);
    }

    /// Where a transaction stands.
    pub(crate) fn outcome(&self, id: TransactionId) -> Outcome {
        lock(&self.outcomes).outcomes.get(id)
    }

    /// Where a transaction stands once that is no longer [`Outcome::Waiting`], or when the
    /// patience is over.
    pub(crate) async fn settled(&self, id: TransactionId, mut patience: Patience<'_>) -> Outcome {
        loop {
            let mut changed = {
                let mut known = lock(&self.outcomes);
                let outcome = known.outcomes.get(id);
                if outcome != Outcome::Waiting {
                    return outcome;
                }
                let (sender, changed) = oneshot::channel();
                known.waiting.retain(|waiting| !waiting.is_canceled());
                known.waiting.push(sender);
                changed
            };
            let has_changed = std::future::poll_fn(|context| {
                if Pin::new(&mut changed).poll(context).is_ready() {
                    return Poll::Ready(true);
                }
                patience.as_mut().poll(context).map(|()| false)
            });
            if !has_changed.await {
                return self.outcome(id);
            }
        }
    }

    /// Events from now on, each a line of JSON, until the node's end.
    pub(super) fn watch(&self) -> mpsc::Receiver<Bytes> {
        let (lines, receiver) = mpsc::channel(EVENTS);
        let mut watchers = lock(&self.watchers);
        if !watchers.are_over {
            watchers.watching.push(Watcher { lines, missed: 0 });
        }
        receiver
    }

    /// Ends what is watched.
    pub(super) fn end(&self) {
        let mut watchers = lock(&self.watchers);
        *watchers = Watchers { watching: Vec::new(), are_over: true };
    }
}

impl Watcher {
    /// Whether it still watches.
    fn tell(&mut self, event: &Bytes) -> bool {
        if self.missed > 0 {
            match self.lines.try_send(line(&EventView::Missed { events: self.missed })) {
                Ok(()) => self.missed = 0,
                Err(error) => {
                    self.missed += 1;
                    return error.is_full();
                }
            }
        }
        match self.lines.try_send(event.clone()) {
            Ok(()) => true,
            Err(error) => {
                self.missed += 1;
                error.is_full()
            }
        }
    }
}

fn line(event: &EventView) -> Bytes {
    let mut line = serde_json::to_vec(event).expect("our own plain types have a JSON form");
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_that_does_not_read_is_told_how_much_it_missed() {
        let hub = Hub::new();
        let mut watching = hub.watch();
        drop(hub.watch());
        let notice = Notice::Halted { reason: "x".into() };
        let mut kept = 0;
        hub.note(&notice);
        assert_eq!(lock(&hub.watchers).watching.len(), 1, "who has gone is forgotten");
        for _ in 0..2 * EVENTS {
            hub.note(&notice);
        }
        let line = line(&event(&notice));
        while let Ok(told) = watching.try_recv() {
            assert_eq!(told, line);
            kept += 1;
        }
        hub.note(&notice);
        let missed = 2 * EVENTS + 1 - kept;
        let told = [watching.try_recv().unwrap(), watching.try_recv().unwrap()];
        let expected = format!("{{\"type\":\"missed\",\"events\":{missed}}}\n");
        assert_eq!(told, [Bytes::from(expected), line]);
        hub.end();
        assert!(matches!(watching.try_recv(), Err(mpsc::TryRecvError::Closed)));
        assert!(matches!(hub.watch().try_recv(), Err(mpsc::TryRecvError::Closed)));
    }
}
