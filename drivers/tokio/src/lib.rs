//! BitCraps over TCP: links on tokio.

pub mod tcp;
