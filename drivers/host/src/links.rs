//! What a transport sees of a host: it opens links and feeds them.

use bitcraps_protocol::event::{CloseReason, Direction, Endpoint, Event, LinkId, LinkKind};
use bytes::Bytes;

use crate::inbox::{Dialer, Inbox, Input, LinkUp, Shared};
use crate::sync::{Arc, StdArc};

/// The outgoing half of a link. Called on the loop's thread: must not block. Dropped when the
/// link is over for the node, closed or not, and when the host has stopped: the transport then
/// ends the connection.
pub trait LinkSink: Send {
    /// Sends a frame after all earlier ones. The node keeps no more than a small window of frames
    /// for which [`LinkInbound::sent`] was not called.
    fn send(&mut self, frame: Bytes);

    /// The node closes the link; the sink is dropped next. Frames given before should still
    /// leave, if that does not take long.
    fn close(&mut self, reason: CloseReason);
}

/// Opens links to a host's node. Cheap to copy, usable from any thread, never waits.
#[derive(Clone)]
pub struct Links {
    inbox: Arc<Shared>,
}

impl Links {
    /// Links that end in `inbox`.
    pub fn of(inbox: &Inbox) -> Self {
        Self { inbox: inbox.shared() }
    }

    pub(crate) fn new(inbox: Arc<Shared>) -> Self {
        Self { inbox }
    }

    /// Tells the node of a new link. `on_credit` is called, on the loop's thread, when a frame
    /// that was turned away may be offered again. If the host has stopped or has too many links,
    /// the sink is dropped at once.
    pub fn open(
        &self,
        kind: LinkKind,
        mtu: u32,
        direction: Direction,
        endpoint: Endpoint,
        sink: Box<dyn LinkSink>,
        on_credit: impl Fn() + Send + Sync + 'static,
    ) -> LinkInbound {
        let up = |link| LinkUp { link, kind, mtu, direction, endpoint, sink };
        let link = self.inbox.open_link(StdArc::new(on_credit), up);
        LinkInbound { link, inbox: self.inbox.clone() }
    }

    /// Says who opens links to endpoints of `transport` when the node wants one. `dial` is called
    /// on the loop's thread, must not block, and must end in [`open`](Self::open) or
    /// [`dial_failed`](Self::dial_failed).
    pub fn dialer(&self, transport: u8, dial: impl FnMut(Endpoint) + Send + 'static) {
        let dial: Dialer = Box::new(dial);
        // Only a host that has stopped or is drowning in requests refuses; it dials nobody.
        drop(self.inbox.request(Input::Dialer(transport, dial)));
    }

    /// A dial that the node asked for came to nothing.
    pub fn dial_failed(&self, endpoint: Endpoint) {
        self.inbox.complete(Event::DialFailed { endpoint });
    }

    /// Somebody may be found at `endpoint`. Forgotten if the host is too busy.
    pub fn discovered(&self, endpoint: Endpoint) {
        drop(self.inbox.request(Input::Event(Event::Discovered { endpoint })));
    }

    /// Others can reach this node at `endpoint`. Forgotten if the host is too busy.
    pub fn reachable(&self, endpoint: Endpoint) {
        drop(self.inbox.request(Input::Event(Event::Reachable { endpoint })));
    }

    /// Whether the host has stopped: no link will ever come up again.
    pub fn are_over(&self) -> bool {
        self.inbox.is_closed()
    }
}

/// The incoming half of a link, owned by the transport. Dropping it says that the link is gone.
pub struct LinkInbound {
    /// `None` if the host did not take the link.
    link: Option<LinkId>,
    inbox: Arc<Shared>,
}

impl LinkInbound {
    /// Hands over a received frame, which must not be longer than the link's MTU. Gives it back
    /// when too many wait: then read nothing more and offer it again after `on_credit`. Frames on
    /// a link that is over are swallowed.
    pub fn try_receive(&self, frame: Bytes) -> Result<(), Bytes> {
        match self.link {
            Some(link) => self.inbox.receive(link, frame),
            None => Ok(()),
        }
    }

    /// The oldest frame for which this was not yet called has left.
    pub fn sent(&self) {
        if let Some(link) = self.link {
            self.inbox.sent(link);
        }
    }
}

impl Drop for LinkInbound {
    fn drop(&mut self) {
        if let Some(link) = self.link {
            self.inbox.link_down(link);
        }
    }
}
