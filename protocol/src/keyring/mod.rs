//! The keys of a private network: what members say to one another is sealed under the newest, so
//! that relays which were not invited carry what they cannot read.
//!
//! Whoever has a key is a member; there is no other list. A network is private if its nodes were
//! given one when they were made. Validators give it a [successor](Endorsed), sealed to all who are
//! to stay, and f + 1 of them must stand by it. Whoever was left out hears nothing more, and is not
//! heard after [`GRACE`]; whoever was only away asks the first member it meets for the newest rotation,
//! which is given to those whom it names.

mod key;
mod rotation;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(crate) use key::SEAL_BYTES;
use key::Sealer;
pub use key::{Envelope, KeyId, NetworkKey};
pub use rotation::{Endorsed, MEMBERS, NoKey};
use rotation::{NotEndorsed, Rotation};

use crate::block::ValidatorIndex;
use crate::event::Fault;
use crate::identity::{Context, Keypair, PeerId};
use crate::rng::Rng;
use crate::time::Time;
use crate::wire::{Hash, List, Malformed, decode, encode};

/// How long a key that has a successor is still heard: what was said before the successor was known
/// everywhere arrives.
pub const GRACE: Duration = Duration::from_secs(60);
/// Keys that are remembered, to know members who were away; the oldest is forgotten.
pub const KEYS: usize = 8;
/// Rotations that too few stand by yet; a further one is refused.
const PENDING: usize = 8;
/// Bytes of an encoded [`Kept`]: the keys, and a rotation with its signatures.
const KEPT_BYTES: usize = 256 * 1024;

/// What a member remembers from one life to the next. As secret as the keys in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The newest first; none in a network that is not private.
    pub keys: List<NetworkKey, KEYS>,
    /// What brought the newest key, for those who were away.
    pub rotation: Option<Endorsed>,
}

impl Kept {
    /// What a member of a network that is not private remembers: nothing.
    pub fn nothing() -> Self {
        Self { keys: List::new(Vec::new()).expect("no keys are few"), rotation: None }
    }

    /// What a new member remembers, who was given this key.
    pub fn of(key: NetworkKey) -> Self {
        Self { keys: List::new(alloc::vec![key]).expect("one key"), rotation: None }
    }

    /// The bytes that [`decode`](Self::decode) reads.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// What a former life kept.
    ///
    /// # Errors
    ///
    /// If that was something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        decode(bytes, KEPT_BYTES)
    }
}

/// What became of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A member says this.
    Message(Bytes),
    /// So does somebody who has not heard of the newest key.
    Late(Bytes),
    /// It is sealed under a key that is not known here.
    Foreign,
    /// Nobody who has that key sealed it, or it was not for this place.
    Forged,
}

/// What became of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is known, or no longer of interest.
    Known,
    /// It is new, or one more validator stands by it.
    Pending,
    /// There is a new key.
    Changed,
    /// There is a new key, and it is not for this node.
    LeftOut,
}

/// Why a rotation cannot be made or endorsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRotation {
    /// The network is not private.
    NotPrivate,
    /// Only validators make and endorse new keys.
    NotAValidator,
    /// More than [`MEMBERS`] would have it.
    TooManyMembers,
    /// A validator cannot be left out.
    LeavesOutValidator,
    /// Nothing can be sealed to somebody who is to have it.
    NoKey(PeerId),
    /// None of that name waits.
    Unknown,
    /// It is not what it should be: somebody would be left without a key.
    Unsound,
    /// Too many wait already.
    Full,
}

/// A rotation that too few stand by yet, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its name.
    pub id: Hash,
    /// The version of its key.
    pub version: u32,
    /// Who stands by it.
    pub by: Vec<ValidatorIndex>,
    /// Who is to have the key.
    pub members: Vec<PeerId>,
}

/// A key that is or was in use.
#[derive(Debug)]
struct Held {
    key: NetworkKey,
    sealer: Sealer,
    /// Until when it is heard, if it has a successor.
    until: Option<Time>,
}

/// The keys of one member.
#[derive(Debug)]
pub(crate) struct Keyring {
    own: Keypair,
    context: Context,
    validators: Vec<PeerId>,
    /// How many must stand by a rotation.
    needed: usize,
    /// The newest first; at most [`KEYS`].
    held: Vec<Held>,
    /// The newest rotation that is in force, whether its key is known here or not.
    newest: Option<Endorsed>,
    /// At most [`PENDING`].
    pending: BTreeMap<Hash, Endorsed>,
}

impl Keyring {
    /// The keys that a former life kept.
    pub(crate) fn new(
        kept: Kept,
        own: Keypair,
        context: Context,
        validators: Vec<PeerId>,
        faults: usize,
    ) -> Self {
        let Kept { keys, rotation } = kept;
        let hold = |(position, key): (usize, NetworkKey)| Held {
            sealer: Sealer::new(&key, context.network),
            key,
            until: (position > 0).then_some(Time::ZERO),
        };
        Self {
            held: keys.into_vec().into_iter().enumerate().map(hold).collect(),
            newest: rotation,
            own,
            validators,
            needed: faults + 1,
            context,
            pending: BTreeMap::new(),
        }
    }

    /// What to remember for the next life.
    pub(crate) fn kept(&self) -> Kept {
        let keys = self.held.iter().map(|held| held.key.clone()).collect();
        let keys = List::new(keys).expect("no more are held");
        Kept { keys, rotation: self.newest.clone() }
    }

    /// The newest key; nothing if the network is not private.
    pub(crate) fn key(&self) -> Option<&NetworkKey> {
        self.held.first().map(|held| &held.key)
    }

    /// Whether there is a newer key that this node was not given.
    pub(crate) fn is_left_out(&self) -> bool {
        let newest = self.newest.as_ref().map(|newest| newest.rotation.version);
        newest.zip(self.key()).is_some_and(|(newest, key)| newest > key.version())
    }

    /// Rotations that too few stand by yet.
    pub(crate) fn pending(&self) -> impl Iterator<Item = Pending> {
        self.pending.iter().map(|(id, endorsed)| Pending {
            id: *id,
            version: endorsed.rotation.version,
            by: endorsed.by().collect(),
            members: endorsed.rotation.members().collect(),
        })
    }

    /// How many validators must stand by a rotation.
    pub(crate) const fn needed(&self) -> usize {
        self.needed
    }

    /// Seals a message under the newest key, or under `key` if that is still known; nothing if the
    /// network is not private.
    pub(crate) fn seal(
        &self,
        key: Option<KeyId>,
        place: &[u8],
        message: &[u8],
    ) -> Option<Envelope> {
        let asked = |held: &&Held| key.is_none_or(|key| held.sealer.id == key);
        let held = self.held.iter().find(asked).or(self.held.first())?;
        Some(held.sealer.seal(place, message))
    }

    /// Opens what came.
    pub(crate) fn open(&self, now: Time, place: &[u8], envelope: &Envelope) -> Opened {
        let Some(held) = self.held.iter().find(|held| held.sealer.id == envelope.key) else {
            return Opened::Foreign;
        };
        match held.sealer.open(place, envelope) {
            Some(message) if held.until.is_none_or(|until| now < until) => {
                Opened::Message(message.into())
            }
            Some(message) => Opened::Late(message.into()),
            None => Opened::Forged,
        }
    }

    /// Makes a new key for `members`, and stands by it. `rng` must be a stream that nobody else
    /// knows. To be spread; [`Heard::Changed`] if this validator alone is enough.
    pub(crate) fn propose(
        &mut self,
        now: Time,
        rng: &mut Rng,
        members: &BTreeSet<PeerId>,
    ) -> Result<(Endorsed, Heard), NoRotation> {
        let key = self.key().ok_or(NoRotation::NotPrivate)?;
        if members.len() > MEMBERS {
            return Err(NoRotation::TooManyMembers);
        }
        if !self.validators.iter().all(|validator| members.contains(validator)) {
            return Err(NoRotation::LeavesOutValidator);
        }
        if self.pending.len() >= PENDING {
            return Err(NoRotation::Full);
        }
        let next = key.next(rng);
        let rotation = Rotation::make(&next, self.context.network, members)
            .map_err(|NoKey(peer)| NoRotation::NoKey(peer))?;
        let endorsed = Endorsed::new(rotation);
        let id = endorsed.id();
        self.pending.insert(id, endorsed);
        self.endorse(now, id)
    }

    /// Stands by a rotation that waits, once every copy in it is checked. To be spread.
    pub(crate) fn endorse(&mut self, now: Time, id: Hash) -> Result<(Endorsed, Heard), NoRotation> {
        let me = self.own.peer();
        let index = self.validators.iter().position(|validator| *validator == me);
        let index = index.ok_or(NoRotation::NotAValidator)?;
        let waiting = self.pending.get_mut(&id).ok_or(NoRotation::Unknown)?;
        let network = self.context.network;
        let key = waiting.rotation.open(&self.own, network).ok_or(NoRotation::Unsound)?;
        if !waiting.rotation.is_of(&key, network) {
            return Err(NoRotation::Unsound);
        }
        waiting.endorse(ValidatorIndex(index as u16), &self.own, &self.context);
        let endorsed = waiting.clone();
        let heard = self.follow(now, id);
        Ok((endorsed, heard))
    }

    /// Judges a rotation that somebody brings.
    pub(crate) fn hear(&mut self, now: Time, endorsed: &Endorsed) -> Result<Heard, Fault> {
        let rotation = &endorsed.rotation;
        let leaves_out = self.validators.iter().any(|validator| !rotation.has(validator));
        if !rotation.is_in_order() || leaves_out {
            return Err(Fault::Malformed);
        }
        let id = endorsed.id();
        if !self.is_newer(rotation.version, id) {
            return Ok(Heard::Known);
        }
        let is_known = self.pending.contains_key(&id);
        let mut all =
            self.pending.get(&id).cloned().unwrap_or_else(|| Endorsed::new(rotation.clone()));
        let is_news = all.learn(endorsed, &self.validators, &self.context);
        if !is_news.map_err(|NotEndorsed| Fault::BadSignature)? {
            return Ok(Heard::Known);
        }
        let is_enough = all.count() >= self.needed;
        if !is_known && !is_enough && !self.has_room(rotation.version, &all) {
            return Ok(Heard::Known);
        }
        self.pending.insert(id, all);
        Ok(self.follow(now, id))
    }

    /// The rotation that brought the newest key, for somebody who was away.
    pub(crate) const fn newest(&self) -> Option<&Endorsed> {
        self.newest.as_ref()
    }

    /// Whether one that too few stand by may wait: it must be the next one, and no other of the same
    /// validator alone.
    fn has_room(&mut self, version: u32, endorsed: &Endorsed) -> bool {
        let next = self.key().map(|key| key.version().saturating_add(1));
        if next != Some(version) {
            return false;
        }
        let by: BTreeSet<ValidatorIndex> = endorsed.by().collect();
        self.pending.retain(|_, other| !other.by().all(|index| by.contains(&index)));
        self.pending.len() < PENDING
    }

    /// Of two of one version, the one with the higher name: everybody chooses alike.
    fn is_newer(&self, version: u32, id: Hash) -> bool {
        match &self.newest {
            Some(newest) => (version, id) > (newest.rotation.version, newest.id()),
            None => self.key().is_some_and(|key| version > key.version()),
        }
    }

    /// Changes to the key of a rotation, if enough stand by it.
    fn follow(&mut self, now: Time, id: Hash) -> Heard {
        let enough = |it: &&Endorsed| it.count() >= self.needed;
        let Some(endorsed) = self.pending.get(&id).filter(enough).cloned() else {
            return Heard::Pending;
        };
        let version = endorsed.rotation.version;
        let key = endorsed.rotation.open(&self.own, self.context.network);
        self.newest = Some(endorsed);
        self.pending.retain(|_, other| other.rotation.version > version);
        let Some(key) = key else { return Heard::LeftOut };
        if let Some(former) = self.held.first_mut() {
            former.until = Some(now + GRACE);
        }
        let sealer = Sealer::new(&key, self.context.network);
        self.held.insert(0, Held { key, sealer, until: None });
        self.held.truncate(KEYS);
        Heard::Changed
    }
}

impl fmt::Display for NoRotation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPrivate => formatter.write_str("this network is not private: it has no key"),
            Self::NotAValidator => {
                formatter.write_str("only validators make new keys and stand by them")
            }
            Self::TooManyMembers => {
                write!(formatter, "more than {MEMBERS} members; name some who are left out")
            }
            Self::LeavesOutValidator => formatter.write_str("a validator cannot be left out"),
            Self::NoKey(peer) => write!(formatter, "{peer} is nobody's key"),
            Self::Unknown => formatter.write_str("no new key by that name waits"),
            Self::Unsound => formatter
                .write_str("that new key was made badly: somebody would be left without it"),
            Self::Full => formatter.write_str("too many new keys wait already"),
        }
    }
}
