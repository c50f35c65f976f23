//! What travels: a letter that its author signed, and what relays may change about it.

use serde::{Deserialize, Serialize};

use super::conversation::{ConversationId, PublicKey};
use crate::identity::{Address, BadSignature, Context, Domain, Keypair, PeerId, Signature};
use crate::wire::{List, encode};

/// Bytes of the longest message in a letter.
pub const LETTER_BYTES: usize = 1024;
/// Bytes by which what is sealed may be longer: a variant, an id, a length and a tag.
const SEALING_BYTES: usize = 64;
/// Bytes of the longest sealed text.
pub(super) const SEALED_BYTES: usize = LETTER_BYTES + SEALING_BYTES;

/// How often a letter may still be passed on; as relays say, so it only bounds honest mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HopsLeft(pub(super) u8);

impl HopsLeft {
    /// What every letter starts with. 32: twice the diameter of a crowd of 300 radios.
    pub(super) const MOST: Self = Self(32);

    /// One fewer; never more than [`Self::MOST`], and nothing after the last one.
    pub(super) fn next(self) -> Option<Self> {
        self.0.min(Self::MOST.0).checked_sub(1).map(Self)
    }
}

/// How relays pass a letter on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Spread {
    /// To where its receiver was heard last; to all who are linked where that is not known.
    Path,
    /// To all who are linked.
    Flood,
}

/// What a letter says, to its receiver alone or on the way to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Content {
    /// The author wants to talk, and has made this key for it.
    Call { key: PublicKey },
    /// Answers the call with that key; both now have secrets that nobody else has.
    Answer { call: PublicKey, key: PublicKey },
    /// Sealed under those.
    Sealed { conversation: ConversationId, nonce: u64, text: List<u8, SEALED_BYTES> },
}

/// What its author signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Letter {
    pub(super) from: Address,
    pub(super) to: PeerId,
    /// Its author uses no number twice; they grow, after restarts too.
    pub(super) number: u64,
    pub(super) spread: Spread,
    pub(super) content: Content,
}

/// A letter on its way from one neighbour to the next; believed only when the signature verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    pub(super) hops: HopsLeft,
    pub(super) letter: Letter,
    pub(super) signature: Signature,
}

impl Parcel {
    pub(super) fn new(letter: Letter, keypair: &Keypair, context: &Context) -> Self {
        let signature = keypair.sign(Domain::Letter, context, &encode(&letter));
        Self { hops: HopsLeft::MOST, letter, signature }
    }

    /// Whether its author signed it. One value has one encoding, so these are the bytes that came.
    pub(super) fn check(&self, context: &Context) -> Result<(), BadSignature> {
        let peer = self.letter.from.peer;
        peer.verify(Domain::Letter, context, &encode(&self.letter), &self.signature)
    }
}
