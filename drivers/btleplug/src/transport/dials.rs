//! The dials that the node has asked for: those that wait, and one attempt per adapter.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bitcraps_protocol::event::Endpoint;
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::Time;

use crate::greeting::Nonce;
use crate::radio::{Adapter, Device, Port};

/// Dials that wait; more fail at once. As many as a node makes at one time.
const WAITING: usize = 8;
/// Two that hear each other at the same moment should not connect to each other at the same moment.
const JITTER: Duration = Duration::from_millis(500);
/// How much later one side of a pair connects, so that the other one's attempt is over by then: two
/// that tried one another at the same time were seen to give up together, over and over.
const YIELD: Duration = Duration::from_secs(10);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a dial waits for an adapter. The node gives up after 30 s.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the other side may take to answer the hello, and how often it is said.
const GREET: Duration = Duration::from_secs(4);
const HELLO_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Dials {
    waiting: VecDeque<Waiting>,
    attempts: BTreeMap<Adapter, Attempt>,
    /// When the next attempt may begin.
    next: Time,
}

/// A dial that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) endpoint: Endpoint,
    from: Time,
    until: Time,
}

/// An attempt at a link.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) endpoint: Endpoint,
    pub(super) port: Port,
    pub(super) phase: Phase,
    until: Time,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Greeting { nonce: Nonce, hello_at: Time },
}

impl Dials {
    /// Lets a dial wait for its turn, or gives it back if too many do. One that `yields` leaves the
    /// other side the time to be first.
    pub(super) fn add(
        &mut self,
        now: Time,
        endpoint: Endpoint,
        yields: bool,
        rng: &mut Rng,
    ) -> Result<(), Endpoint> {
        if self.waiting.len() >= WAITING {
            return Err(endpoint);
        }
        let jitter = Duration::from_millis(rng.below(JITTER.as_millis() as u64));
        let from = now + jitter + if yields { YIELD } else { Duration::ZERO };
        self.waiting.push_back(Waiting { endpoint, from, until: now + PATIENCE });
        Ok(())
    }

    /// Takes those that have waited too long.
    pub(super) fn expire(&mut self, now: Time) -> Vec<Endpoint> {
        let (over, waiting): (VecDeque<Waiting>, _) =
            self.waiting.drain(..).partition(|it| it.until <= now);
        self.waiting = waiting;
        over.into_iter().map(|it| it.endpoint).collect()
    }

    /// Takes one whose turn has come.
    pub(super) fn ready(&mut self, now: Time) -> Option<Waiting> {
        if now < self.next {
            return None;
        }
        let index = self.waiting.iter().position(|it| it.from <= now)?;
        self.waiting.remove(index)
    }

    /// Takes one back whose adapters are all busy.
    pub(super) fn postpone(&mut self, now: Time, dial: Waiting) {
        self.next = now + PAUSE;
        self.waiting.push_back(Waiting { from: now + PAUSE, ..dial });
    }

    /// Begins an attempt; the connection may take so long.
    pub(super) fn begin(&mut self, now: Time, endpoint: Endpoint, port: Port, patience: Duration) {
        self.next = now + PAUSE;
        let until = now + patience;
        let adapter = port.adapter.clone();
        let attempt = Attempt { endpoint, port, phase: Phase::Connecting, until };
        let before = self.attempts.insert(adapter, attempt);
        assert!(before.is_none(), "an adapter makes one connection at a time");
    }

    /// The connection is there: begins to greet. Whether anybody wanted it.
    pub(super) fn greet(&mut self, now: Time, port: &Port, nonce: Nonce) -> bool {
        let Some(attempt) = self.attempt_mut(port) else { return false };
        attempt.phase = Phase::Greeting { nonce, hello_at: now };
        attempt.until = now + GREET;
        true
    }

    /// The hellos to be said now.
    pub(super) fn hellos(&mut self, now: Time) -> Vec<(Port, Nonce)> {
        let mut hellos = Vec::new();
        for attempt in self.attempts.values_mut() {
            if let Phase::Greeting { nonce, hello_at } = &mut attempt.phase
                && *hello_at <= now
            {
                *hello_at = now + HELLO_EVERY;
                hellos.push((attempt.port.clone(), *nonce));
            }
        }
        hellos
    }

    /// The nonce of the hello that was said there.
    pub(super) fn nonce(&self, port: &Port) -> Option<Nonce> {
        let attempt = self.attempts.get(&port.adapter).filter(|it| it.port == *port)?;
        match attempt.phase {
            Phase::Connecting => None,
            Phase::Greeting { nonce, .. } => Some(nonce),
        }
    }

    /// Ends the attempt there.
    pub(super) fn take(&mut self, port: &Port) -> Option<Attempt> {
        self.attempt_mut(port)?;
        self.attempts.remove(&port.adapter)
    }

    /// Ends the attempt there if it has a connection, which is lost.
    pub(super) fn take_greeting(&mut self, port: &Port) -> Option<Attempt> {
        self.nonce(port)?;
        self.take(port)
    }

    /// Ends the attempt of an adapter.
    pub(super) fn take_of(&mut self, adapter: &Adapter) -> Option<Attempt> {
        self.attempts.remove(adapter)
    }

    /// Ends an attempt that takes too long.
    pub(super) fn take_overdue(&mut self, now: Time) -> Option<Attempt> {
        let overdue = self.attempts.iter().find(|(_, it)| it.until <= now)?.0.clone();
        self.attempts.remove(&overdue)
    }

    /// Whether an adapter is busy with an attempt.
    pub(super) fn connects(&self, adapter: &Adapter) -> bool {
        self.attempts.contains_key(adapter)
    }

    /// The devices that are being tried.
    pub(super) fn tried(&self) -> impl Iterator<Item = &Device> {
        self.attempts.values().map(|it| &it.port.device)
    }

    pub(super) fn is_trying(&self, port: &Port) -> bool {
        self.attempts.get(&port.adapter).is_some_and(|it| it.port == *port)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let waiting = self.waiting.iter().map(|it| it.from.max(self.next).min(it.until));
        let attempts = self.attempts.values().map(|it| match it.phase {
            Phase::Connecting => it.until,
            Phase::Greeting { hello_at, .. } => it.until.min(hello_at),
        });
        waiting.chain(attempts).min()
    }

    fn attempt_mut(&mut self, port: &Port) -> Option<&mut Attempt> {
        self.attempts.get_mut(&port.adapter).filter(|it| it.port == *port)
    }
}
