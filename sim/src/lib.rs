//! BitCraps in a box: networks of real nodes, with hostile links, disks, clocks and peers, from
//! one seed.
//!
//! [`run::run`] is one run: the [`world`] goes wrong for a while as [`decision`]s say, drawn from a
//! seed or listed; then it is healed, and progress is demanded. All along, [`checks`] hold what
//! nodes do against what must never happen. Nothing of the protocol is written a second time here:
//! the simulator is a driver like any other, only it owns everything.

pub mod adversary;
pub mod air;
pub mod canary;
pub mod checks;
pub mod clock;
pub mod compare;
pub mod config;
pub mod decision;
pub mod determinism;
pub mod digest;
pub mod disk;
pub mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod latency;
pub mod network;
pub mod plan;
pub mod process;
pub mod queue;
pub mod recorder;
pub mod run;
pub mod show;
pub mod shrink;
pub mod sometimes;
pub mod swarm;
pub mod topology;
pub mod workload;
pub mod world;
