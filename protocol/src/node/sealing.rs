//! The outermost layer of a private network: messages are sealed when they leave a member and opened
//! when they come, and the machines behind it see neither envelopes nor neighbours that are not
//! members.
//!
//! A neighbour is a member once it has said something under the key that is meant for this node
//! alone. Until then it may be a relay: it carries gossip and letters, is asked for nothing, and is
//! not blamed for what it cannot judge.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::Serialize;

use super::Node;
use super::packet::Packet;
use super::status::{PrivateStatus, RotationStatus};
use crate::event::{Action, CommandId, Fault, LinkId, Notice, Refusal};
use crate::identity::{Address, PeerId};
use crate::keyring::{Endorsed, Heard, Kept, KeyId, Keyring, NoRotation, Opened};
use crate::mesh::{self, Attempt, Bucket, Buckets, Lane, Rate, post};
use crate::rng::Rng;
use crate::time::Time;
use crate::wire::{Hash, encode};

/// How often everybody is told of the newest key, because somebody far away does not know it, and a
/// neighbour is asked for it: four times at once, then once in ten seconds.
const REMINDERS: Rate = Rate { burst: 40, per_second: 1 };
/// What one of them costs.
const REMINDER_COSTS: u64 = 10;
/// Links that are counted.
const LINKS: usize = 128;

/// Where a sealed message may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Place {
    /// Wherever gossip comes.
    Everywhere,
    /// At one neighbour of its author's, so that nobody can say it again to somebody else.
    Between { from: PeerId, to: PeerId },
}

impl Place {
    /// What the seal is bound to: relays choose neither place nor urgency.
    fn bytes(self, lane: Lane) -> Vec<u8> {
        encode(&(lane, self))
    }
}

/// An encoded packet as it travels: under a key that `keyring` knows, if the network is private.
pub(super) fn seal(
    keyring: &Keyring,
    key: Option<KeyId>,
    lane: Lane,
    place: Place,
    message: Bytes,
) -> Bytes {
    match keyring.seal(key, &place.bytes(lane), &message) {
        Some(envelope) => Packet::Sealed { lane, envelope }.encode(),
        None => message,
    }
}

/// What a message that came over the mesh is.
pub(super) enum Unsealed {
    /// What a member says, or what needs no seal.
    Open { message: Bytes, key: Option<KeyId> },
    /// What a member says that has not heard of the newest key.
    Late { message: Bytes, key: KeyId },
    /// It is under a key that is unknown here.
    Foreign,
    /// It is nothing that a member has said, or not to here.
    Forged,
    /// What only members say, in the clear.
    Clear,
    /// It is no message.
    Bad(Fault),
}

/// Opens a message of a private network.
pub(super) fn unseal(keyring: &Keyring, now: Time, place: Place, message: Bytes) -> Unsealed {
    match Packet::decode(&message) {
        Ok(Packet::Sealed { lane, envelope }) => {
            let key = envelope.key;
            match keyring.open(now, &place.bytes(lane), &envelope) {
                Opened::Message(message) => Unsealed::Open { message, key: Some(key) },
                Opened::Late(message) => Unsealed::Late { message, key },
                Opened::Foreign => Unsealed::Foreign,
                Opened::Forged => Unsealed::Forged,
            }
        }
        // Sealed for its receivers already. The one is carried by those who are no members, the
        // others are said to those who do not have the key yet.
        Ok(packet) if packet.needs_no_seal() => Unsealed::Open { message, key: None },
        Ok(_) => Unsealed::Clear,
        Err(malformed) => Unsealed::Bad(malformed.into()),
    }
}

/// What a node knows of a private network besides its keys.
#[derive(Debug)]
pub(super) struct Privacy {
    pub(super) keyring: Keyring,
    rng: Rng,
    /// Links to neighbours that have not shown that they are members. The mesh bounds them.
    strangers: BTreeMap<LinkId, Address>,
    members: BTreeSet<LinkId>,
    reminders: Bucket,
    questions: Buckets<LinkId>,
    reminded: Attempt,
    /// Under which key the message came that is being handled.
    pub(super) came_under: Option<KeyId>,
    /// Whether neighbours say what this node has no key for.
    hears_sealed: bool,
}

impl Privacy {
    pub(super) const fn new(keyring: Keyring, rng: Rng, now: Time) -> Self {
        Self {
            keyring,
            rng,
            strangers: BTreeMap::new(),
            members: BTreeSet::new(),
            reminders: Bucket::new(now, REMINDERS),
            questions: Buckets::new(REMINDERS, LINKS),
            reminded: Attempt(0),
            came_under: None,
            hears_sealed: false,
        }
    }

    fn is_private(&self) -> bool {
        self.keyring.key().is_some()
    }
}

impl Node {
    /// What the machines behind are told of what the mesh says, if anything.
    pub(super) fn unseal(&mut self, output: mesh::Output) -> Option<mesh::Output> {
        if !self.privacy.is_private() {
            return Some(output);
        }
        match output {
            mesh::Output::PeerUp { link, peer } => {
                self.privacy.strangers.insert(link, peer);
                self.meet(link, peer.peer);
                self.unicast(link, &Packet::Hello);
                None
            }
            mesh::Output::PeerDown { link, peer } => {
                self.part(link, peer);
                self.privacy.strangers.remove(&link);
                let was_member = self.privacy.members.remove(&link);
                was_member.then_some(mesh::Output::PeerDown { link, peer })
            }
            mesh::Output::Deliver { link, peer, message, gossip } => {
                let message = self.open(link, peer, message, gossip)?;
                Some(mesh::Output::Deliver { link, peer, message, gossip })
            }
            mesh::Output::Send { .. }
            | mesh::Output::Dial { .. }
            | mesh::Output::Close { .. }
            | mesh::Output::Misbehaved { .. } => Some(output),
        }
    }

    fn open(
        &mut self,
        link: LinkId,
        from: PeerId,
        message: Bytes,
        gossip: Option<Attempt>,
    ) -> Option<Bytes> {
        let place = match gossip {
            Some(_) => Place::Everywhere,
            None => Place::Between { from, to: self.address.peer },
        };
        match unseal(&self.privacy.keyring, self.now, place, message.clone()) {
            Unsealed::Open { message, key } => {
                if gossip.is_none() && key.is_some() {
                    self.prove(link);
                }
                self.privacy.came_under = key;
                return Some(message);
            }
            Unsealed::Late { message: said, key } => {
                self.on_late(link, gossip, key, message, &said);
            }
            // Whoever was not invited passes on what it cannot judge.
            Unsealed::Forged if self.privacy.members.contains(&link) => {
                self.penalise(link, Fault::BadSignature);
            }
            Unsealed::Forged => self.spend(link, 1),
            Unsealed::Foreign => {
                self.privacy.hears_sealed = true;
                self.spend(link, 1);
                if self.privacy.questions.take(self.now, &link, REMINDER_COSTS) {
                    self.unicast(link, &Packet::AskRotation);
                }
            }
            Unsealed::Clear => self.penalise(link, Fault::Unsealed),
            Unsealed::Bad(fault) => self.penalise(link, fault),
        }
        None
    }

    /// A neighbour has shown that it is a member.
    fn prove(&mut self, link: LinkId) {
        if let Some(peer) = self.privacy.strangers.remove(&link) {
            self.privacy.members.insert(link);
            self.admit(mesh::Output::PeerUp { link, peer });
        }
    }

    /// Somebody speaks under a key that is out of use: it was away, or left out. Both are given the
    /// newest rotation; only the one can open it.
    fn on_late(
        &mut self,
        link: LinkId,
        gossip: Option<Attempt>,
        key: KeyId,
        sealed: Bytes,
        said: &[u8],
    ) {
        if gossip.is_none() && self.privacy.members.remove(&link) {
            let address = self.mesh.peers().find(|known| known.link == link);
            if let Some(peer) = address.map(|known| known.address) {
                self.privacy.strangers.insert(link, peer);
                self.admit(mesh::Output::PeerDown { link, peer: peer.peer });
            }
        }
        let Some(attempt) = gossip else { return self.give_rotation(link) };
        let Some(newest) = self.privacy.keyring.newest().cloned() else { return };
        if !self.privacy.reminders.take(self.now, REMINDER_COSTS) {
            return;
        }
        let packet = Packet::Rotation(newest);
        let lane = packet.lane();
        if matches!(Packet::decode(said), Ok(Packet::Rotation(_))) {
            // Those who were away may be behind those who were not.
            let (author, serial, message, from) = (None, None, sealed, Some(link));
            let input = mesh::Input::Broadcast { lane, author, serial, attempt, message, from };
            return self.mesh.handle(self.now, input);
        }
        self.privacy.reminded = self.privacy.reminded.next();
        let attempt = self.privacy.reminded;
        self.spread(Some(key), lane, attempt, packet.encode());
    }

    /// Tells a neighbour of the newest key, if it is to have it. The link is sealed already.
    pub(super) fn give_rotation(&mut self, link: LinkId) {
        let Some(newest) = self.privacy.keyring.newest() else { return };
        if self.mesh.peer(link).is_some_and(|peer| newest.is_for(&peer)) {
            let packet = Packet::Rotation(newest.clone());
            self.unicast(link, &packet);
        }
    }

    /// Says something to everybody who has `key`.
    fn spread(&mut self, key: Option<KeyId>, lane: Lane, attempt: Attempt, plain: Bytes) {
        let message = seal(&self.privacy.keyring, key, lane, Place::Everywhere, plain);
        let author = Some(self.address.peer);
        let (serial, from) = (None, None);
        let input = mesh::Input::Broadcast { lane, author, serial, attempt, message, from };
        self.mesh.handle(self.now, input);
    }

    /// A message for everybody as it travels.
    pub(super) fn seal_gossip(&self, key: Option<KeyId>, lane: Lane, message: Bytes) -> Bytes {
        seal(&self.privacy.keyring, key, lane, Place::Everywhere, message)
    }

    /// A message for one neighbour as it travels.
    pub(super) fn seal_for(
        &self,
        link: LinkId,
        key: Option<KeyId>,
        lane: Lane,
        message: Bytes,
    ) -> Bytes {
        let from = self.address.peer;
        match self.mesh.peer(link) {
            Some(to) => {
                let place = Place::Between { from, to };
                seal(&self.privacy.keyring, key, lane, place, message)
            }
            // It is gone, and so is the message.
            None => message,
        }
    }

    /// Somebody speaks under a key, and this node was given none.
    pub(super) fn on_sealed(&mut self, link: LinkId) {
        if self.privacy.is_private() {
            // One envelope in another.
            return self.penalise(link, Fault::Malformed);
        }
        self.privacy.hears_sealed = true;
        self.spend(link, 1);
    }

    /// Makes a new key for all accounts but some, and for some others.
    pub(super) fn rotate(
        &mut self,
        without: &[PeerId],
        with: &[PeerId],
    ) -> Result<CommandId, Refusal> {
        let accounts = self.chain.state().accounts().map(|(peer, _)| peer);
        let validators = self.genesis.validators.iter().map(|card| card.address.peer);
        let kept = accounts.filter(|peer| !without.contains(peer));
        let validators = validators.filter(|peer| !without.contains(peer));
        let members = kept.chain(validators).chain(with.iter().copied()).collect();
        let Privacy { keyring, rng, .. } = &mut self.privacy;
        let before = keyring.key().map(|key| key.id(self.chain.network()));
        let (endorsed, heard) = keyring.propose(self.now, rng, &members)?;
        Ok(self.say_rotation(before, endorsed, heard))
    }

    /// Stands by a new key that somebody made.
    pub(super) fn endorse(&mut self, id: Hash) -> Result<CommandId, Refusal> {
        let keyring = &mut self.privacy.keyring;
        let before = keyring.key().map(|key| key.id(self.chain.network()));
        let (endorsed, heard) = keyring.endorse(self.now, id)?;
        Ok(self.say_rotation(before, endorsed, heard))
    }

    fn say_rotation(&mut self, key: Option<KeyId>, endorsed: Endorsed, heard: Heard) -> CommandId {
        let id = endorsed.id();
        let packet = Packet::Rotation(endorsed);
        self.spread(key, packet.lane(), Attempt::default(), packet.encode());
        self.tell_of_rotation(id, heard);
        id
    }

    pub(super) fn on_rotation(&mut self, link: LinkId, endorsed: &Endorsed) {
        match self.privacy.keyring.hear(self.now, endorsed) {
            Ok(Heard::Known) => self.spend(link, 1),
            Ok(heard) => {
                self.relay();
                self.tell_of_rotation(endorsed.id(), heard);
            }
            Err(fault) => self.penalise(link, fault),
        }
    }

    fn tell_of_rotation(&mut self, id: Hash, heard: Heard) {
        let keyring = &self.privacy.keyring;
        let needed = keyring.needed() as u16;
        match heard {
            Heard::Known => {}
            Heard::Pending => {
                let Some(pending) = keyring.pending().find(|pending| pending.id == id) else {
                    return;
                };
                let by = pending.by.len() as u16;
                self.notify(Notice::RotationProposed { id, version: pending.version, by, needed });
            }
            Heard::Changed => {
                self.privacy.hears_sealed = false;
                let version = keyring.key().map_or(0, |key| key.version());
                self.keep_keys();
                self.notify(Notice::KeyChanged { version });
                self.greet();
            }
            Heard::LeftOut => {
                self.keep_keys();
                self.notify(Notice::LeftOut);
            }
        }
    }

    fn keep_keys(&mut self) {
        let kept: Kept = self.privacy.keyring.kept();
        self.actions.push_back(Action::KeepKeys(kept.encode().into()));
    }

    /// Shows all neighbours that this node has the newest key.
    fn greet(&mut self) {
        let links = self.privacy.strangers.keys().chain(&self.privacy.members);
        for link in links.copied().collect::<Vec<LinkId>>() {
            self.unicast(link, &Packet::Hello);
        }
    }

    /// Somebody is at the other end of a link, a member or not.
    pub(super) fn meet(&mut self, link: LinkId, peer: PeerId) {
        self.tell_post(post::Input::LinkUp { link, peer });
        self.notify(Notice::PeerUp { peer, link });
    }

    /// Nobody is any more.
    pub(super) fn part(&mut self, link: LinkId, peer: PeerId) {
        self.tell_post(post::Input::LinkDown { link });
        if !self.mesh.is_linked(peer) {
            self.notify(Notice::PeerDown { peer });
        }
    }

    pub(super) fn is_private(&self) -> bool {
        self.privacy.is_private()
    }

    /// The key of this node's network if it is private, to be given to whoever is invited.
    pub fn network_key(&self) -> Option<&crate::keyring::NetworkKey> {
        self.privacy.keyring.key()
    }

    pub(super) fn private_status(&self) -> Option<PrivateStatus> {
        let keyring = &self.privacy.keyring;
        let key = keyring.key()?;
        let pending = keyring.pending().map(|it| RotationStatus {
            id: it.id,
            version: it.version,
            endorsed_by: it.by.iter().map(|index| index.0).collect(),
            members: it.members,
        });
        Some(PrivateStatus {
            version: key.version(),
            is_left_out: keyring.is_left_out(),
            endorsements_needed: keyring.needed() as u16,
            pending: pending.collect(),
            strangers: self.privacy.strangers.len() as u16,
        })
    }

    /// Why this node does not understand its neighbours, if it does not.
    pub(super) fn misses_key(&self) -> Option<alloc::string::String> {
        if !self.privacy.hears_sealed {
            return None;
        }
        let why = if self.privacy.keyring.is_left_out() {
            "the network has a new key, and this node was left out; ask a member for an invitation"
        } else if self.privacy.is_private() {
            "neighbours speak under a key that this node does not have; it is told of newer keys by \
             the first member it meets"
        } else {
            "this network is private, and this node was given no key; ask a member for an invitation"
        };
        Some(why.to_string())
    }
}

impl From<NoRotation> for Refusal {
    fn from(reason: NoRotation) -> Self {
        Self::NoRotation(reason)
    }
}
