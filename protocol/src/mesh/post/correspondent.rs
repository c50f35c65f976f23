//! What is under way between this node and one other, however far away.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::conversation::{Conversation, ConversationId, Secret};
use super::letter::LETTER_BYTES;
use crate::time::Time;
use crate::wire::List;

/// Messages that wait for one peer; the next one is refused.
const WAITING: usize = 16;
/// Messages of one peer remembered as delivered; the oldest is forgotten.
const DELIVERED: usize = 64;
/// How long the first attempt at a message may take, or a step of it; doubled with each.
const PATIENCE: Duration = Duration::from_secs(2);
/// Attempts at one message: all but the first go everywhere.
const ATTEMPTS: u8 = 4;

/// Names a message to the two whom it concerns; drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId(pub(super) [u8; 16]);

/// A message that waits to arrive.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) text: List<u8, LETTER_BYTES>,
}

/// What is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Inner {
    Message {
        id: MessageId,
        text: List<u8, LETTER_BYTES>,
    },
    /// That message has arrived.
    Receipt(MessageId),
}

/// One peer with whom letters are exchanged.
#[derive(Debug)]
pub(super) struct Correspondent {
    /// The first is under way, the others wait for it.
    waiting: VecDeque<Message>,
    attempt: u8,
    /// When to try again.
    pub(super) due: Option<Time>,
    /// This node's call, if it is not answered yet.
    pub(super) calling: Option<Secret>,
    /// What this node's call led to: its messages, the peer's receipts.
    pub(super) outgoing: Option<Conversation>,
    /// What the peer's call led to, as the peer has shown by using it.
    incoming: Option<Conversation>,
    /// The same, not used yet: an old call that somebody repeats ends here.
    offered: Option<Conversation>,
    delivered: VecDeque<MessageId>,
    pub(super) active: Time,
}

impl Correspondent {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            waiting: VecDeque::new(),
            attempt: 0,
            due: None,
            calling: None,
            outgoing: None,
            incoming: None,
            offered: None,
            delivered: VecDeque::new(),
            active: now,
        }
    }

    /// Whether it has a message that waits for this peer; a busy one is not forgotten.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    pub(super) fn push(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    /// The message that is under way.
    pub(super) fn first(&self) -> Option<&Message> {
        self.waiting.front()
    }

    /// Whether it goes everywhere, because the known way has failed.
    pub(super) const fn is_repeated(&self) -> bool {
        self.attempt > 0
    }

    /// Gives what was sent just now time to have an effect.
    pub(super) fn wait(&mut self, now: Time) {
        self.due = Some(now + PATIENCE * (1 << self.attempt));
    }

    /// Nothing came of it: everything begins anew, or the message is given up and returned.
    pub(super) fn fail(&mut self) -> Option<MessageId> {
        (self.calling, self.outgoing) = (None, None);
        self.attempt += 1;
        if self.attempt < ATTEMPTS { None } else { self.next() }
    }

    /// The first message is done with; which one that was.
    fn next(&mut self) -> Option<MessageId> {
        (self.attempt, self.due) = (0, None);
        self.waiting.pop_front().map(|message| message.id)
    }

    /// The peer says that a message has arrived; whether it was awaited.
    pub(super) fn arrived(&mut self, id: MessageId) -> bool {
        let awaited = self.waiting.front().is_some_and(|first| first.id == id);
        if awaited {
            self.next();
        }
        awaited
    }

    /// Takes what the peer's call led to; whether the last such was of no use to the peer.
    pub(super) fn offer(&mut self, conversation: Conversation) -> bool {
        self.offered.replace(conversation).is_some()
    }

    /// Opens what came in a conversation that the peer began.
    pub(super) fn open(&mut self, id: ConversationId, nonce: u64, text: &[u8]) -> Option<Vec<u8>> {
        if let Some(offered) = self.offered.as_mut().filter(|it| it.id == id) {
            let text = offered.open(nonce, text)?;
            self.incoming = self.offered.take();
            return Some(text);
        }
        self.incoming.as_mut().filter(|it| it.id == id)?.open(nonce, text)
    }

    /// The conversation in which the peer speaks, to answer in it.
    pub(super) const fn incoming(&mut self) -> Option<&mut Conversation> {
        self.incoming.as_mut()
    }

    /// Notes a message of the peer's; whether it is new.
    pub(super) fn deliver(&mut self, id: MessageId) -> bool {
        if self.delivered.contains(&id) {
            return false;
        }
        if self.delivered.len() >= DELIVERED {
            self.delivered.pop_front();
        }
        self.delivered.push_back(id);
        true
    }
}
