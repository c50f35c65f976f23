//! BitCraps over TCP, and over Bluetooth if built with it: links on tokio, the local HTTP API of a node, and what the `bitcraps` command
//! is made of. The node itself runs on its own plain thread (`bitcraps-host`); everything here only
//! carries frames to it, asks it, or tells people what it said.

pub mod api;
mod ask;
pub mod audit;
pub mod backup;
pub mod client;
pub mod config;
pub mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod hands;
pub mod home;
pub mod house;
pub mod lan;
pub mod radio;
mod redeem;
pub mod runtime;
pub mod tcp;
pub mod ticket;
