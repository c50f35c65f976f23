//! Asking the node, which lives on a thread of its own, and waiting for its answer on any runtime.

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Command, CommandId};
use bitcraps_protocol::node::Node;
use bytes::Bytes;
use futures_channel::oneshot;

use super::{Code, Failure};
use crate::Handle;

/// What `question` finds in the node.
pub(crate) async fn query<T: Send + 'static>(
    handle: &Handle,
    question: impl FnOnce(&Node) -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    handle.query(move |node| {
        // Fails only if nobody waits for the answer any more.
        let _ = sender.send(question(node));
    });
    receiver.await.map_err(|_| Failure::halted())
}

/// Records of final blocks from `from` on.
pub(super) async fn blocks(handle: &Handle, from: Height) -> Result<Vec<(Height, Bytes)>, Failure> {
    let (sender, receiver) = oneshot::channel();
    handle.blocks(from, move |records| {
        // Fails only if nobody waits for the answer any more.
        let _ = sender.send(records);
    });
    let records = receiver.await.map_err(|_| Failure::halted())?;
    records.map_err(|reason| Failure::new(Code::Failed, reason))
}

/// Hands a command to the node.
pub(crate) async fn submit(handle: &Handle, command: Command) -> Result<CommandId, Failure> {
    let (sender, receiver) = oneshot::channel();
    handle.submit(command, move |answer| {
        // Fails only if nobody waits for the answer any more.
        let _ = sender.send(answer);
    });
    receiver.await.map_err(|_| Failure::halted())?.map_err(Failure::from)
}
