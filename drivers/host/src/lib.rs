//! Runs one [`Node`](bitcraps_protocol::node::Node) on one plain thread, and everything around it
//! that is neither a transport nor a user interface: the inbox, the clock, the entropy, the
//! identity and the journal. No async code.
//!
//! * [`Host`] starts and ends it; [`Handle`] talks to it from any thread.
//! * A transport holds [`Links`]: it opens links, feeds what arrives into each link's
//!   [`LinkInbound`] as long as there is credit, and sends what its [`LinkSink`] is given.
//! * [`journal`] makes promises durable before they leave; [`identity`] and [`lock`] see to it
//!   that there is one key, and one process using it, per data directory.
//! * [`backup`] keeps a copy elsewhere of what proves itself.
//! * [`api`] answers what programs on this machine ask.

pub mod api;
pub mod backup;
pub mod clock;
mod files;
mod handle;
mod host;
pub mod identity;
pub mod inbox;
pub mod journal;
mod links;
pub mod lock;
#[cfg(loom)]
mod models;
mod run;
mod status;
mod sync;

pub use handle::Handle;
pub use host::{Exit, FailureKind, History, Host, Options, StartError};
pub use identity::Identity;
pub use links::{LinkInbound, LinkSink, Links};
