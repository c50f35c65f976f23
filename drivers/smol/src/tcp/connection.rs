//! One TCP connection as one link of the node.

use std::io;
use std::net::Shutdown;
use std::time::Instant;

use bitcraps_host::tcp::{
    Batch, FRAME_BYTES, Limits, OUTGOING_FRAMES, READ_BYTES, Sink, frame, prepare,
};
use bitcraps_host::{LinkInbound, Links};
use bitcraps_protocol::event::{Direction, Endpoint, LinkKind};
use bytes::{Bytes, BytesMut};
use smol::channel::{Receiver, bounded};
use smol::future::or;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::net::TcpStream;

use crate::tasks::within;

/// Carries `stream` as a link until one of the two ends.
pub(super) async fn serve(
    stream: TcpStream,
    direction: Direction,
    endpoint: Endpoint,
    links: &Links,
    limits: &Limits,
) {
    let began = Instant::now();
    let (outgoing, frames) = bounded(OUTGOING_FRAMES);
    let sink = Box::new(Sink::new(move |frame| outgoing.try_send(frame).is_ok()));
    let reason = sink.reason();
    // One message: there is credit again.
    let (credit, credits) = bounded(1);
    let on_credit = move || {
        // Full if nobody has noticed the last time yet.
        let _ = credit.try_send(());
    };
    let mtu = u32::try_from(FRAME_BYTES).expect("a frame's length is a u32");
    let inbound = links.open(LinkKind::Stream, mtu, direction, endpoint, sink, on_credit);
    let result = match prepare(&stream) {
        Err(error) => Err(error),
        Ok(()) => {
            let receiving = receive(stream.clone(), &inbound, &credits);
            or(receiving, send(stream, frames, &inbound, limits)).await
        }
    };
    let lived = began.elapsed();
    tracing::debug!(?result, ?lived, reason = ?reason.get(), "connection ended");
}

/// Reads frames, no faster than the node takes them, until the other side ends the connection.
async fn receive(
    mut stream: TcpStream,
    inbound: &LinkInbound,
    credits: &Receiver<()>,
) -> io::Result<()> {
    let mut received = BytesMut::new();
    let mut read = [0; READ_BYTES];
    loop {
        while let Some(frame) = frame::take(&mut received)? {
            deliver(frame, inbound, credits).await;
        }
        let count = stream.read(&mut read).await?;
        if count == 0 {
            return Ok(());
        }
        received.extend_from_slice(&read[..count]);
    }
}

async fn deliver(mut frame: Bytes, inbound: &LinkInbound, credits: &Receiver<()>) {
    while let Err(refused) = inbound.try_receive(frame) {
        frame = refused;
        // The host holds the other side as long as it may ever take the frame.
        let _ = credits.recv().await;
    }
}

/// Writes what the node sends, all that is waiting at once, until the node is done with the link.
async fn send(
    mut stream: TcpStream,
    frames: Receiver<Bytes>,
    inbound: &LinkInbound,
    limits: &Limits,
) -> io::Result<()> {
    while let Ok(first) = frames.recv().await {
        let batch = Batch::of(&first, || frames.try_recv().ok());
        within(limits.write_timeout, stream.write_all(&batch.bytes)).await??;
        for _ in 0..batch.frames {
            inbound.sent();
        }
    }
    stream.shutdown(Shutdown::Write)
}
