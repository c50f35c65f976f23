//! What a newcomer, who knows a network by its id and perhaps its key, says to get the genesis.

use bytes::Bytes;

use super::packet::Packet;
use super::sealing::{Place, Unsealed, seal, unseal};
use crate::chain::Genesis;
use crate::identity::{Context, Epoch, Keypair, NetworkId, PeerId};
use crate::keyring::{Kept, Keyring, NetworkKey};
use crate::mesh::Lane;
use crate::time::Time;

/// The other side speaks under a key that is not the newcomer's: the network is private, and the
/// ticket holds no key or one that is out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldKey;

/// One question and one answer on one link, between a newcomer and somebody who has the genesis.
/// Both are sealed if the network is private.
#[derive(Debug)]
pub struct Introduction {
    keyring: Keyring,
    own: PeerId,
    peer: PeerId,
}

impl Introduction {
    /// Between the holder of `own` and `peer`, under `key` if the network is private.
    pub fn new(network: NetworkId, key: Option<NetworkKey>, own: &Keypair, peer: PeerId) -> Self {
        let kept = key.map_or_else(Kept::nothing, Kept::of);
        let context = Context { network, epoch: Epoch(0) };
        let keyring = Keyring::new(kept, own.clone(), context, alloc::vec::Vec::new(), 0);
        Self { keyring, own: own.peer(), peer }
    }

    /// Asks for the genesis of the network that both named in the handshake.
    pub fn request(&self) -> Bytes {
        self.say(&Packet::AskGenesis)
    }

    /// Answers that.
    pub fn answer(&self, genesis: &Genesis) -> Bytes {
        self.say(&Packet::Genesis(genesis.encode().into()))
    }

    /// The genesis in the answer; `None` if the message is something else. Whoever asked compares
    /// its hash with the network's id.
    ///
    /// # Errors
    ///
    /// If there will be no answer that could be read.
    pub fn read_answer(&self, message: Bytes) -> Result<Option<Genesis>, OldKey> {
        Ok(match self.hear(message)? {
            Some(Packet::Genesis(bytes)) => Genesis::decode(&bytes).ok(),
            Some(_) | None => None,
        })
    }

    /// Whether a message is the question.
    pub fn is_request(&self, message: Bytes) -> bool {
        self.hear(message) == Ok(Some(Packet::AskGenesis))
    }

    fn say(&self, packet: &Packet) -> Bytes {
        let place = Place::Between { from: self.own, to: self.peer };
        seal(&self.keyring, None, Lane::Control, place, packet.encode())
    }

    fn hear(&self, message: Bytes) -> Result<Option<Packet>, OldKey> {
        if self.keyring.key().is_none() {
            let packet = Packet::decode(&message);
            return if let Ok(Packet::Sealed { .. }) = packet {
                Err(OldKey)
            } else {
                Ok(packet.ok())
            };
        }
        let place = Place::Between { from: self.peer, to: self.own };
        match unseal(&self.keyring, Time::ZERO, place, message) {
            Unsealed::Open { message, .. } => Ok(Packet::decode(&message).ok()),
            Unsealed::Foreign => Err(OldKey),
            Unsealed::Late { .. } | Unsealed::Forged | Unsealed::Clear | Unsealed::Bad(_) => {
                Ok(None)
            }
        }
    }
}
