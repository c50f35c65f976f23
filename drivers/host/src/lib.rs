//! Runs one [`Node`](bitcraps_protocol::node::Node) on one plain thread, and everything around it
//! that is neither a transport nor a user interface: the inbox, the clock, the entropy, the
//! identity and the journal. No async code is between the node and its disk, and no runtime in
//! here: the few futures of the local API are anybody's to wait for.
//!
//! * [`Host`] starts and ends it; [`Handle`] talks to it from any thread.
//! * A transport holds [`Links`]: it opens links, feeds what arrives into each link's
//!   [`LinkInbound`] as long as there is credit, and sends what its [`LinkSink`] is given.
//! * [`journal`] makes promises durable before they leave; [`identity`] and [`lock`] see to it
//!   that there is one key, and one process using it, per data directory.
//! * [`backup`] keeps a copy elsewhere of what proves itself.
//! * [`api`] answers what programs on this machine ask.
//! * [`launch`] starts the node of a data directory as [`config`] says; [`home`] is what else is
//!   in there.
//! * [`tcp`] is what TCP transports have in common, [`lan`] looks for others on the local network.

pub mod api;
pub mod audit;
pub mod backup;
pub mod clock;
pub mod config;
pub mod exit;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod handle;
pub mod hands;
pub mod home;
mod host;
pub mod house;
pub mod identity;
pub mod inbox;
pub mod journal;
pub mod lan;
pub mod launch;
mod light;
mod links;
pub mod lock;
#[cfg(loom)]
mod models;
pub mod redeem;
mod relays;
mod run;
mod status;
mod sync;
pub mod tcp;
pub mod ticket;

pub use handle::Handle;
pub use host::{Exit, FailureKind, History, Host, Options, RelayOptions, StartError};
pub use identity::Identity;
pub use links::{LinkInbound, LinkSink, Links};
