#![no_std]
#![deny(clippy::float_arithmetic)]
//! BitCraps' core: one pure, deterministic state machine.

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod block;
pub mod identity;
pub mod rng;
pub mod time;
pub mod wire;
