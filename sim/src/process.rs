//! What runs in one place: an honest node, and later a hostile one, behind the same four verbs.

use bitcraps_protocol::event::{Action, Command, CommandId, Event, Refusal};
use bitcraps_protocol::node::Node;
use bitcraps_protocol::time::Time;

use crate::adversary::Hostile;
use crate::decision::Decisions;

/// A process. Each has a life of its own: a restart makes a new one.
#[derive(Debug)]
pub enum Process {
    /// A node as it is run for real.
    Honest(Box<Node>),
    /// A validator that does as its strategy says.
    Hostile(Box<Hostile>),
}

impl Process {
    /// Takes in what happened; see [`Node::handle`].
    pub fn handle(&mut self, now: Time, event: Event, decisions: &mut Decisions) {
        match self {
            Self::Honest(node) => node.handle(now, event),
            Self::Hostile(hostile) => hostile.handle(now, event, decisions),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        match self {
            Self::Honest(node) => node.poll(),
            Self::Hostile(hostile) => hostile.poll(),
        }
    }

    /// When to come back, in local time.
    pub fn deadline(&self) -> Option<Time> {
        match self {
            Self::Honest(node) => node.deadline(),
            Self::Hostile(hostile) => hostile.deadline(),
        }
    }

    /// What its player wants.
    pub fn submit(
        &mut self,
        now: Time,
        command: Command,
        decisions: &mut Decisions,
    ) -> Result<CommandId, Refusal> {
        match self {
            Self::Honest(node) => node.submit(now, command),
            Self::Hostile(hostile) => hostile.submit(now, command, decisions),
        }
    }

    /// The honest node in it, for those who check and those who play.
    pub fn node(&self) -> Option<&Node> {
        match self {
            Self::Honest(node) => Some(node),
            Self::Hostile(hostile) => Some(hostile.node()),
        }
    }
}
