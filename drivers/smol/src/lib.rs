//! BitCraps over TCP on smol: links and the local API for machines on which a node should cost
//! little, and no tokio anywhere in the tree. The node itself runs on its own plain thread
//! (`bitcraps-host`), which also holds whatever does not wait for a socket; everything here only
//! carries frames, questions and answers.

pub mod api;
mod http;
pub mod runtime;
mod tasks;
pub mod tcp;
