//! What TCP links have in common whichever runtime carries them: how frames lie in the stream, how
//! much is too much, and what becomes of a connection that cannot keep up. A driver adds the
//! waiting.
//!
//! A connection is a link whose frames follow their lengths. Everything that a stranger can make
//! a driver hold is bounded: connections in total and by source ([`Seats`]), bytes read and not yet
//! handled (the host's credit), bytes written and not yet gone ([`OUTGOING_FRAMES`]), and the time
//! that a write may take. Who the other side is, and how long it may take to say so, is the node's
//! affair.

pub mod frame;
mod places;
mod seats;

use std::borrow::Cow;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bitcraps_protocol::event::{CloseReason, Endpoint};
use bytes::Bytes;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use self::frame::FRAME_BYTES;
pub use self::places::Places;
pub use self::seats::{Seat, Seats};
use crate::LinkSink;

/// TCP's tag in an [`Endpoint`].
pub const TRANSPORT: u8 = 0;

/// How often the node is told of configured peers, in case it was too busy to listen.
pub const REMIND: Duration = Duration::from_secs(30);

/// The pause after a connection could not be accepted, which is mostly for want of file
/// descriptors: somebody must give one back first.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Frames between the node's thread and the connection. The node itself allows fewer in flight.
pub const OUTGOING_FRAMES: usize = 64;

/// Bytes for which there is room when a connection is read.
pub const READ_BYTES: usize = 16 * 1024;

/// Connections that the operating system may hold before they are accepted.
const BACKLOG: i32 = 256;

/// Bytes that the operating system takes from us before they leave. More would let old frames
/// pile up in front of the newest vote; less would slow the catch-up over long distances.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Bytes after which waiting frames are no longer added to one write.
const COALESCED_BYTES: usize = 32 * 1024;

/// Where to listen and whom to dial.
#[derive(Clone, Debug, Default)]
pub struct TcpConfig {
    /// Where to listen; port 0 lets the system choose. `None`: nobody can dial this node.
    pub listen: Option<SocketAddr>,
    /// Peers that the node is told of, again and again, as `host:port`.
    pub peers: Vec<String>,
    /// How much is too much.
    pub limits: Limits,
}

/// How much is too much.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that others opened. 256: more than a node's mesh uses, and about 100 MB at
    /// the very worst.
    pub inbound: usize,
    /// Connections from one IPv4 address or one IPv6 network of 64 bits. 64: a whole test network
    /// on one machine.
    pub inbound_per_source: usize,
    /// Connections that the node asked for, being made or made. 80, as many links as a node has.
    pub dials: usize,
    /// How long finding and reaching a peer may take.
    pub connect_timeout: Duration,
    /// How long the other side may take to make room for a write of at most two frames. 20 s: a
    /// bad mobile connection.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound: 256,
            inbound_per_source: 64,
            dials: 80,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(20),
        }
    }
}

/// The endpoint of `peer`, a `host:port`.
pub fn endpoint_of(peer: &str) -> Endpoint {
    Endpoint { transport: TRANSPORT, bytes: Bytes::copy_from_slice(peer.as_bytes()) }
}

/// The `host:port` of an endpoint; what is none leads nowhere.
pub fn peer_of(endpoint: &Endpoint) -> Cow<'_, str> {
    String::from_utf8_lossy(&endpoint.bytes)
}

/// Listens on `address`, on a socket that never blocks.
///
/// # Errors
///
/// The operating system's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted node must not wait for its former connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Makes a connection fit for a link.
///
/// # Errors
///
/// The operating system's.
pub fn prepare(stream: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    // The node sends small frames, and waits for the answers.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)
}

/// No address of the peer's name could be reached: none was there.
pub fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

/// Frames that leave in one write.
pub struct Batch {
    /// What is written.
    pub bytes: Vec<u8>,
    /// How many frames that is: for each, the node is told once it has left.
    pub frames: usize,
}

impl Batch {
    /// `first`, and what else is waiting.
    pub fn of(first: &Bytes, mut waiting: impl FnMut() -> Option<Bytes>) -> Self {
        let mut bytes = Vec::with_capacity(first.len() + 4);
        frame::put(&mut bytes, first);
        let mut frames = 1;
        while bytes.len() < COALESCED_BYTES
            && let Some(next) = waiting()
        {
            frame::put(&mut bytes, &next);
            frames += 1;
        }
        Self { bytes, frames }
    }
}

/// The node's end of a connection.
pub struct Sink<F> {
    /// `None` once the connection is given up.
    outgoing: Option<F>,
    reason: Arc<OnceLock<CloseReason>>,
}

impl<F: FnMut(Bytes) -> bool + Send> Sink<F> {
    /// A sink that gives frames to `outgoing`, which says whether there was room for one and is
    /// dropped when no more will come.
    pub fn new(outgoing: F) -> Self {
        Self { outgoing: Some(outgoing), reason: Arc::default() }
    }

    /// Why the node closed the connection, once it has.
    pub fn reason(&self) -> Arc<OnceLock<CloseReason>> {
        self.reason.clone()
    }
}

impl<F: FnMut(Bytes) -> bool + Send> LinkSink for Sink<F> {
    fn send(&mut self, frame: Bytes) {
        if let Some(outgoing) = &mut self.outgoing
            && !outgoing(frame)
        {
            // A lost frame would be a hole in the stream: better no link than that.
            self.outgoing = None;
        }
    }

    fn close(&mut self, reason: CloseReason) {
        // Set once: the sink is dropped after this.
        let _ = self.reason.set(reason);
    }
}
