//! One TCP connection as one link of the node.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bitcraps_host::{LinkInbound, LinkSink, Links};
use bitcraps_protocol::event::{CloseReason, Direction, Endpoint, LinkKind};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::Limits;
use super::frame::{self, BadLength, FRAME_BYTES};

/// Frames between the node's thread and the connection. The node itself allows fewer in flight.
const OUTGOING_FRAMES: usize = 64;

/// Bytes after which waiting frames are no longer added to one write.
const COALESCED_BYTES: usize = 32 * 1024;

/// Bytes for which there is room when a connection is read.
const READ_BYTES: usize = 16 * 1024;

/// Carries `stream` as a link until one of the two ends.
pub(super) async fn serve(
    mut stream: TcpStream,
    direction: Direction,
    endpoint: Endpoint,
    links: &Links,
    limits: &Limits,
) {
    let began = Instant::now();
    let (outgoing, frames) = mpsc::channel(OUTGOING_FRAMES);
    let reason = Arc::new(OnceLock::new());
    let sink = Box::new(Sink { outgoing: Some(outgoing), reason: reason.clone() });
    let credit = Arc::new(Notify::new());
    let on_credit = credit.clone();
    let mtu = u32::try_from(FRAME_BYTES).expect("a frame's length is a u32");
    let on_credit = move || on_credit.notify_one();
    let inbound = links.open(LinkKind::Stream, mtu, direction, endpoint, sink, on_credit);
    // The node sends small frames, and waits for the answers.
    let result = match stream.set_nodelay(true) {
        Err(error) => Err(error),
        Ok(()) => {
            let (reader, writer) = stream.split();
            tokio::select! {
                result = receive(reader, &inbound, &credit) => result,
                result = send(writer, frames, &inbound, limits) => result,
            }
        }
    };
    let lived = began.elapsed();
    tracing::debug!(?result, ?lived, reason = ?reason.get(), "connection ended");
}

/// Reads frames, no faster than the node takes them, until the other side ends the connection.
async fn receive(
    mut reader: ReadHalf<'_>,
    inbound: &LinkInbound,
    credit: &Notify,
) -> io::Result<()> {
    let mut received = BytesMut::new();
    loop {
        while let Some(frame) = frame::take(&mut received)? {
            deliver(frame, inbound, credit).await;
        }
        received.reserve(frame::missing(&received).max(READ_BYTES));
        if reader.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

async fn deliver(mut frame: Bytes, inbound: &LinkInbound, credit: &Notify) {
    while let Err(refused) = inbound.try_receive(frame) {
        frame = refused;
        credit.notified().await;
    }
}

/// Writes what the node sends, all that is waiting at once, until the node is done with the link.
async fn send(
    mut writer: WriteHalf<'_>,
    mut frames: mpsc::Receiver<Bytes>,
    inbound: &LinkInbound,
    limits: &Limits,
) -> io::Result<()> {
    while let Some(first) = frames.recv().await {
        let mut bytes = Vec::with_capacity(first.len() + 4);
        frame::put(&mut bytes, &first);
        let mut count = 1;
        while bytes.len() < COALESCED_BYTES
            && let Ok(next) = frames.try_recv()
        {
            frame::put(&mut bytes, &next);
            count += 1;
        }
        timeout(limits.write_timeout, writer.write_all(&bytes)).await??;
        for _ in 0..count {
            inbound.sent();
        }
    }
    timeout(limits.write_timeout, writer.shutdown()).await?
}

/// The node's end of a connection.
struct Sink {
    /// `None` once the connection is given up.
    outgoing: Option<mpsc::Sender<Bytes>>,
    reason: Arc<OnceLock<CloseReason>>,
}

impl LinkSink for Sink {
    fn send(&mut self, frame: Bytes) {
        let Some(outgoing) = &self.outgoing else { return };
        if outgoing.try_send(frame).is_err() {
            // A lost frame would be a hole in the stream: better no link than that.
            self.outgoing = None;
        }
    }

    fn close(&mut self, reason: CloseReason) {
        // Set once: the sink is dropped after this.
        let _ = self.reason.set(reason);
    }
}

impl From<BadLength> for io::Error {
    fn from(BadLength(length): BadLength) -> Self {
        Self::new(io::ErrorKind::InvalidData, format!("no frame is {length} bytes long"))
    }
}
