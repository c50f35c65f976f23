//! Bluetooth LE links for a BitCraps node: between machines that see each other, without a network.
//!
//! * [`transport`] decides everything, without a radio, a clock or a thread.
//! * [`radio`] is the seam to the machine's radio; the feature `radio` adds the real one, `system`:
//!   btleplug as the central, on Linux bluer as the peripheral.
//! * [`Bluetooth`] is the thread between the two and the [host](bitcraps_host).
//! * [`greeting`] is what drivers say to each other; [`policy`] is how much radio time they spend.
//!
//! A link is a dumb pipe for frames of 16 to 508 bytes that may be lost, repeated and reordered; the
//! node's mesh numbers and repeats them. Who the other side is, its handshake proves.
//!
//! # How it is tested
//!
//! `cargo test -p bitcraps-btleplug` plays over a scripted radio that loses, repeats and reorders.
//! `drivers/btleplug/tests/vm/run pair` boots a guest with a real kernel and a real `bluetoothd` on
//! virtual controllers, in which nodes are to link, play, die and come back. That has held, and it has
//! failed, on a busy machine mostly: the guest is emulated, and its times say nothing about a radio's.
//! The script names the other scenarios, which were not run yet. It fetches what it needs from Debian's
//! archive, and exits with 77 where it cannot. Nothing was ever tested over the air.

pub mod greeting;
mod look_around;
pub mod policy;
pub mod radio;
mod run;
mod sightings;
#[cfg(feature = "radio")]
pub mod system;
pub mod transport;

pub use greeting::{Beacon, Card};
pub use look_around::look_around;
pub use policy::{Policy, Profile};
pub use run::{Bluetooth, Config, Near, Report};
pub use sightings::Sighting;
pub use transport::TRANSPORT;
