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
//! `cargo test -p bitcraps-btleplug` plays over a scripted radio: frames that are lost, repeated,
//! reordered or cut short, MTUs that change, links from both sides, peers that never acknowledge, a
//! radio or a task that dies. `cargo test -p bitcraps-btleplug --test air bytes -- --nocapture` prints
//! what four nodes say there: 34.5 kB on the air per settled roll, its bet included, and 34.6 kB in an
//! idle minute.
//!
//! `drivers/btleplug/tests/vm/run [SCENARIO …]` boots a guest with a real kernel and a real
//! `bluetoothd` on virtual controllers, in which nodes play over Bluetooth alone. It fetches what it
//! needs from Debian's archive, and exits with 77 where it cannot. What it showed on 22 November 2026,
//! with Linux 6.12 and BlueZ 5.66:
//!
//! | scenario | what | held | bet to settled |
//! |---|---|---|---|
//! | `pair` | two adapters each; one node is killed and comes back | 5 of 8 | 0.9 to 21.8 s |
//! | `line` | three nodes, the ends on airs of their own, the middle one on both | 4 of 5 | 1.6 to 25.8 s |
//! | `bridge` | one node on Bluetooth, one on TCP, one on both between them | 3 of 3 | 2.8 to 16.7 s |
//! | `shapes` | frames of 20, 185 and 510 bytes; `Channels` of 1 and 3 | 2 of 2 | 0.8 to 15.1 s |
//! | `daemon` | `bluetoothd` dies, or is another one at once; an adapter is switched off and on | 1 of 1 | 2.8 to 4.1 s |
//!
//! Earlier runs of the same day, which failed, found what is mended since: notifications that BlueZ
//! cuts short, attempts that ended one another's connections, too little patience. Three runs of
//! `pair` linked, played and came back, and then stopped at a mistake of the script: it bet on a roll that
//! the table had thrown by itself meanwhile. `line` failed once, right after `pair` in the same guest:
//! the new `bluetoothd` never answered.
//!
//! The processor is emulated: the shorter times are an idle machine's, the longer ones those of a
//! busy one, and none says anything about a radio's. `four`, four nodes with three adapters each,
//! was not run. Nothing was ever tested over the air.
//!
//! Of a process that dies while its machine lives on, the connection stays. Those whom it had dialled
//! are told that nobody hears their notifications any more, in the guest after 1.3 s; those who had
//! dialled it notice its silence, after 45 seconds.

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
