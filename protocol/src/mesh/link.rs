//! One link: its session, who is at the other end, and what flows in both directions.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::Config;
use super::broadcast::{ID_BYTES, MessageId};
use super::budget::Budget;
use super::datagrams::Datagrams;
use super::lanes::{Lane, Lanes, Overflow, Waiting};
use super::neighbours::Announcement;
use super::packet::{IDS, LIST_OVERHEAD_BYTES};
use crate::event::{Direction, Endpoint, Fault};
use crate::identity::Address;
use crate::session::{Outcome, Session};
use crate::time::Time;

/// What part of the window a driver of datagrams has at once: a radio says one thing after the other.
const RADIO_WINDOW: usize = 4;
/// What part of the window is under way of messages that give way to urgent ones.
const GIVES_WAY: usize = 4;

/// What a link needs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Closing: it has been silent or stuck for too long.
    TimeOut,
    /// A datagram, for the first time or again, or word of what has arrived.
    Datagram,
    /// A sign of life.
    Ping,
}

/// Who is at the other end of an established link.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: Address,
    /// Higher for links admitted later.
    pub(super) admission: u64,
    /// How many links had been admitted when it was last heard here.
    pub(super) heard: u64,
    /// What it was told last about this node's neighbours.
    told: Bytes,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) direction: Direction,
    pub(super) endpoint: Endpoint,
    session: Session,
    /// What makes a stream of a datagram link.
    datagrams: Option<Datagrams>,
    peer: Option<Peer>,
    /// How long the other side took to answer in the handshake, and since when it is waited for.
    handshake: Option<Duration>,
    asked: Time,
    up: Time,
    heard: Time,
    /// When a frame was last handed to the driver or left it.
    moved: Time,
    lanes: Lanes,
    /// Bytes of each frame that the driver has and has not sent.
    in_flight: VecDeque<usize>,
    in_flight_bytes: usize,
    budget: Budget,
}

impl Link {
    pub(super) fn new(
        now: Time,
        session: Session,
        datagrams: Option<Datagrams>,
        direction: Direction,
        endpoint: Endpoint,
        config: &Config,
    ) -> Self {
        Self {
            direction,
            endpoint,
            session,
            datagrams,
            peer: None,
            handshake: None,
            asked: now,
            up: now,
            heard: now,
            moved: now,
            lanes: Lanes::new(config.lane_bytes),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            budget: Budget::new(now, &config.allowance),
        }
    }

    /// Whether it carries datagrams.
    pub(super) const fn is_radio(&self) -> bool {
        self.datagrams.is_some()
    }

    /// Who is there, once the handshake is through.
    pub(super) const fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    pub(super) const fn peer_mut(&mut self) -> Option<&mut Peer> {
        self.peer.as_mut()
    }

    pub(super) fn admit(&mut self, now: Time, address: Address, admission: u64) {
        if self.direction == Direction::Inbound {
            self.handshake = Some(now.since(self.asked));
        }
        self.peer = Some(Peer { address, admission, heard: 0, told: Bytes::new() });
    }

    /// Notes that an answer of the handshake leaves. The side that opened the link has its own by
    /// now, the other one waits for it.
    pub(super) fn answers(&mut self, now: Time) {
        match self.direction {
            Direction::Outbound => self.handshake = Some(now.since(self.asked)),
            Direction::Inbound => self.asked = now,
        }
    }

    /// How long a frame and its answer took.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        let lately = self.datagrams.as_ref().and_then(Datagrams::round_trip);
        lately.or(self.handshake)
    }

    pub(super) fn receive(&mut self, now: Time, frame: &Bytes) -> Result<Vec<Outcome>, Fault> {
        if !self.budget.spend(now, frame.len()) {
            return Err(Fault::Flooding);
        }
        let Some(datagrams) = &mut self.datagrams else {
            let outcomes = self.session.handle(frame)?;
            self.heard = now;
            return Ok(outcomes);
        };
        let mut outcomes = Vec::new();
        for frame in datagrams.receive(now, frame)? {
            outcomes.extend(self.session.handle(&frame)?);
        }
        self.heard = now;
        Ok(outcomes)
    }

    /// Cuts a frame into datagrams that wait to leave, or gives it back to leave as it is.
    pub(super) fn cut(&mut self, frame: Bytes) -> Option<Bytes> {
        match &mut self.datagrams {
            Some(datagrams) => {
                datagrams.send(&frame);
                None
            }
            None => Some(frame),
        }
    }

    /// Queues an encoded packet, if the link is established and can carry so long a one.
    pub(super) fn push(&mut self, lane: Lane, message: Waiting) -> Result<(), Overflow> {
        if self.peer.is_none() || message.packet.len() > self.session.capacity() {
            return Ok(());
        }
        self.lanes.push(lane, message)
    }

    /// A broadcast that waits need not leave.
    pub(super) fn withdraw(&mut self, id: MessageId) {
        self.lanes.withdraw(id);
    }

    /// What is past need not leave.
    pub(super) fn pass(&mut self, series: u8, below: u64) {
        self.lanes.pass(series, below);
    }

    /// Pays for digests; whether that was within the budget.
    pub(super) fn spend_digests(&mut self, now: Time, digests: usize) -> bool {
        self.budget.spend_digests(now, digests)
    }

    /// Pays for work; whether that was within the budget.
    pub(super) fn spend_work(&mut self, now: Time, work: u64) -> bool {
        self.budget.spend_work(now, work)
    }

    /// Bytes that wait, are under way or arrive.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        let pieces = self.datagrams.as_ref().map_or(0, Datagrams::held_bytes);
        self.lanes.held() + self.in_flight_bytes + self.session.held() + pieces
    }

    /// When it came up.
    pub(super) const fn since(&self) -> Time {
        self.up
    }

    /// How many digests fit a packet here.
    pub(super) fn ids_per_packet(&self) -> usize {
        let room = self.session.capacity().saturating_sub(LIST_OVERHEAD_BYTES) / ID_BYTES;
        room.clamp(1, IDS)
    }

    /// The next frames to leave, if there are any and the window admits them. Nonces are given out
    /// here, so the frames must leave now.
    pub(super) fn next_frames(&mut self, now: Time, config: &Config) -> Option<Vec<Bytes>> {
        if self.datagrams.is_none() {
            return self.next_message(config);
        }
        if !self.has_room(config) {
            return None;
        }
        loop {
            let datagrams = self.datagrams.as_mut()?;
            if let Some(datagram) = datagrams.next(now) {
                return Some(Vec::from([datagram]));
            }
            if !datagrams.is_ready() {
                return None;
            }
            let (lane, _) = self.lanes.next()?;
            if lane.gives_way() && datagrams.under_way() >= config.window_frames / GIVES_WAY {
                return None;
            }
            let message = self.lanes.pop()?;
            let frames = self.session.seal(&message).expect("what is too long was not queued");
            frames.iter().for_each(|frame| datagrams.send(frame));
        }
    }

    /// Whether the driver takes another datagram.
    fn has_room(&self, config: &Config) -> bool {
        self.in_flight.len() < (config.window_frames / RADIO_WINDOW).max(1)
            && self.in_flight_bytes < config.window_bytes
    }

    /// When a datagram is to leave.
    fn next_datagram(&self, config: &Config) -> Option<Time> {
        self.datagrams.as_ref().filter(|_| self.has_room(config))?.deadline()
    }

    fn next_message(&mut self, config: &Config) -> Option<Vec<Bytes>> {
        let next = self.lanes.next_bytes()?;
        let fits = self.in_flight_bytes + next <= config.window_bytes
            && self.in_flight.len() < config.window_frames;
        if !fits && !self.in_flight.is_empty() {
            return None;
        }
        let message = self.lanes.pop()?;
        Some(self.session.seal(&message).expect("what is too long was not queued"))
    }

    /// Notes that a frame of `bytes` is handed to the driver.
    pub(super) fn leaves(&mut self, now: Time, bytes: usize) {
        self.in_flight.push_back(bytes);
        self.in_flight_bytes += bytes;
        self.moved = now;
    }

    /// Notes that the driver's oldest frame has left.
    pub(super) fn sent(&mut self, now: Time) {
        self.in_flight_bytes -= self.in_flight.pop_front().unwrap_or(0);
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.sent(now);
        }
        self.moved = now;
    }

    /// What to tell the other end about this node's neighbours, if it does not know it yet.
    pub(super) fn news(&mut self, announcement: &mut Announcement) -> Option<Bytes> {
        let packet = announcement.within(self.session.capacity());
        let peer = self.peer.as_mut().filter(|peer| peer.told != packet)?;
        if peer.told.is_empty() && announcement.names_nobody_but(peer.address.peer) {
            return None;
        }
        peer.told = packet.clone();
        Some(packet)
    }

    pub(super) fn deadline(&self, config: &Config) -> Time {
        let times_out = self.times_out(config);
        let next = self.pings(config).into_iter().chain(self.next_datagram(config));
        next.chain([times_out]).min().unwrap_or(times_out)
    }

    pub(super) fn due(&self, now: Time, config: &Config) -> Option<Due> {
        if self.times_out(config) <= now {
            return Some(Due::TimeOut);
        }
        if self.next_datagram(config).is_some_and(|at| at <= now) {
            return Some(Due::Datagram);
        }
        self.pings(config).is_some_and(|at| at <= now).then_some(Due::Ping)
    }

    fn times_out(&self, config: &Config) -> Time {
        if self.peer.is_none() {
            return self.up + config.handshake_timeout;
        }
        let silent = self.heard + config.silence_timeout;
        let stuck = self.moved + config.silence_timeout;
        if self.in_flight.is_empty() { silent } else { silent.min(stuck) }
    }

    /// When to give a sign of life, unless something else is under way before.
    fn pings(&self, config: &Config) -> Option<Time> {
        let idle = self.peer.is_some() && self.in_flight.is_empty();
        idle.then(|| self.moved + config.ping_after)
    }
}
