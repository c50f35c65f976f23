//! BitCraps over TCP, and over Bluetooth if built with it: links on tokio, the local HTTP API of a node, and what the `bitcraps` command
//! is made of. The node itself runs on its own plain thread (`bitcraps-host`); everything here only
//! carries frames to it, asks it, or tells people what it said.

pub mod api;
pub mod backup;
pub mod client;
pub mod fetch;
pub mod radio;
pub mod runtime;
pub mod target;
pub mod tcp;

pub use bitcraps_host::{audit, config, hands, home, house, lan, ticket};
