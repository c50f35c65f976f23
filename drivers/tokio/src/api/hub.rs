//! Where notices meet requests: outcomes for those who wait, events for those who watch.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use bitcraps_host::api::{self, EventView, Outcome, Outcomes};
use bitcraps_protocol::chain::{TableId, TransactionId};
use bitcraps_protocol::craps::Round;
use bitcraps_protocol::event::Notice;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout_at};

/// Events that a slow watcher may be behind before it misses some.
const EVENTS: usize = 1024;

/// Outcomes and events of one node.
pub(crate) struct Hub {
    outcomes: Mutex<Outcomes>,
    changed: watch::Sender<()>,
    events: broadcast::Sender<Arc<EventView>>,
}

impl Hub {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            outcomes: Mutex::default(),
            changed: watch::Sender::new(()),
            events: broadcast::Sender::new(EVENTS),
        })
    }

    /// The listener that feeds this hub until it is dropped. Never blocks.
    pub(super) fn listener(
        hub: &Arc<Self>,
    ) -> impl FnMut(&Notice) -> ControlFlow<()> + Send + 'static {
        let hub = Arc::downgrade(hub);
        move |notice| match hub.upgrade() {
            Some(hub) => {
                hub.note(notice);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }

    fn note(&self, notice: &Notice) {
        if self.outcomes().note(notice) {
            self.changed.send_replace(());
        }
        if self.events.receiver_count() > 0 {
            // Fails only if the last watcher has just left.
            let _ = self.events.send(Arc::new(api::event(notice)));
        }
    }

    fn outcomes(&self) -> std::sync::MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects an accepted transaction's outcome, and that of the roll it asks for.
    pub(crate) fn expect(&self, id: TransactionId, roll: Option<(TableId, Round)>) {
        self.outcomes().expect(id, roll);
    }

    /// Where a transaction stands.
    pub(crate) fn outcome(&self, id: TransactionId) -> Outcome {
        self.outcomes().get(id)
    }

    /// Where a transaction stands once that is no longer [`Outcome::Waiting`], or at `deadline`.
    pub(crate) async fn settled(&self, id: TransactionId, deadline: Instant) -> Outcome {
        let mut changed = self.changed.subscribe();
        loop {
            let outcome = self.outcome(id);
            if outcome != Outcome::Waiting {
                return outcome;
            }
            // The sender lives in `self`, so only the deadline can end this otherwise.
            if timeout_at(deadline, changed.changed()).await.is_err() {
                return outcome;
            }
        }
    }

    /// Events from now on.
    pub(super) fn watch(&self) -> broadcast::Receiver<Arc<EventView>> {
        self.events.subscribe()
    }
}
