//! The loop: what happened goes into the node, what the node wants done is done.
//!
//! One turn takes a batch from the inbox, hands each input to the node and carries out what the
//! node wants; then it syncs the journal once for the whole batch, on this same thread: a second
//! one would gain nothing but a hand-over on the path of every vote.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Action, Command, Endpoint, Event, Key, LinkId, Notice};
use bitcraps_protocol::node::Node;
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use crate::api::{PAGE_BLOCKS, PAGE_BYTES};
use crate::clock::{self, Clock};
use crate::home::Home;
use crate::host::{Exit, FailureKind};
use crate::inbox::{Dialer, Inbox, Input, LinkUp, Observer, Reply, Taken};
use crate::journal::Journal;
use crate::light::keep_keys;
use crate::links::LinkSink;
use crate::lock::Lock;
use crate::status::StatusCell;
use crate::sync::Arc;

/// How often the node is told the wall clock. Also bounds how late a deadline fires after the
/// machine was suspended, during which waiting does not count.
const WALL_CLOCK_EVERY: Duration = Duration::from_secs(1);

/// The least time between two published statuses.
const STATUS_EVERY: Duration = Duration::from_millis(4);

/// Observers at one time; more are dropped.
const OBSERVERS: usize = 256;

/// Everything that the node's thread owns.
pub(crate) struct Loop {
    node: Node,
    clock: Clock,
    inbox: Inbox,
    journal: Journal,
    status: Arc<StatusCell>,
    home: Home,
    /// When the status may be published again, if it has changed since.
    publish_at: Option<Time>,
    published: Time,
    wall_clock_at: Time,
    sinks: BTreeMap<LinkId, Box<dyn LinkSink>>,
    dialers: BTreeMap<u8, Dialer>,
    observers: Vec<Observer>,
    /// Completions of what was done on this thread, for the next turn. The node bounds them by
    /// what it asks for.
    completions: Vec<Event>,
    /// On which link the frame that is being handled came, and when.
    arrived: Option<(LinkId, Instant)>,
    _lock: Lock,
}

impl Loop {
    pub(crate) fn new(
        node: Node,
        clock: Clock,
        inbox: Inbox,
        journal: Journal,
        status: Arc<StatusCell>,
        home: Home,
        lock: Lock,
    ) -> Self {
        let now = clock.now();
        Self {
            node,
            clock,
            inbox,
            journal,
            status,
            home,
            publish_at: None,
            published: now,
            wall_clock_at: now,
            sinks: BTreeMap::new(),
            dialers: BTreeMap::new(),
            observers: Vec::new(),
            completions: Vec::new(),
            arrived: None,
            _lock: lock,
        }
    }

    /// Runs until asked to stop or unable to go on.
    pub(crate) fn run(mut self) -> Exit {
        let Err(exit) = self.turn_for_ever();
        self.status.publish_last(self.node.status());
        exit
    }

    fn turn_for_ever(&mut self) -> Result<std::convert::Infallible, Exit> {
        self.perform()?;
        loop {
            self.turn()?;
        }
    }

    fn turn(&mut self) -> Result<(), Exit> {
        let inputs = match self.inbox.take(self.patience()) {
            Taken::Inputs(inputs) => inputs,
            Taken::Stop => return Err(Exit::Stopped),
        };
        for event in std::mem::take(&mut self.completions) {
            self.handle(event)?;
        }
        for (arrived, input) in self.inbox.arrivals().into_iter().zip(inputs) {
            self.arrived = received(&input).map(|link| (link, arrived));
            self.accept(input)?;
            self.arrived = None;
        }
        self.watch_clocks()?;
        if let Some(position) = self.journal.sync()? {
            self.handle(Event::Persisted { position })?;
        }
        self.publish();
        Ok(())
    }

    /// How long nothing needs to be done unless something happens.
    fn patience(&self) -> Duration {
        if self.journal.has_unsynced() || !self.completions.is_empty() {
            return Duration::ZERO;
        }
        let due = [Some(self.wall_clock_at), self.node.deadline(), self.publish_at];
        let next = due.into_iter().flatten().min().unwrap_or(self.wall_clock_at);
        next.since(self.clock.now())
    }

    fn watch_clocks(&mut self) -> Result<(), Exit> {
        let now = self.clock.now();
        if self.wall_clock_at <= now {
            self.wall_clock_at = now + WALL_CLOCK_EVERY;
            self.handle(Event::WallClock { unix_ms: clock::unix_ms() })?;
        }
        if self.node.deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
            self.handle(Event::Tick)?;
        }
        Ok(())
    }

    fn accept(&mut self, input: Input) -> Result<(), Exit> {
        match input {
            Input::Event(event) => self.accept_event(event),
            Input::LinkUp(up) => self.link_up(up),
            Input::Submit(command, reply) => self.submit(*command, reply),
            Input::Query(question) => {
                question(&self.node);
                Ok(())
            }
            Input::Blocks(from, readout) => {
                readout(self.blocks(from));
                Ok(())
            }
            // Only a light node has to have anything proved.
            Input::Prove(..) => Ok(()),
            Input::Subscribe(observer) => {
                if self.observers.len() < OBSERVERS {
                    self.observers.push(observer);
                }
                Ok(())
            }
            Input::Dialer(transport, dialer) => {
                self.dialers.insert(transport, dialer);
                Ok(())
            }
        }
    }

    /// Records of final blocks for a page. That one cannot be read is told to who asked, and ends
    /// nothing: the node itself does not need it.
    fn blocks(&mut self, from: Height) -> Result<Vec<(Height, Bytes)>, String> {
        let (mut blocks, mut size) = (Vec::new(), 0);
        for height in self.journal.heights(from, PAGE_BLOCKS) {
            let key = Key::Block(height);
            let Some(bytes) = self.journal.load(key).map_err(|error| error.to_string())? else {
                break;
            };
            size += bytes.len();
            blocks.push((height, bytes));
            if size > PAGE_BYTES {
                break;
            }
        }
        Ok(blocks)
    }

    /// What happens on a link that the node has closed is not told to it.
    fn accept_event(&mut self, event: Event) -> Result<(), Exit> {
        let is_news = match &event {
            Event::Received { link, .. } | Event::Sent { link } => self.sinks.contains_key(link),
            Event::LinkDown { link } => self.sinks.remove(link).is_some(),
            Event::LinkUp { .. }
            | Event::Persisted { .. }
            | Event::Loaded { .. }
            | Event::WallClock { .. }
            | Event::DialFailed { .. }
            | Event::Discovered { .. }
            | Event::Reachable { .. }
            | Event::SnapshotWanted
            | Event::Tick => true,
        };
        if is_news { self.handle(event) } else { Ok(()) }
    }

    fn link_up(&mut self, up: LinkUp) -> Result<(), Exit> {
        let LinkUp { link, kind, mtu, direction, endpoint, sink } = up;
        self.sinks.insert(link, sink);
        self.handle(Event::LinkUp { link, kind, mtu, direction, endpoint })
    }

    fn submit(&mut self, command: Command, reply: Reply) -> Result<(), Exit> {
        reply(self.node.submit(self.clock.now(), command));
        self.perform()
    }

    fn handle(&mut self, event: Event) -> Result<(), Exit> {
        self.node.handle(self.clock.now(), event);
        self.perform()
    }

    fn perform(&mut self) -> Result<(), Exit> {
        let mut relayed = None;
        while let Some(action) = self.node.poll() {
            match action {
                Action::Send { link, frame } => {
                    if let Some(sink) = self.sinks.get_mut(&link) {
                        sink.send(frame);
                    }
                    relayed = relayed.or(self.arrived.filter(|(from, _)| *from != link));
                }
                Action::Persist { position, record } => self.journal.append(position, &record)?,
                Action::Load { key } => {
                    let bytes = self.journal.load(key)?;
                    self.completions.push(Event::Loaded { key, bytes });
                }
                Action::Dial { endpoint } => self.dial(endpoint),
                Action::Close { link, reason } => {
                    self.inbox.close_link(link);
                    if let Some(mut sink) = self.sinks.remove(&link) {
                        sink.close(reason);
                    }
                }
                Action::KeepKeys(keys) => keep_keys(&self.home, &keys),
                Action::Notify(notice) => self.notify(notice)?,
            }
        }
        if let Some((_, arrived)) = relayed {
            self.status.relays.note(arrived.elapsed());
        }
        Ok(())
    }

    fn dial(&mut self, endpoint: Endpoint) {
        match self.dialers.get_mut(&endpoint.transport) {
            Some(dial) => dial(endpoint),
            None => self.completions.push(Event::DialFailed { endpoint }),
        }
    }

    fn notify(&mut self, notice: Notice) -> Result<(), Exit> {
        self.observers.retain_mut(|observer| match observer(&notice) {
            ControlFlow::Continue(()) => true,
            ControlFlow::Break(()) => false,
        });
        match notice {
            Notice::Halted { reason } => Err(Exit::Failed { reason, kind: FailureKind::Halted }),
            Notice::PeerUp { .. }
            | Notice::PeerDown { .. }
            | Notice::Misbehaved { .. }
            | Notice::Suspicious { .. }
            | Notice::Evidence { .. }
            | Notice::Entered { .. }
            | Notice::Finalized { .. }
            | Notice::Done { .. }
            | Notice::Failed { .. }
            | Notice::Rolled { .. }
            | Notice::Settled { .. }
            | Notice::RotationProposed { .. }
            | Notice::KeyChanged { .. }
            | Notice::LeftOut
            | Notice::Abstains { .. }
            | Notice::Said { .. }
            | Notice::Delivered { .. }
            | Notice::Undelivered { .. } => Ok(()),
        }
    }

    /// Publishes the status now, or as soon as it is due again.
    fn publish(&mut self) {
        let now = self.clock.now();
        let due = self.published + STATUS_EVERY;
        if now >= due && self.status.try_publish(self.node.status()) {
            self.published = now;
            self.publish_at = None;
        } else {
            self.publish_at = Some(now.max(due) + Duration::from_millis(u64::from(now >= due)));
        }
    }
}

/// The link on which a frame was received, if that is what happened.
fn received(input: &Input) -> Option<LinkId> {
    match input {
        Input::Event(Event::Received { link, .. }) => Some(*link),
        Input::Event(_)
        | Input::LinkUp(_)
        | Input::Submit(..)
        | Input::Query(_)
        | Input::Blocks(..)
        | Input::Prove(..)
        | Input::Subscribe(_)
        | Input::Dialer(..) => None,
    }
}
