//! Asking the node, which lives on a thread of its own, from async code.

use bitcraps_host::Handle;
use bitcraps_host::api::Failure;
use bitcraps_protocol::event::{Command, CommandId};
use bitcraps_protocol::node::Node;
use tokio::sync::oneshot;

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

/// Hands a command to the node.
pub(crate) async fn submit(handle: &Handle, command: Command) -> Result<CommandId, Failure> {
    let (sender, receiver) = oneshot::channel();
    handle.submit(command, move |answer| {
        // Fails only if nobody waits for the answer any more.
        let _ = sender.send(answer);
    });
    receiver.await.map_err(|_| Failure::halted())?.map_err(Failure::from)
}
