//! BitCraps over TCP: links on tokio.

pub mod fetch;
pub mod tcp;
