//! What runs in one place: an honest node, and later a hostile one, behind the same four verbs.

use bitcraps_protocol::event::{Action, Command, CommandId, Event, Refusal};
use bitcraps_protocol::node::Node;
use bitcraps_protocol::time::Time;

/// A process. Each has a life of its own: a restart makes a new one.
#[derive(Debug)]
pub enum Process {
    /// A node as it is run for real.
    Honest(Box<Node>),
}

impl Process {
    /// Takes in what happened; see [`Node::handle`].
    pub fn handle(&mut self, now: Time, event: Event) {
        match self {
            Self::Honest(node) => node.handle(now, event),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        match self {
            Self::Honest(node) => node.poll(),
        }
    }

    /// When to come back, in local time.
    pub fn deadline(&self) -> Option<Time> {
        match self {
            Self::Honest(node) => node.deadline(),
        }
    }

    /// What its player wants.
    pub fn submit(&mut self, now: Time, command: Command) -> Result<CommandId, Refusal> {
        match self {
            Self::Honest(node) => node.submit(now, command),
        }
    }

    /// The honest node in it, for those who check and those who play.
    pub fn node(&self) -> Option<&Node> {
        match self {
            Self::Honest(node) => Some(node),
        }
    }
}
