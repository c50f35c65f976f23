#![no_std]
#![deny(clippy::float_arithmetic)]
//! BitCraps' core: one pure, deterministic state machine.

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod beacon;
pub mod block;
pub mod chain;
pub mod consensus;
pub mod craps;
pub mod event;
pub mod identity;
pub mod journal;
pub mod ledger;
pub mod mesh;
pub mod node;
pub mod rng;
pub mod session;
pub mod time;
pub mod wire;
