//! How the rest of the process talks to a running node.

use std::ops::ControlFlow;

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Command, CommandId, Event, Notice, Refusal};
use bitcraps_protocol::light::{Proven, Subject};
use bitcraps_protocol::node::{NoProof, Node, Status};
use bytes::Bytes;

use crate::inbox::{Input, Shared};
use crate::links::Links;
use crate::status::StatusCell;
use crate::sync::Arc;

/// Talks to a node on its own thread. Cheap to copy, usable from any thread, never waits.
///
/// Closures run on the node's thread, in the order in which they were given, and must not block.
/// When the host has stopped, or so many requests wait that it cannot take another, they are
/// dropped uncalled.
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<Shared>,
    status: Arc<StatusCell>,
}

impl Handle {
    pub(crate) fn new(inbox: Arc<Shared>, status: Arc<StatusCell>) -> Self {
        Self { inbox, status }
    }

    /// Asks the node to carry out `command`; `reply` gets its id, or why not.
    pub fn submit(
        &self,
        command: Command,
        reply: impl FnOnce(Result<CommandId, Refusal>) + Send + 'static,
    ) {
        self.request(Input::Submit(Box::new(command), Box::new(reply)));
    }

    /// Shows the node to `question`.
    pub fn query(&self, question: impl FnOnce(&Node) + Send + 'static) {
        self.request(Input::Query(Box::new(question)));
    }

    /// Reads records of final blocks, from the first one kept at or above `from`: up to
    /// [`PAGE_BLOCKS`](crate::api::PAGE_BLOCKS) of them.
    pub fn blocks(
        &self,
        from: Height,
        readout: impl FnOnce(Result<Vec<(Height, Bytes)>, String>) + Send + 'static,
    ) {
        self.request(Input::Blocks(from, Box::new(readout)));
    }

    /// Has the neighbours of a light node prove something; dropped uncalled on a full one, which
    /// knows it itself.
    pub fn prove(
        &self,
        subject: Subject,
        reply: impl FnOnce(Result<Proven, NoProof>) + Send + 'static,
    ) {
        self.request(Input::Prove(subject, Box::new(reply)));
    }

    /// Has a snapshot made of the next final block's state; the [`status`](Self::status) says when
    /// it is there.
    pub fn make_snapshot(&self) {
        self.request(Input::Event(Event::SnapshotWanted));
    }

    /// Shows `observer` every notice from now on, until it breaks off.
    pub fn subscribe(&self, observer: impl FnMut(&Notice) -> ControlFlow<()> + Send + 'static) {
        self.request(Input::Subscribe(Box::new(observer)));
    }

    /// The node's condition, as of a few milliseconds ago; its last one when it has stopped.
    pub fn status(&self) -> Arc<Status> {
        self.status.read()
    }

    /// How long frames stayed here that were relayed, as OpenMetrics writes a histogram.
    pub(crate) fn relays(&self) -> String {
        self.status.relays.text()
    }

    /// What a transport needs.
    pub fn links(&self) -> Links {
        Links::new(self.inbox.clone())
    }

    /// Stops the node after what it is doing right now. [`Host::join`](crate::Host::join) says
    /// when it has.
    pub fn shut_down(&self) {
        self.inbox.stop();
    }

    /// Whether the node has stopped.
    pub fn has_stopped(&self) -> bool {
        self.inbox.is_closed()
    }

    fn request(&self, input: Input) {
        drop(self.inbox.request(input));
    }
}
