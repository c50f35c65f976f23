//! The seam between what this crate decides and the machine's radio: what a radio is told, what it
//! reports, and the trait that two of them implement, the real one and the scripted one of the
//! tests.
//!
//! Adapters have both roles at once. As a *central* an adapter connects to devices, and writes to
//! and is notified by them; as a *peripheral* it advertises, is written to, and notifies all that
//! have subscribed. A connection between two devices carries both roles.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

/// One of this machine's adapters, as the system names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Adapter(pub Arc<str>);

/// Another device's address, as the system writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device(pub Arc<str>);

/// Another device as one adapter sees it: one connection, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// This side.
    pub adapter: Adapter,
    /// The other side.
    pub device: Device,
}

/// Which part this side plays in what it sends or gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It writes and is notified.
    Central,
    /// It is written to and notifies.
    Peripheral,
}

/// Says to whom the end of a sending is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What an adapter can do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is on; `advertises` says whether it has the peripheral role too.
    On {
        /// Whether others can find it.
        advertises: bool,
    },
    /// It does nothing, for this reason.
    Off {
        /// A sentence that says what to do.
        reason: String,
    },
}

/// What a radio is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Look for advertisers, or stop.
    Scan {
        /// With which adapter.
        adapter: Adapter,
        /// Whether to.
        on: bool,
    },
    /// Advertise this from now on, once more if it does already; or nothing.
    Advertise {
        /// With which adapter.
        adapter: Adapter,
        /// Service data under the service's UUID.
        data: Option<Bytes>,
    },
    /// Connect, find the service, subscribe. Ends in [`Event::Connected`] or
    /// [`Event::Unreachable`].
    Connect {
        /// With whom.
        port: Port,
    },
    /// End the connection, after what was sent before.
    Disconnect {
        /// With whom.
        port: Port,
    },
    /// Send a frame: write it to the device, or notify all that have subscribed with the adapter.
    /// Ends in [`Event::Left`], sent or not.
    Send {
        /// To whom.
        port: Port,
        /// As what.
        role: Role,
        /// At most [`MOST_FRAME_BYTES`](crate::greeting::MOST_FRAME_BYTES).
        frame: Bytes,
        /// Reported back.
        token: Token,
    },
}

/// What a radio reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An adapter is there, or has changed.
    Adapter {
        /// Which.
        adapter: Adapter,
        /// What it can do now.
        condition: Condition,
    },
    /// An adapter is gone.
    Gone {
        /// Which.
        adapter: Adapter,
    },
    /// An advertiser of the service was heard.
    Seen {
        /// By whom, and who.
        port: Port,
        /// How strongly, in dBm, if known.
        rssi: Option<i16>,
        /// What it advertises.
        data: Bytes,
    },
    /// Connected and subscribed.
    Connected {
        /// With whom.
        port: Port,
    },
    /// Not connected, or without the service.
    Unreachable {
        /// Who.
        port: Port,
        /// Why.
        reason: String,
    },
    /// The connection has ended.
    Disconnected {
        /// With whom.
        port: Port,
    },
    /// Nobody is subscribed to an adapter's notifications any more: whoever wrote to it has no use for
    /// an answer, even if the connection stays, as it does when a process dies and its machine lives.
    Unheard {
        /// Which.
        adapter: Adapter,
    },
    /// A frame arrived. Frames may be lost, repeated and reordered.
    Received {
        /// From whom.
        port: Port,
        /// As what: a central gets notifications, which may be for another, a peripheral writes.
        role: Role,
        /// Its bytes.
        frame: Bytes,
        /// Bytes of the longest frame on this connection, if it is known: by a peripheral.
        most_bytes: Option<u16>,
    },
    /// The sending with this token has ended, well or not.
    Left {
        /// As given.
        token: Token,
    },
}

/// A machine's radio.
pub trait Radio: Send {
    /// Obeys `commands` and reports to `events` until the radio is lost; returns why, in a sentence
    /// that says what to do. May panic: whoever runs it starts another. Never waits for `events`:
    /// what finds no room there is lost, except what ends a command.
    fn run(
        &mut self,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> impl Future<Output = String> + Send;
}

impl fmt::Display for Adapter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} from {}", self.device, self.adapter)
    }
}
