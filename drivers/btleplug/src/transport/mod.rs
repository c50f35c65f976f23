//! Everything that the driver decides, without a radio, a clock or a thread: whom to tell the node
//! of, when to connect, which frames belong to which link, when to look around and to advertise.
//!
//! A link is a connection over which both sides have greeted. One connection can carry two: one
//! that this side opened as a central, one that the other side opened. So a link may end while its
//! connection stays for the other.
//!
//! It promises the node a dumb pipe: a frame arrives whole or not at all, perhaps late, twice or
//! out of order. Numbering and repeating are the node's.

mod dials;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bitcraps_protocol::event::{Direction, Endpoint};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use crate::greeting::{
    Beacon, CHANNELS, Card, Channel, HEADER_BYTES, LEAST_FRAME_BYTES, MOST_FRAME_BYTES, Nonce, Said,
};
use crate::policy::{Cycle, Duty, Policy};
use crate::radio::{self, Adapter, Command, Condition, Device, Port, Role, Token};
use crate::sightings::{Sighting, Sightings};
use dials::{Attempt, Dials, Waiting};

/// Bluetooth's tag in an [`Endpoint`], whose bytes are the device's address as text.
pub const TRANSPORT: u8 = 1;

/// Adapters of one machine; more are ignored.
const ADAPTERS: usize = 16;

/// How long a link to a node spares other ways to it: further adapters, or addresses that rotate.
/// Not for ever, as nobody has proven whose they are.
const SPARED: Duration = Duration::from_secs(300);

/// What nobody waits for.
const NOBODY: Token = Token(0);

/// This driver's own name for a link; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The node wants a link; ends in [`Output::Up`] or [`Output::DialFailed`].
    Dial {
        /// To whom.
        endpoint: Endpoint,
    },
    /// The node sends a frame; ends in [`Output::Sent`], if the link lives so long.
    Send {
        /// On which link.
        link: Key,
        /// Not longer than the link's MTU.
        frame: Bytes,
    },
    /// The node is done with a link.
    Close {
        /// Which.
        link: Key,
    },
    /// The radio reports.
    Radio(radio::Event),
    /// The radio is lost, with all adapters.
    Lost,
    /// So many tables are open.
    Tables {
        /// 255 are so many or more.
        open: u8,
    },
    /// The deadline has passed.
    Tick,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// For the radio.
    Radio(Command),
    /// A link is up.
    Up {
        /// Its name.
        link: Key,
        /// Bytes of the longest frame of the node that it carries.
        mtu: u32,
        /// Who opened it.
        direction: Direction,
        /// Where the other side is.
        endpoint: Endpoint,
    },
    /// A frame arrived on a link.
    Received {
        /// Which.
        link: Key,
        /// Its bytes.
        frame: Bytes,
    },
    /// The oldest unfinished [`Input::Send`] on this link has left, or never will.
    Sent {
        /// Which.
        link: Key,
    },
    /// A link is gone.
    Down {
        /// Which.
        link: Key,
    },
    /// A dial came to nothing.
    DialFailed {
        /// To whom it was.
        endpoint: Endpoint,
    },
    /// A node of the same network is near.
    Discovered {
        /// Where.
        endpoint: Endpoint,
    },
}

/// The Bluetooth links of one node.
#[derive(Debug)]
pub struct Transport {
    /// What it advertises.
    beacon: Beacon,
    policy: Policy,
    rng: Rng,
    adapters: BTreeMap<Adapter, State>,
    sightings: Sightings,
    dials: Dials,
    links: BTreeMap<Key, Link>,
    /// At most one of each role over one connection.
    by_port: BTreeMap<(Port, Role), Key>,
    last_key: u64,
    outputs: VecDeque<Output>,
}

/// An adapter that is there.
#[derive(Debug)]
struct State {
    /// `None` while it is off.
    on: Option<On>,
    reason: String,
}

#[derive(Debug)]
struct On {
    advertises: bool,
    is_advertising: bool,
    advertise_at: Time,
    duty: Duty,
    last_channel: u8,
}

#[derive(Debug)]
struct Link {
    port: Port,
    role: Role,
    channel: Channel,
    nonce: Nonce,
    frame_bytes: u16,
    since: Time,
}

impl Transport {
    /// Without adapters yet. `card` is advertised, with as many tables; `rng` must be a stream of its own.
    ///
    /// # Panics
    ///
    /// If the policy's frames are shorter than 18 bytes or longer than 510.
    pub fn new(card: Card, tables: u8, policy: Policy, rng: Rng) -> Self {
        let possible = LEAST_FRAME_BYTES..=MOST_FRAME_BYTES;
        assert!(possible.contains(&policy.frame_bytes), "{} bytes", policy.frame_bytes);
        Self {
            beacon: Beacon { card, tables },
            policy,
            rng,
            adapters: BTreeMap::new(),
            sightings: Sightings::default(),
            dials: Dials::default(),
            links: BTreeMap::new(),
            by_port: BTreeMap::new(),
            last_key: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Dial { endpoint } => self.dial(now, endpoint),
            Input::Send { link, frame } => self.send(link, &frame),
            Input::Close { link } => self.close(link),
            Input::Radio(event) => self.radio(now, event),
            Input::Lost => {
                let adapters: Vec<Adapter> = self.adapters.keys().cloned().collect();
                adapters.iter().for_each(|adapter| self.adapter_gone(now, adapter));
            }
            Input::Tables { open } => self.count_tables(now, open),
            Input::Tick => {}
        }
        self.turn(now);
    }

    /// The next thing to do, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Tick`] if nothing else happens before.
    pub fn deadline(&self) -> Option<Time> {
        let adapters = self.adapters.iter().filter_map(|(adapter, state)| {
            let on = state.on.as_ref()?;
            let scan = (!self.dials.connects(adapter)).then(|| on.duty.until());
            let advertise = on.advertises.then_some(on.advertise_at);
            scan.into_iter().chain(advertise).min()
        });
        adapters.chain(self.dials.deadline()).min()
    }

    /// Every adapter, and why it does nothing if so.
    pub fn adapters(&self) -> impl Iterator<Item = (&Adapter, Option<&str>)> {
        self.adapters
            .iter()
            .map(|(adapter, it)| (adapter, it.on.is_none().then_some(it.reason.as_str())))
    }

    /// The nodes that are near, of this network or another.
    pub fn near(&self, now: Time) -> impl Iterator<Item = (&Port, &Sighting)> {
        self.sightings.near(now)
    }

    fn count_tables(&mut self, now: Time, open: u8) {
        if std::mem::replace(&mut self.beacon.tables, open) == open {
            return;
        }
        for on in self.adapters.values_mut().filter_map(|it| it.on.as_mut()) {
            on.advertise_at = now;
        }
    }

    fn dial(&mut self, now: Time, endpoint: Endpoint) {
        let card = self.sightings.card(&device_of(&endpoint));
        // Both sides of a pair need not connect.
        let yields = card.is_some_and(|card| card.node < self.beacon.card.node);
        let waiting = self.dials.add(now, endpoint, yields, &mut self.rng);
        if let Err(endpoint) = waiting {
            self.outputs.push_back(Output::DialFailed { endpoint });
        }
    }

    fn send(&mut self, key: Key, frame: &Bytes) {
        let Some(link) = self.links.get(&key) else { return };
        let most = usize::from(link.frame_bytes - HEADER_BYTES);
        assert!((1..=most).contains(&frame.len()), "the node keeps to the MTU");
        let said = Said::Frame { channel: link.channel, frame: frame.clone() };
        let (port, role) = (link.port.clone(), link.role);
        self.say(port, role, &said, Token(key.0));
    }

    /// The node closes a link, and the other side is told.
    fn close(&mut self, key: Key) {
        let Some(link) = self.links.get(&key) else { return };
        let (port, role, channel) = (link.port.clone(), link.role, link.channel);
        self.say(port, role, &Said::Bye { channel }, NOBODY);
        self.down(key);
    }

    fn say(&mut self, port: Port, role: Role, said: &Said, token: Token) {
        let frame = said.encode();
        self.outputs.push_back(Output::Radio(Command::Send { port, role, frame, token }));
    }

    fn radio(&mut self, now: Time, event: radio::Event) {
        match event {
            radio::Event::Adapter { adapter, condition } => {
                self.adapter(now, adapter, condition);
            }
            radio::Event::Gone { adapter } => self.adapter_gone(now, &adapter),
            radio::Event::Seen { port, rssi, data } => self.seen(now, port, rssi, &data),
            radio::Event::Connected { port } => self.connected(now, &port),
            radio::Event::Unreachable { port, reason } => {
                if let Some(attempt) = self.dials.take(&port) {
                    tracing::debug!(%port, reason, "cannot connect");
                    self.failed(now, attempt);
                }
            }
            radio::Event::Disconnected { port } => self.disconnected(now, &port),
            radio::Event::Unheard { adapter } => {
                self.forget_all(|link| {
                    link.port.adapter == adapter && link.role == Role::Peripheral
                });
            }
            radio::Event::Received { port, role, frame, most_bytes } => {
                let Some(said) = Said::decode(&frame) else { return };
                self.heard(now, port, role, said, most_bytes);
            }
            radio::Event::Left { token } => {
                let link = Key(token.0);
                if self.links.contains_key(&link) {
                    self.outputs.push_back(Output::Sent { link });
                }
            }
        }
    }

    fn adapter(&mut self, now: Time, adapter: Adapter, condition: Condition) {
        if self.adapters.len() >= ADAPTERS && !self.adapters.contains_key(&adapter) {
            return;
        }
        self.adapter_gone(now, &adapter);
        let state = match condition {
            Condition::On { advertises } => {
                let duty = Duty::new(now);
                let on = On {
                    advertises,
                    is_advertising: false,
                    advertise_at: now,
                    duty,
                    last_channel: 0,
                };
                State { on: Some(on), reason: String::new() }
            }
            Condition::Off { reason } => State { on: None, reason },
        };
        self.adapters.insert(adapter, state);
    }

    fn adapter_gone(&mut self, now: Time, adapter: &Adapter) {
        if self.adapters.remove(adapter).is_none() {
            return;
        }
        self.sightings.forget(adapter);
        if let Some(attempt) = self.dials.take_of(adapter) {
            self.failed(now, attempt);
        }
        self.forget_all(|link| link.port.adapter == *adapter);
    }

    fn seen(&mut self, now: Time, port: Port, rssi: Option<i16>, data: &[u8]) {
        let Some(beacon) = Beacon::decode(data) else { return };
        let own = self.beacon.card;
        if beacon.card.node == own.node || rssi.is_some_and(|rssi| rssi < self.policy.least_rssi) {
            return;
        }
        self.sightings.note(now, port.clone(), beacon, rssi);
        let is_friend = beacon.card.network == own.network;
        if is_friend
            && !self.is_linked_with(now, &port.device)
            && self.sightings.is_to_be_told(now, &port)
        {
            self.outputs.push_back(Output::Discovered { endpoint: endpoint(&port.device) });
        }
    }

    /// The connection is there; over it, a link is asked for.
    fn connected(&mut self, now: Time, port: &Port) {
        let nonce = Nonce(self.rng.below(1 << 32) as u32);
        if self.has_link(port, Role::Peripheral) {
            // The other side was faster.
            if let Some(attempt) = self.dials.take(port) {
                self.outputs.push_back(Output::DialFailed { endpoint: attempt.endpoint });
            }
        } else if !self.dials.greet(now, port, nonce) {
            self.disconnect_if_unused(port);
        }
    }

    fn disconnected(&mut self, now: Time, port: &Port) {
        for role in [Role::Central, Role::Peripheral] {
            if let Some(key) = self.by_port.get(&(port.clone(), role)) {
                self.forget(*key);
            }
        }
        if let Some(attempt) = self.dials.take_greeting(port) {
            self.failed(now, attempt);
        }
    }

    fn heard(&mut self, now: Time, port: Port, role: Role, said: Said, most_bytes: Option<u16>) {
        match (role, said) {
            (Role::Peripheral, Said::Hello { nonce, most_bytes: theirs }) => {
                let measured = most_bytes.unwrap_or(LEAST_FRAME_BYTES);
                self.welcome(now, port, nonce, theirs.min(measured));
            }
            (Role::Central, Said::Welcome { nonce, channel, most_bytes }) => {
                self.welcomed(now, port, nonce, channel, most_bytes);
            }
            // Nothing that the other role says, or an old greeting that came back.
            (Role::Central, Said::Hello { .. }) | (Role::Peripheral, Said::Welcome { .. }) => {}
            (role, Said::Frame { channel, frame }) => self.carry(port, role, channel, frame),
            (role, Said::Bye { channel }) => {
                if let Some((key, _)) = self.link_of(&port, role, channel) {
                    self.down(key);
                }
            }
        }
    }

    fn carry(&mut self, port: Port, role: Role, channel: Channel, frame: Bytes) {
        if let Some((link, known)) = self.link_of(&port, role, channel) {
            if frame.len() <= usize::from(known.frame_bytes - HEADER_BYTES) {
                self.outputs.push_back(Output::Received { link, frame });
            }
        } else if role == Role::Peripheral {
            // It believes in a link of an earlier life of this node.
            self.say(port, role, &Said::Bye { channel }, NOBODY);
        }
    }

    fn link_of(&self, port: &Port, role: Role, channel: Channel) -> Option<(Key, &Link)> {
        let key = *self.by_port.get(&(port.clone(), role))?;
        let link = self.links.get(&key)?;
        (link.channel == channel).then_some((key, link))
    }

    /// Answers a hello.
    fn welcome(&mut self, now: Time, port: Port, nonce: Nonce, most_bytes: u16) {
        let most_bytes =
            most_bytes.min(self.policy.frame_bytes).clamp(LEAST_FRAME_BYTES, MOST_FRAME_BYTES);
        let known = self.by_port.get(&(port.clone(), Role::Peripheral)).copied();
        let known = known.and_then(|key| Some((key, self.links.get(&key)?)));
        let (channel, most_bytes) = match known {
            // Its welcome was lost.
            Some((_, link)) if link.nonce == nonce => (Some(link.channel), link.frame_bytes),
            Some((key, _)) => {
                // It has begun anew.
                self.forget(key);
                (self.accept(now, &port, nonce, most_bytes), most_bytes)
            }
            None => (self.accept(now, &port, nonce, most_bytes), most_bytes),
        };
        let said = Said::Welcome { nonce, channel, most_bytes };
        self.say(port, Role::Peripheral, &said, NOBODY);
    }

    fn accept(
        &mut self,
        now: Time,
        port: &Port,
        nonce: Nonce,
        frame_bytes: u16,
    ) -> Option<Channel> {
        let full = self.count(&port.adapter, Role::Peripheral) >= self.policy.inbound;
        if full || self.has_link(port, Role::Central) || self.wins(port, nonce) {
            return None;
        }
        let channel = self.free_channel(&port.adapter)?;
        if let Some(attempt) = self.dials.take(port) {
            self.outputs.push_back(Output::DialFailed { endpoint: attempt.endpoint });
        }
        let (port, role) = (port.clone(), Role::Peripheral);
        let link = Link { port, role, channel, nonce, frame_bytes, since: now };
        self.up(link, Direction::Inbound);
        Some(channel)
    }

    /// Whether both sides have said hello over one connection and this side's counts. Both see both
    /// nonces, and agree.
    fn wins(&self, port: &Port, theirs: Nonce) -> bool {
        self.dials.nonce(port).is_some_and(|own| own.0 < theirs.0)
    }

    /// A channel that was not in use recently.
    fn free_channel(&mut self, adapter: &Adapter) -> Option<Channel> {
        let last = self.adapters.get(adapter)?.on.as_ref()?.last_channel;
        let used: Vec<u8> = self
            .links
            .values()
            .filter(|it| it.port.adapter == *adapter && it.role == Role::Peripheral)
            .map(|it| it.channel.0)
            .collect();
        let mut next = (0..CHANNELS).map(|step| (last + step) % CHANNELS + 1);
        let free = next.find(|it| !used.contains(it))?;
        self.adapters.get_mut(adapter)?.on.as_mut()?.last_channel = free;
        Some(Channel(free))
    }

    fn welcomed(
        &mut self,
        now: Time,
        port: Port,
        nonce: Nonce,
        channel: Option<Channel>,
        most_bytes: u16,
    ) {
        if self.dials.nonce(&port) != Some(nonce) {
            return;
        }
        let Some(attempt) = self.dials.take(&port) else { return };
        let Some(channel) = channel else { return self.failed(now, attempt) };
        self.sightings.succeeded(now, &port);
        let frame_bytes = most_bytes.clamp(LEAST_FRAME_BYTES, self.policy.frame_bytes);
        self.up(
            Link { port, role: Role::Central, channel, nonce, frame_bytes, since: now },
            Direction::Outbound,
        );
    }

    fn up(&mut self, link: Link, direction: Direction) {
        self.last_key += 1;
        let key = Key(self.last_key);
        self.outputs.push_back(Output::Up {
            link: key,
            mtu: u32::from(link.frame_bytes - HEADER_BYTES),
            direction,
            endpoint: endpoint(&link.port.device),
        });
        let before = self.by_port.insert((link.port.clone(), link.role), key);
        assert!(before.is_none(), "a connection carries one link of each role");
        self.links.insert(key, link);
    }

    /// A link is over; so is its connection, if this side made it and nothing else uses it.
    fn down(&mut self, key: Key) {
        let Some(link) = self.links.get(&key) else { return };
        let (port, role) = (link.port.clone(), link.role);
        self.forget(key);
        match role {
            Role::Central => self.disconnect_if_unused(&port),
            Role::Peripheral => {}
        }
    }

    fn forget(&mut self, key: Key) {
        if let Some(link) = self.links.remove(&key) {
            self.by_port.remove(&(link.port, link.role));
            self.outputs.push_back(Output::Down { link: key });
        }
    }

    fn forget_all(&mut self, which: impl Fn(&Link) -> bool) {
        let chosen = self.links.iter().filter(|(_, link)| which(link));
        let keys: Vec<Key> = chosen.map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.forget(key));
    }

    fn failed(&mut self, now: Time, attempt: Attempt) {
        self.sightings.failed(now, &attempt.port);
        self.disconnect_if_unused(&attempt.port);
        self.outputs.push_back(Output::DialFailed { endpoint: attempt.endpoint });
    }

    fn disconnect_if_unused(&mut self, port: &Port) {
        let is_used = self.has_link(port, Role::Central)
            || self.has_link(port, Role::Peripheral)
            || self.dials.is_trying(port);
        if !is_used {
            self.outputs.push_back(Output::Radio(Command::Disconnect { port: port.clone() }));
        }
    }

    fn has_link(&self, port: &Port, role: Role) -> bool {
        self.by_port.contains_key(&(port.clone(), role))
    }

    /// Whether there is a link to this device, or a young one to another of the same node.
    fn is_linked_with(&self, now: Time, device: &Device) -> bool {
        let card = self.sightings.card(device);
        self.links.values().any(|link| {
            let there = &link.port.device;
            let spares = now < link.since + SPARED;
            there == device || (spares && card.is_some() && self.sightings.card(there) == card)
        })
    }

    fn count(&self, adapter: &Adapter, role: Role) -> usize {
        let of_it = |link: &&Link| link.port.adapter == *adapter && link.role == role;
        self.links.values().filter(of_it).count()
    }

    /// Does everything that is due.
    fn turn(&mut self, now: Time) {
        for endpoint in self.dials.expire(now) {
            self.outputs.push_back(Output::DialFailed { endpoint });
        }
        while let Some(attempt) = self.dials.take_overdue(now) {
            tracing::debug!(port = %attempt.port, "no answer");
            self.failed(now, attempt);
        }
        for (port, nonce) in self.dials.hellos(now) {
            let said = Said::Hello { nonce, most_bytes: self.policy.frame_bytes };
            self.say(port, Role::Central, &said, NOBODY);
        }
        while let Some(dial) = self.dials.ready(now) {
            self.begin(now, dial);
        }
        let adapters: Vec<Adapter> = self.adapters.keys().cloned().collect();
        adapters.into_iter().for_each(|adapter| self.turn_adapter(now, adapter));
    }

    /// Begins to connect, or says that it cannot be done, or comes back to it later.
    fn begin(&mut self, now: Time, dial: Waiting) {
        let device = device_of(&dial.endpoint);
        let mut ways = self.sightings.ways(now, &device);
        ways.retain(|port| {
            let is_on = self.adapters.get(&port.adapter).is_some_and(|it| it.on.is_some());
            is_on && self.count(&port.adapter, Role::Central) < self.policy.outbound
        });
        if ways.is_empty() || self.is_linked_with(now, &device) {
            return self.outputs.push_back(Output::DialFailed { endpoint: dial.endpoint });
        }
        let card = self.sightings.card(&device);
        if self.dials.tried().any(|it| self.sightings.card(it) == card) {
            return self.dials.postpone(now, dial);
        }
        let free = ways.into_iter().filter(|port| !self.dials.connects(&port.adapter));
        // An adapter without a link before one that has some.
        let links = |port: &Port| {
            let roles = [Role::Central, Role::Peripheral];
            roles.map(|role| self.count(&port.adapter, role)).iter().sum::<usize>()
        };
        match free.min_by_key(links) {
            Some(port) => {
                let patience = self.sightings.patience(&port);
                self.dials.begin(now, dial.endpoint, port.clone(), patience);
                self.outputs.push_back(Output::Radio(Command::Connect { port }));
            }
            None => self.dials.postpone(now, dial),
        }
    }

    fn turn_adapter(&mut self, now: Time, adapter: Adapter) {
        let inbound = self.count(&adapter, Role::Peripheral);
        let links = inbound + self.count(&adapter, Role::Central);
        let connecting = self.dials.connects(&adapter);
        let Some(on) = self.adapters.get_mut(&adapter).and_then(|it| it.on.as_mut()) else {
            return;
        };
        if on.advertises && on.advertise_at <= now {
            on.advertise_at = now + self.policy.advertise_every;
            let wanted = inbound < self.policy.inbound;
            if wanted || on.is_advertising {
                on.is_advertising = wanted;
                let data = wanted.then(|| self.beacon.encode());
                let adapter = adapter.clone();
                self.outputs.push_back(Output::Radio(Command::Advertise { adapter, data }));
            }
        }
        let cycle: Cycle =
            if links <= self.policy.few { self.policy.seeking } else { self.policy.settled };
        if let Some(is_on) = on.duty.turn(now, cycle, connecting) {
            self.outputs.push_back(Output::Radio(Command::Scan { adapter, on: is_on }));
        }
    }
}

fn device_of(endpoint: &Endpoint) -> Device {
    Device(String::from_utf8_lossy(&endpoint.bytes).into())
}

fn endpoint(device: &Device) -> Endpoint {
    Endpoint { transport: TRANSPORT, bytes: Bytes::copy_from_slice(device.0.as_bytes()) }
}
