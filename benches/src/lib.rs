//! What the benchmarks share: what is measured, and time that counts only while this process
//! computes.
//!
//! A file in `benches/` asks questions of one part, in its opening paragraph; the answers of the
//! last run are in `README.md`.

#[cfg(feature = "clock")]
pub mod all_to_all;
pub mod cases;
#[cfg(feature = "clock")]
mod clock;
#[cfg(feature = "clock")]
pub mod networks;

#[cfg(feature = "clock")]
pub use clock::{CpuTime, cpu_time, criterion};
