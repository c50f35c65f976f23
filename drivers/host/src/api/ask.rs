//! Asking the node, which lives on a thread of its own, and waiting for its answer on any runtime.

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{Command, CommandId};
use bitcraps_protocol::light::{Lack, Proven, Subject};
use bitcraps_protocol::node::{NoProof, Node};
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

/// What the neighbours of a light node prove.
pub(super) async fn prove(handle: &Handle, subject: Subject) -> Result<Proven, Failure> {
    let (sender, receiver) = oneshot::channel();
    handle.prove(subject, move |answer| {
        // Fails only if nobody waits for the answer any more.
        let _ = sender.send(answer);
    });
    let answer = receiver.await.map_err(|_| Failure::halted())?;
    answer.map_err(|none| {
        let code = match none {
            NoProof::Lack(Lack::Unknown | Lack::NoBet) => Code::NotFound,
            NoProof::NoNeighbour
            | NoProof::Lack(Lack::Behind | Lack::Unsettled | Lack::Unsigned | Lack::TooLarge)
            | NoProof::TooSlow
            | NoProof::Lied
            | NoProof::Full => Code::Busy,
            NoProof::Halted => Code::Halted,
        };
        Failure::new(code, none.to_string())
    })
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
