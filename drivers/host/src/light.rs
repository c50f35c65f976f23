//! The loop of a light node or a relay: what happened goes in, what it wants done is done. It has no journal;
//! the newest header that a quorum signed is kept in one small file, so that its next life begins
//! there.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitcraps_protocol::event::{Endpoint, Event, LinkId, Notice};
use bitcraps_protocol::light::Subject;
use bitcraps_protocol::node::{LightAction, LightNode, NoProof, QuestionId, Relay, Status};
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use crate::clock::Clock;
use crate::files::create_whole;
use crate::home::Home;
use crate::host::{Exit, FailureKind};
use crate::inbox::{Dialer, Inbox, Input, LinkUp, Observer, ProofReply, Taken};
use crate::links::LinkSink;
use crate::lock::Lock;
use crate::status::StatusCell;
use crate::sync::Arc;

/// The file with the newest header.
const FILE: &str = "light";
/// How often that file is written at most.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// How often the status is published at most, and how late a deadline fires after the machine was
/// suspended.
const STATUS_EVERY: Duration = Duration::from_millis(20);
const WAKE_EVERY: Duration = Duration::from_secs(1);
/// Observers at one time; more are dropped.
const OBSERVERS: usize = 256;

/// What runs without a journal.
pub(crate) enum Follows {
    /// Headers and proofs.
    Light(Box<LightNode>),
    /// Nothing: it carries what it cannot read.
    Relay(Box<Relay>),
}

impl Follows {
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Light(node) => node.status(),
            Self::Relay(relay) => relay.status(),
        }
    }

    fn handle(&mut self, now: Time, event: Event) {
        match self {
            Self::Light(node) => node.handle(now, event),
            Self::Relay(relay) => relay.handle(now, event),
        }
    }

    fn deadline(&self) -> Option<Time> {
        match self {
            Self::Light(node) => node.deadline(),
            Self::Relay(relay) => relay.deadline(),
        }
    }

    fn poll(&mut self) -> Option<LightAction> {
        match self {
            Self::Light(node) => node.poll(),
            Self::Relay(relay) => relay.poll(),
        }
    }

    fn ask(&mut self, now: Time, subject: Subject) -> Result<QuestionId, NoProof> {
        match self {
            Self::Light(node) => node.ask(now, subject),
            Self::Relay(_) => Err(NoProof::NoNeighbour),
        }
    }
}

/// Remembers the keys of a private network. If that fails, a neighbour helps in the next life.
pub(crate) fn keep_keys(home: &Home, keys: &[u8]) {
    if let Err(error) = home.keep_keys(keys) {
        tracing::warn!(%error, "the network's new key is not kept");
    }
}

/// Everything that its thread owns.
pub(crate) struct LightLoop {
    node: Follows,
    home: Home,
    clock: Clock,
    inbox: Inbox,
    status: Arc<StatusCell>,
    published: Time,
    file: PathBuf,
    /// What is to be written there, and when that may be.
    kept: Option<Bytes>,
    keep_at: Time,
    sinks: BTreeMap<LinkId, Box<dyn LinkSink>>,
    dialers: BTreeMap<u8, Dialer>,
    observers: Vec<Observer>,
    replies: BTreeMap<QuestionId, ProofReply>,
    /// Dials that nothing can carry out, for the next turn.
    failed: Vec<Endpoint>,
    _lock: Lock,
}

/// What the last life of a light node kept, if it kept anything.
pub(crate) fn kept(data_dir: &Path) -> Option<Bytes> {
    match std::fs::read(data_dir.join(FILE)) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(%error, "what was kept of the network cannot be read");
            None
        }
    }
}

impl LightLoop {
    pub(crate) fn new(
        node: Follows,
        clock: Clock,
        inbox: Inbox,
        status: Arc<StatusCell>,
        home: Home,
        lock: Lock,
    ) -> Self {
        let now = clock.now();
        Self {
            node,
            clock,
            inbox,
            status,
            published: now,
            file: home.directory().join(FILE),
            home,
            kept: None,
            keep_at: now,
            sinks: BTreeMap::new(),
            dialers: BTreeMap::new(),
            observers: Vec::new(),
            replies: BTreeMap::new(),
            failed: Vec::new(),
            _lock: lock,
        }
    }

    /// Runs until asked to stop or unable to go on.
    pub(crate) fn run(mut self) -> Exit {
        let exit = self.turn_for_ever();
        self.status.publish_last(self.node.status());
        self.keep();
        exit
    }

    fn turn_for_ever(&mut self) -> Exit {
        loop {
            let inputs = match self.inbox.take(self.patience()) {
                Taken::Inputs(inputs) => inputs,
                Taken::Stop => return Exit::Stopped,
            };
            for endpoint in std::mem::take(&mut self.failed) {
                self.node.handle(self.clock.now(), Event::DialFailed { endpoint });
            }
            for input in inputs {
                self.accept(input);
                if let Some(exit) = self.perform() {
                    return exit;
                }
            }
            if self.node.deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
                self.node.handle(self.clock.now(), Event::Tick);
            }
            if let Some(exit) = self.perform() {
                return exit;
            }
            let now = self.clock.now();
            if self.kept.is_some() && now >= self.keep_at {
                self.keep_at = now + KEEP_EVERY;
                self.keep();
            }
            if now >= self.published + STATUS_EVERY && self.status.try_publish(self.node.status()) {
                self.published = now;
            }
        }
    }

    fn patience(&self) -> Duration {
        let now = self.clock.now();
        if !self.failed.is_empty() {
            return Duration::ZERO;
        }
        let due = self.node.deadline().map_or(WAKE_EVERY, |deadline| deadline.since(now));
        // A status that was not published yet, because another had just been.
        let status = (self.published + STATUS_EVERY).since(now);
        let wake = if status.is_zero() { WAKE_EVERY } else { status };
        due.min(wake)
    }

    fn accept(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::Event(event) => {
                let is_news = match &event {
                    Event::Received { link, .. } | Event::Sent { link } => {
                        self.sinks.contains_key(link)
                    }
                    Event::LinkDown { link } => self.sinks.remove(link).is_some(),
                    _ => true,
                };
                if is_news {
                    self.node.handle(now, event);
                }
            }
            Input::LinkUp(LinkUp { link, kind, mtu, direction, endpoint, sink }) => {
                self.sinks.insert(link, sink);
                self.node.handle(now, Event::LinkUp { link, kind, mtu, direction, endpoint });
            }
            Input::Prove(subject, reply) => self.ask(subject, reply),
            Input::Subscribe(observer) => {
                if self.observers.len() < OBSERVERS {
                    self.observers.push(observer);
                }
            }
            Input::Dialer(transport, dialer) => {
                self.dialers.insert(transport, dialer);
            }
            // There is no full node that could be looked at; who asks is told by the drop.
            Input::Submit(..) | Input::Query(_) | Input::Blocks(..) => {}
        }
    }

    fn ask(&mut self, subject: Subject, reply: ProofReply) {
        match self.node.ask(self.clock.now(), subject) {
            Ok(id) => {
                self.replies.insert(id, reply);
            }
            Err(none) => reply(Err(none)),
        }
    }

    /// Does what the node wants; how it ended, if it has.
    fn perform(&mut self) -> Option<Exit> {
        while let Some(action) = self.node.poll() {
            match action {
                LightAction::Send { link, frame } => {
                    if let Some(sink) = self.sinks.get_mut(&link) {
                        sink.send(frame);
                    }
                }
                LightAction::Dial { endpoint } => match self.dialers.get_mut(&endpoint.transport) {
                    Some(dial) => dial(endpoint),
                    None => self.failed.push(endpoint),
                },
                LightAction::Close { link, reason } => {
                    self.inbox.close_link(link);
                    if let Some(mut sink) = self.sinks.remove(&link) {
                        sink.close(reason);
                    }
                }
                LightAction::Notify(notice) => {
                    self.observers.retain_mut(|observer| match observer(&notice) {
                        ControlFlow::Continue(()) => true,
                        ControlFlow::Break(()) => false,
                    });
                    if let Notice::Halted { reason } = notice {
                        return Some(Exit::Failed { reason, kind: FailureKind::Halted });
                    }
                }
                LightAction::Answer { question, answer } => {
                    if let Some(reply) = self.replies.remove(&question) {
                        reply(answer);
                    }
                }
                LightAction::Keep(bytes) => self.kept = Some(bytes),
                LightAction::KeepKeys(keys) => keep_keys(&self.home, &keys),
            }
        }
        None
    }

    /// Writes what is to be kept; a node that has nothing kept only begins further back.
    fn keep(&mut self) {
        let Some(bytes) = self.kept.take() else { return };
        if let Err(error) = create_whole(&self.file, &bytes) {
            tracing::warn!(%error, "the newest header is not kept");
        }
    }
}
