//! What is measured: by the clock in `benches/`, in instructions by `benches/counts.rs`.

pub mod blocks;
pub mod coins;
pub mod network;
pub mod sessions;
pub mod star;
pub mod tables;
pub mod votes;

use bitcraps_protocol::identity::{Address, Keypair, ProofOfWork};

/// An identity; those of different numbers differ.
pub fn keypair(number: u16) -> Keypair {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&number.to_le_bytes());
    Keypair::from_seed(seed)
}

/// Its address, in a network where identities cost nothing.
pub fn address(keypair: &Keypair) -> Address {
    let peer = keypair.peer();
    Address { peer, proof: ProofOfWork::mine(peer, 0) }
}
