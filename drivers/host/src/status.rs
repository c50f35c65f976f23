//! The node's condition as of a few milliseconds ago, for anybody to read at any time without
//! the loop noticing.

use bitcraps_protocol::node::Status;

use crate::relays::Relays;
use crate::sync::{Arc, Bug, Mutex, has, lock};

/// One published snapshot. A reader holds the lock for as long as it takes to copy a pointer, and
/// the writer does not even wait for that.
#[derive(Debug)]
pub(crate) struct StatusCell {
    newest: Mutex<Arc<Status>>,
    /// How long frames stayed that were relayed.
    pub(crate) relays: Relays,
}

impl StatusCell {
    pub(crate) fn new(first: Status) -> Self {
        Self { newest: Mutex::new(Arc::new(first)), relays: Relays::default() }
    }

    pub(crate) fn read(&self) -> Arc<Status> {
        lock(&self.newest).clone()
    }

    /// Publishes `status`, or gives up at once if a reader is in the way: try again later.
    pub(crate) fn try_publish(&self, status: Status) -> bool {
        let status = Arc::new(status);
        let Ok(mut newest) = self.newest.try_lock() else { return false };
        let former = std::mem::replace(&mut *newest, status);
        drop(newest);
        drop(former);
        true
    }

    /// Publishes the last status that there will be, whoever is in the way: for an instant only.
    pub(crate) fn publish_last(&self, status: Status) {
        let mut newest = lock(&self.newest);
        if !has(Bug::LastWordLost) || Arc::get_mut(&mut newest).is_some() {
            *newest = Arc::new(status);
        }
    }
}
