//! One TCP connection as one link of the node.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bitcraps_host::tcp::{
    Batch, FRAME_BYTES, Limits, OUTGOING_FRAMES, READ_BYTES, Sink, frame, prepare,
};
use bitcraps_host::{LinkInbound, Links};
use bitcraps_protocol::event::{Direction, Endpoint, LinkKind};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

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
    let sink = Box::new(Sink::new(move |frame| outgoing.try_send(frame).is_ok()));
    let reason = sink.reason();
    let credit = Arc::new(Notify::new());
    let on_credit = credit.clone();
    let mtu = u32::try_from(FRAME_BYTES).expect("a frame's length is a u32");
    let on_credit = move || on_credit.notify_one();
    let inbound = links.open(LinkKind::Stream, mtu, direction, endpoint, sink, on_credit);
    let result = match prepare(&stream) {
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
        let batch = Batch::of(&first, || frames.try_recv().ok());
        timeout(limits.write_timeout, writer.write_all(&batch.bytes)).await??;
        for _ in 0..batch.frames {
            inbound.sent();
        }
    }
    timeout(limits.write_timeout, writer.shutdown()).await?
}
