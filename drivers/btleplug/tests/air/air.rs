//! The air between scripted radios: who is connected to whom, and what becomes of frames.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bitcraps_btleplug::radio::{Adapter, Command, Device, Event, Port, Role};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::Time;

/// The only adapter of every station.
pub(crate) const ADAPTER: &str = "hci0";

/// What can happen to a frame.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) lost_percent: u64,
    pub(crate) repeated_percent: u64,
    /// Of notifications, as BlueZ cuts them short.
    pub(crate) cut_percent: u64,
    /// At least and at most; frames overtake one another within.
    pub(crate) delay_ms: (u64, u64),
}

/// See the module.
pub(crate) struct Air {
    rng: Rng,
    faults: Faults,
    /// The MTUs of connections, in turn.
    sizes: Vec<u16>,
    /// Which stations scan, and what those that advertise say.
    scanning: BTreeSet<usize>,
    advertising: BTreeMap<usize, bytes::Bytes>,
    /// From a central to a peripheral, with the MTU and the frames sent so far.
    connections: BTreeMap<(usize, usize), u16>,
    pub(crate) out_of_range: Vec<(usize, usize)>,
    /// Whether peripherals see centrals under another address.
    pub(crate) hides_centrals: bool,
    /// Stations whose frames get nowhere, hellos apart.
    pub(crate) mutes: Vec<usize>,
    pub(crate) connections_made: usize,
    pub(crate) mtus: BTreeSet<u16>,
    pub(crate) bytes: u64,
    pub(crate) longest: usize,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    pub(crate) overtaken: u64,
    pub(crate) cut: u64,
    newest_arrival: Time,
}

/// What a station will hear, and when.
pub(crate) type Later = (Duration, usize, Event);

pub(crate) fn adapter() -> Adapter {
    Adapter(ADAPTER.into())
}

impl Air {
    pub(crate) fn new(rng: Rng, faults: Faults, sizes: &[u16]) -> Self {
        Self {
            rng,
            faults,
            sizes: sizes.to_vec(),
            scanning: BTreeSet::new(),
            advertising: BTreeMap::new(),
            connections: BTreeMap::new(),
            out_of_range: Vec::new(),
            hides_centrals: false,
            mutes: Vec::new(),
            connections_made: 0,
            mtus: BTreeSet::new(),
            bytes: 0,
            longest: 0,
            lost: 0,
            repeated: 0,
            overtaken: 0,
            cut: 0,
            newest_arrival: Time::ZERO,
        }
    }

    fn hears(&self, one: usize, other: usize) -> bool {
        one != other
            && !self.out_of_range.contains(&(one, other))
            && !self.out_of_range.contains(&(other, one))
    }

    /// `station` as the other side of a connection sees it.
    fn port(&self, station: usize, role: Role) -> Port {
        let hidden = self.hides_centrals && role == Role::Central;
        let device = format!("{}{station}", if hidden { "C" } else { "P" });
        Port { adapter: adapter(), device: Device(device.into()) }
    }

    fn station(device: &Device) -> usize {
        device.0[1..].parse().expect("the air named it")
    }

    /// The connection of a station with a device of which it knows in this role.
    fn connection(&self, station: usize, role: Role, device: &Device) -> (usize, usize) {
        let other = Self::station(device);
        match role {
            Role::Central => (station, other),
            Role::Peripheral => (other, station),
        }
    }

    /// What scanning stations hear now.
    pub(crate) fn beacons(&mut self) -> Vec<Later> {
        let mut later = Vec::new();
        for &listener in &self.scanning {
            for (&station, data) in &self.advertising {
                if self.hears(listener, station) {
                    let (port, data) = (self.port(station, Role::Peripheral), data.clone());
                    let seen = Event::Seen { port, rssi: Some(-60), data };
                    later.push((Duration::from_millis(1), listener, seen));
                }
            }
        }
        later
    }

    pub(crate) fn obey(&mut self, now: Time, station: usize, command: Command) -> Vec<Later> {
        match command {
            Command::Scan { on, .. } => {
                if on {
                    self.scanning.insert(station);
                } else {
                    self.scanning.remove(&station);
                }
                Vec::new()
            }
            Command::Advertise { data, .. } => {
                match data {
                    Some(data) => drop(self.advertising.insert(station, data)),
                    None => drop(self.advertising.remove(&station)),
                }
                Vec::new()
            }
            Command::Connect { port } => self.connect(station, port),
            Command::Disconnect { port } => {
                let [own, others] = [Role::Central, Role::Peripheral]
                    .map(|role| self.connection(station, role, &port.device));
                let connections = match (self.hides_centrals, port.device.0.starts_with('C')) {
                    (false, _) => vec![own, others],
                    (true, false) => vec![own],
                    (true, true) => vec![others],
                };
                connections.into_iter().flat_map(|it| self.disconnect(it)).collect()
            }
            Command::Send { port, role, frame, token } => {
                let mut later = vec![(Duration::from_millis(3), station, Event::Left { token })];
                let connection = self.connection(station, role, &port.device);
                if let Some(mtu) = self.connections.get(&connection).copied() {
                    assert!(frame.len() <= usize::from(mtu - 5).min(510), "{} bytes", frame.len());
                }
                self.longest = self.longest.max(frame.len());
                self.bytes += frame.len() as u64;
                let hears: Vec<(usize, Role, u16)> = self
                    .connections
                    .iter()
                    .filter_map(|(&it, &mtu)| match role {
                        Role::Central => {
                            (it == connection).then_some((it.1, Role::Peripheral, mtu))
                        }
                        Role::Peripheral => (it.1 == station).then_some((it.0, Role::Central, mtu)),
                    })
                    .collect();
                for (other, heard_as, mtu) in hears {
                    later.extend(self.carry(now, station, role, other, heard_as, mtu, &frame));
                }
                later
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a frame has a way")]
    fn carry(
        &mut self,
        now: Time,
        from: usize,
        from_role: Role,
        to: usize,
        to_role: Role,
        mtu: u16,
        frame: &bytes::Bytes,
    ) -> Vec<Later> {
        let is_greeting = frame.first() == Some(&0);
        if self.mutes.contains(&from) && !is_greeting {
            return Vec::new();
        }
        let mut copies = 1;
        if self.rng.below(100) < self.faults.lost_percent {
            self.lost += 1;
            copies -= 1;
        }
        if self.rng.below(100) < self.faults.repeated_percent {
            self.repeated += 1;
            copies += 1;
        }
        let mut frame = frame.clone();
        if from_role == Role::Peripheral && self.rng.below(100) < self.faults.cut_percent {
            self.cut += 1;
            frame.truncate(self.rng.below(frame.len() as u64) as usize);
        }
        let (least, most) = self.faults.delay_ms;
        (0..copies)
            .map(|_| {
                let delay = Duration::from_millis(least + self.rng.below(most - least));
                self.overtaken += u64::from(now + delay < self.newest_arrival);
                self.newest_arrival = self.newest_arrival.max(now + delay);
                let received = Event::Received {
                    port: self.port(from, from_role),
                    role: to_role,
                    frame: frame.clone(),
                    most_bytes: (to_role == Role::Peripheral).then_some(mtu - 5),
                };
                (delay, to, received)
            })
            .collect()
    }

    fn connect(&mut self, station: usize, port: Port) -> Vec<Later> {
        let other = Self::station(&port.device);
        if !self.advertising.contains_key(&other) || !self.hears(station, other) {
            let reason = "nobody there".to_owned();
            return vec![(Duration::from_secs(2), station, Event::Unreachable { port, reason })];
        }
        let shared = !self.hides_centrals && self.connections.contains_key(&(other, station));
        let mtu = match self.connections.get(&(other, station)) {
            Some(mtu) if shared => *mtu,
            _ => self.sizes[self.connections_made % self.sizes.len()],
        };
        self.connections_made += 1;
        self.mtus.insert(mtu);
        self.connections.insert((station, other), mtu);
        vec![(Duration::from_millis(200), station, Event::Connected { port })]
    }

    fn disconnect(&mut self, connection: (usize, usize)) -> Vec<Later> {
        if self.connections.remove(&connection).is_none() {
            return Vec::new();
        }
        let (central, peripheral) = connection;
        let soon = Duration::from_millis(10);
        let to_central = Event::Disconnected { port: self.port(peripheral, Role::Peripheral) };
        let to_peripheral = Event::Disconnected { port: self.port(central, Role::Central) };
        let mut later = vec![(soon, central, to_central), (soon, peripheral, to_peripheral)];
        if !self.hides_centrals {
            // One connection carries both roles.
            later.extend(self.disconnect((peripheral, central)));
        }
        later
    }

    pub(crate) fn disconnect_all(&mut self) -> Vec<Later> {
        let all: Vec<_> = self.connections.keys().copied().collect();
        all.into_iter().flat_map(|it| self.disconnect(it)).collect()
    }

    /// A station's radio falls silent.
    pub(crate) fn silence(&mut self, station: usize) -> Vec<Later> {
        self.scanning.remove(&station);
        self.advertising.remove(&station);
        let its: Vec<_> = self
            .connections
            .keys()
            .filter(|it| it.0 == station || it.1 == station)
            .copied()
            .collect();
        its.into_iter().flat_map(|it| self.disconnect(it)).collect()
    }
}
