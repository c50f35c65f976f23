//! Getting a message to everybody: which links it is pushed over, who is merely told of it, who
//! lacks what. Knows links and messages, but no session and no queue.

mod cache;
mod message;
mod missing;
mod plumtree;
mod seen;

pub(super) use message::{Hops, ID_BYTES, MessageId, Said, Tree};
pub(super) use missing::ANNOUNCED_BYTES;
pub(super) use plumtree::{DIGESTS, Input, Limits, Output, Plumtree};
pub(super) use seen::SIGHT_BYTES;
