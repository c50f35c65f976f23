//! What protects a link: Noise, through `snow`, or in some simulations nothing. Without the feature
//! `simulation` there is only Noise.

use alloc::boxed::Box;

use snow::{HandshakeState, StatelessTransportState};

use crate::event::Fault;

/// The handshake's cryptography.
pub(super) enum Channel {
    Noise(Box<HandshakeState>),
    #[cfg(any(test, feature = "simulation"))]
    Clear,
}

/// That of an established session.
pub(super) enum Transport {
    Noise(StatelessTransportState),
    #[cfg(any(test, feature = "simulation"))]
    Clear,
}

impl Channel {
    /// Reads a handshake message into `payload`; returns the payload's length.
    pub(super) fn read(&mut self, message: &[u8], payload: &mut [u8]) -> Result<usize, Fault> {
        match self {
            Self::Noise(noise) => {
                noise.read_message(message, payload).map_err(|_| Fault::Handshake)
            }
            #[cfg(any(test, feature = "simulation"))]
            Self::Clear => copy(message, payload).ok_or(Fault::Handshake),
        }
    }

    /// Writes a handshake message, whose turn it is, and returns its length.
    pub(super) fn write(&mut self, payload: &[u8], message: &mut [u8]) -> usize {
        match self {
            Self::Noise(noise) => noise
                .write_message(payload, message)
                .expect("it is our turn, and the longest message fits"),
            #[cfg(any(test, feature = "simulation"))]
            Self::Clear => copy(payload, message).expect("the longest message fits"),
        }
    }

    /// The other side's static key, which it has proved to hold; `None` if nothing is proved.
    pub(super) fn remote_static(&self) -> Option<&[u8]> {
        match self {
            Self::Noise(noise) => {
                Some(noise.get_remote_static().expect("messages 2 and 3 of XX carry it"))
            }
            #[cfg(any(test, feature = "simulation"))]
            Self::Clear => None,
        }
    }

    /// Goes on to records; all three messages are through.
    pub(super) fn finish(self) -> Transport {
        match self {
            Self::Noise(noise) => Transport::Noise(
                noise.into_stateless_transport_mode().expect("all three messages are through"),
            ),
            #[cfg(any(test, feature = "simulation"))]
            Self::Clear => Transport::Clear,
        }
    }
}

impl Transport {
    /// Seals `plain` into `sealed`, which is a tag longer.
    pub(super) fn seal(&mut self, nonce: u64, plain: &[u8], sealed: &mut [u8]) {
        match self {
            Self::Noise(noise) => {
                noise
                    .write_message(nonce, plain, sealed)
                    .expect("a piece fits a Noise message, and nobody sends 2^64 records");
            }
            #[cfg(any(test, feature = "simulation"))]
            Self::Clear => sealed[..plain.len()].copy_from_slice(plain),
        }
    }

    /// Opens `sealed` into `plain`, which is a tag shorter.
    pub(super) fn open(&self, nonce: u64, sealed: &[u8], plain: &mut [u8]) -> Result<(), Fault> {
        match self {
            Self::Noise(noise) => {
                noise.read_message(nonce, sealed, plain).map_err(|_| Fault::Decryption)?;
            }
            #[cfg(any(test, feature = "simulation"))]
            Self::Clear => {
                let (text, tag) = sealed.split_at(plain.len());
                if tag.iter().any(|byte| *byte != 0) {
                    return Err(Fault::Decryption);
                }
                plain.copy_from_slice(text);
            }
        }
        Ok(())
    }
}

#[cfg(any(test, feature = "simulation"))]
fn copy(from: &[u8], to: &mut [u8]) -> Option<usize> {
    to.get_mut(..from.len())?.copy_from_slice(from);
    Some(from.len())
}
