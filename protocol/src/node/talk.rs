//! What people say: letters to one peer, and lines at tables. None of it touches the chain.

use super::Node;
use super::packet::Packet;
use crate::chain::TableId;
use crate::chat::{Line, Room, SignedLine, TooMuch, Verdict, Words};
use crate::craps::Player;
use crate::event::{CommandId, Fault, LinkId, Notice, Refusal};
use crate::identity::{Context, Epoch, PeerId};
use crate::mesh::Attempt;
use crate::mesh::post::{self, MessageId, Parcel};
use crate::wire::{Hash, List, decode, encode};

/// What a letter holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Note {
    /// A line of the author's, for people.
    Words(Words),
}

impl Node {
    /// What was said lately in a room, oldest first.
    pub fn lines(&self, room: Room) -> impl Iterator<Item = &Line> {
        self.chat.lines(room)
    }

    /// Says something in this node's name.
    pub(super) fn say(&mut self, room: Room, words: Words) -> Result<CommandId, Refusal> {
        match room {
            Room::Table(table) => self.say_at(table, words),
            Room::Peer(peer) => self.write(peer, words),
        }
    }

    fn say_at(&mut self, table: TableId, words: Words) -> Result<CommandId, Refusal> {
        let own = self.address.peer;
        if !self.may_speak(table, own) {
            return Err(Refusal::NotAtTable);
        }
        let (at, context) = (self.wall_clock(), self.talk_context());
        let speaker = (&self.keypair, self.address, &context);
        let (signed, line) = self.chat.say(self.now, at, speaker, table, words)?;
        let id = signed.id();
        self.broadcast(&Packet::Chat(signed), Attempt::default());
        self.notify(Notice::Said { room: Room::Table(table), line });
        Ok(id)
    }

    fn write(&mut self, peer: PeerId, words: Words) -> Result<CommandId, Refusal> {
        let own = self.address.peer;
        if peer == own {
            return Err(Refusal::ToOneself);
        }
        let text = List::new(encode(&Note::Words(words.clone())));
        let text = text.expect("a letter is longer than a line of words");
        let at = self.wall_clock();
        self.chat.affords(self.now)?;
        let id =
            self.post.submit(self.now, peer, text).map_err(|post::Full| Refusal::TooManyLetters)?;
        let line = self.chat.write(self.now, at, own, peer, words)?;
        self.notify(Notice::Said { room: Room::Peer(peer), line });
        Ok(name(id))
    }

    /// Whether somebody sits at a table, or owns it, as far as is final here.
    fn may_speak(&self, table: TableId, peer: PeerId) -> bool {
        let Some(entry) = self.chain.state().table(table) else { return false };
        let mut seats = entry.table.seats().iter();
        entry.owner == peer || seats.any(|seat| seat.player == Player(peer.0))
    }

    /// Somebody may be behind: whoever may not speak yet may be heard later.
    pub(super) fn on_chat(&mut self, link: LinkId, line: &SignedLine) {
        let author = line.author();
        if author.peer == self.address.peer {
            // What this node said comes back.
            return self.spend(link, 1);
        }
        if !self.may_speak(line.table(), author.peer) {
            self.forget();
            return self.spend(link, 1);
        }
        let (at, context) = (self.wall_clock(), self.talk_context());
        match self.chat.judge(self.now, at, link, line, &context) {
            Verdict::News(heard) => {
                self.notify(Notice::Said { room: Room::Table(line.table()), line: heard });
                self.relay();
            }
            Verdict::Idle => self.spend(link, 1),
            Verdict::Forged => self.penalise(link, Fault::BadSignature),
        }
    }

    pub(super) fn on_letter(&mut self, link: LinkId, parcel: Parcel) {
        self.tell_post(post::Input::Received { link, parcel });
    }

    pub(super) fn tell_post(&mut self, input: post::Input) {
        self.post.handle(self.now, input);
    }

    pub(super) fn on_post(&mut self, output: post::Output) {
        match output {
            post::Output::Send { link, parcel } => self.unicast(link, &Packet::Letter(parcel)),
            post::Output::Deliver { from, message } => {
                // What makes no sense is its author's affair, and nobody's fault between.
                match decode(&message, message.len()) {
                    Ok(Note::Words(words)) => self.on_words(from, words),
                    Err(_) => {}
                }
            }
            post::Output::Arrived { to, id } => {
                self.notify(Notice::Delivered { id: name(id), to });
            }
            post::Output::Lost { to, id } => {
                self.notify(Notice::Undelivered { id: name(id), to });
            }
            post::Output::Blame { link, fault } => self.penalise(link, fault),
            post::Output::Spend { link, work } => self.spend(link, work),
        }
    }

    fn on_words(&mut self, from: PeerId, words: Words) {
        let at = self.wall_clock();
        if let Ok(line) = self.chat.hear(self.now, at, from, words) {
            self.notify(Notice::Said { room: Room::Peer(from), line });
        }
    }

    const fn talk_context(&self) -> Context {
        Context { network: self.chain.network(), epoch: Epoch(0) }
    }
}

/// What a command that is a letter is called.
fn name(id: MessageId) -> CommandId {
    Hash::of("bitcraps 2026 letter", &id)
}

impl From<TooMuch> for Refusal {
    fn from(TooMuch: TooMuch) -> Self {
        Self::TooMuchTalk
    }
}
