//! The Noise XX handshake and what both sides prove in it.
//!
//! The prologue binds [`VERSION`]. The payloads of messages 2 and 3, which only the other side can
//! read, name the network and the identity with its proof of work, and bind the identity to the
//! sender's static Noise key by a signature over that key and the sender's role. Holding the static
//! key is what Noise itself proves. The network is not in the prologue, so that somebody from
//! another one can be told apart from somebody who speaks nonsense.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use snow::Builder;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::Zeroizing;

use super::channel::{Channel, Transport};
use super::{NOISE_BYTES, TAG_BYTES};
use crate::event::Fault;
use crate::identity::{
    Address, Context, Domain, Epoch, Keypair, NetworkId, ProofOfWork, Signature,
};
use crate::rng::Rng;
use crate::wire::{VERSION, decode, encode};

const PROTOCOL: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";
const STATIC_KEY: &str = "bitcraps 2026 session static key";
const KEY_BYTES: usize = 32;
/// Bytes of encoded credentials: three times 32, twice 64, and a proof of work of at most ten.
const CREDENTIALS_BYTES: usize = 32 + 32 + 10 + 64;
/// Bytes of the longest handshake message, the second: an ephemeral key, a sealed static key and
/// sealed credentials.
const MESSAGE_BYTES: usize = KEY_BYTES + (KEY_BYTES + TAG_BYTES) + (CREDENTIALS_BYTES + TAG_BYTES);

const _: () = assert!(MESSAGE_BYTES < super::Session::MIN_MTU as usize);
const _: () = assert!(MESSAGE_BYTES < NOISE_BYTES);

/// Who this node is on every link, and whom it admits: made once, used by all its sessions.
pub struct LocalIdentity {
    address: Address,
    network: NetworkId,
    work_bits: u8,
    static_key: Zeroizing<[u8; KEY_BYTES]>,
    pub(super) initiator: Vec<u8>,
    pub(super) responder: Vec<u8>,
    #[cfg(any(test, feature = "simulation"))]
    is_clear: bool,
}

impl LocalIdentity {
    /// Prepares the handshakes of `keypair`, which cost `proof`, on `network`, where an identity
    /// must cost `work_bits` leading zero bits.
    pub fn new(keypair: &Keypair, proof: ProofOfWork, network: NetworkId, work_bits: u8) -> Self {
        let address = Address { peer: keypair.peer(), proof };
        let static_key = keypair.derive(STATIC_KEY);
        let mut pair = DefaultResolver
            .resolve_dh(&DHChoice::Curve25519)
            .expect("the build enables Curve25519");
        pair.set(&*static_key);
        let credentials = |role: Role| {
            let bytes = role.binds(pair.pubkey());
            let signature = keypair.sign(Domain::Session, &context(network), &bytes);
            encode(&Credentials { network, address, signature })
        };
        Self {
            address,
            network,
            work_bits,
            initiator: credentials(Role::Initiator),
            responder: credentials(Role::Responder),
            static_key,
            #[cfg(any(test, feature = "simulation"))]
            is_clear: false,
        }
    }

    /// Prepares handshakes in which both sides name themselves, prove nothing, and go on in plain
    /// text. For big simulations; both sides of a link must agree.
    #[cfg(any(test, feature = "simulation"))]
    pub fn in_the_clear(address: Address, network: NetworkId, work_bits: u8) -> Self {
        let credentials = encode(&Credentials { network, address, signature: Signature([0; 64]) });
        Self {
            address,
            network,
            work_bits,
            initiator: credentials.clone(),
            responder: credentials,
            static_key: Zeroizing::new([0; KEY_BYTES]),
            is_clear: true,
        }
    }

    /// This node's own address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Begins a handshake's cryptography.
    fn channel(&self, rng: Rng, role: Role) -> Channel {
        #[cfg(any(test, feature = "simulation"))]
        if self.is_clear {
            return Channel::Clear;
        }
        let parameters = PROTOCOL.parse().expect("a Noise protocol name");
        let prologue = [b"bitcraps/session/".as_slice(), &VERSION.to_le_bytes()].concat();
        let builder = Builder::with_resolver(parameters, Box::new(Injected(rng)))
            .prologue(&prologue)
            .and_then(|builder| builder.local_private_key(&*self.static_key))
            .expect("each is set once");
        let noise = match role {
            Role::Initiator => builder.build_initiator(),
            Role::Responder => builder.build_responder(),
        };
        Channel::Noise(Box::new(noise.expect("XX needs a local static key only, and it is set")))
    }

    const fn credentials(&self, role: Role) -> &Vec<u8> {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }
}

impl fmt::Debug for LocalIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LocalIdentity({:?})", self.address.peer)
    }
}

/// What one side says about itself in its handshake payload.
#[derive(Serialize, Deserialize)]
struct Credentials {
    network: NetworkId,
    address: Address,
    signature: Signature,
}

/// The part one side plays in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Initiator,
    Responder,
}

impl Role {
    /// What an identity signs to say "in this role, that static key is mine".
    fn binds(self, static_key: &[u8]) -> Vec<u8> {
        let role = match self {
            Self::Initiator => 0,
            Self::Responder => 1,
        };
        let mut bytes = static_key.to_vec();
        bytes.push(role);
        bytes
    }
}

const fn context(network: NetworkId) -> Context {
    Context { network, epoch: Epoch(0) }
}

/// Which of the three handshake messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    First,
    Second,
    Third,
}

/// What reading the expected message led to.
pub(super) enum Progress {
    /// The second message is to be sent, and the third awaited.
    Answered { handshake: Box<Handshake>, second: Vec<u8> },
    /// The other side is known; the initiator has the third message to send.
    Done { address: Address, transport: Transport, third: Option<Vec<u8>> },
}

/// A handshake that waits for the other side's next message.
pub(super) struct Handshake {
    channel: Channel,
    awaits: Step,
    credentials: Vec<u8>,
    network: NetworkId,
    work_bits: u8,
}

impl Handshake {
    /// Begins as the initiator, with the first message.
    pub(super) fn initiate(identity: &LocalIdentity, rng: Rng) -> (Self, Vec<u8>) {
        let mut handshake = Self::new(identity, rng, Role::Initiator, Step::Second);
        let first = handshake.write(&[]);
        (handshake, first)
    }

    /// Begins as the responder.
    pub(super) fn accept(identity: &LocalIdentity, rng: Rng) -> Self {
        Self::new(identity, rng, Role::Responder, Step::First)
    }

    fn new(identity: &LocalIdentity, rng: Rng, role: Role, awaits: Step) -> Self {
        Self {
            channel: identity.channel(rng, role),
            awaits,
            credentials: identity.credentials(role).clone(),
            network: identity.network,
            work_bits: identity.work_bits,
        }
    }

    /// Whether this is the message that comes next.
    pub(super) fn expects(&self, step: Step) -> bool {
        self.awaits == step
    }

    /// Reads the expected message and writes the next.
    pub(super) fn read(mut self: Box<Self>, message: &[u8]) -> Result<Progress, Fault> {
        match self.awaits {
            Step::First => {
                self.channel.read(message, &mut [])?;
                let second = self.write_credentials();
                self.awaits = Step::Third;
                Ok(Progress::Answered { handshake: self, second })
            }
            Step::Second => {
                let address = self.check(message, Role::Responder)?;
                let third = self.write_credentials();
                Ok(Progress::Done { address, transport: self.finish(), third: Some(third) })
            }
            Step::Third => {
                let address = self.check(message, Role::Initiator)?;
                Ok(Progress::Done { address, transport: self.finish(), third: None })
            }
        }
    }

    /// Reads the other side's credentials and checks them, the cheapest check first.
    fn check(&mut self, message: &[u8], role: Role) -> Result<Address, Fault> {
        let mut payload = [0; CREDENTIALS_BYTES];
        let length = self.channel.read(message, &mut payload)?;
        let credentials: Credentials = decode(&payload[..length], CREDENTIALS_BYTES)?;
        if credentials.network != self.network {
            return Err(Fault::WrongNetwork);
        }
        if !credentials.address.is_worth(self.work_bits) {
            return Err(Fault::TooLittleWork);
        }
        let Some(key) = self.channel.remote_static() else { return Ok(credentials.address) };
        credentials
            .address
            .peer
            .verify(
                Domain::Session,
                &context(self.network),
                &role.binds(key),
                &credentials.signature,
            )
            .map_err(|_| Fault::WrongIdentity)?;
        Ok(credentials.address)
    }

    fn write_credentials(&mut self) -> Vec<u8> {
        let credentials = core::mem::take(&mut self.credentials);
        self.write(&credentials)
    }

    fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut message = vec![0; MESSAGE_BYTES];
        let length = self.channel.write(payload, &mut message);
        message.truncate(length);
        message
    }

    fn finish(self) -> Transport {
        self.channel.finish()
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Handshake(awaits {:?})", self.awaits)
    }
}

/// Snow's own cryptography with our randomness. Asked for randomness once per handshake.
struct Injected(Rng);

impl CryptoResolver for Injected {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Source(self.0.clone())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct Source(Rng);

impl Random for Source {
    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(destination);
        Ok(())
    }
}
