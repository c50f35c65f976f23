//! The devices that were heard: who they say they are, and when to try them again. Bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcraps_protocol::time::Time;

use crate::greeting::{Beacon, Card};
use crate::radio::{Adapter, Device, Port};

/// Devices remembered; the victim is the one that was heard least recently.
const MOST: usize = 256;
/// How long a device counts as near after it was heard: some cycles of the thriftiest scan.
const NEAR: Duration = Duration::from_secs(90);
/// How often the node is told of the same device.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// The pause after the first failure; later ones are twice as long, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long connecting may take at first; twice as long after each failure, up to
/// [`MOST_PATIENCE`]: one side may be slow, and would be cut off over and over. More would be longer
/// than the node waits for a dial.
const PATIENCE: Duration = Duration::from_secs(8);
const MOST_PATIENCE: Duration = Duration::from_secs(20);

/// A device that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What it advertises.
    pub beacon: Beacon,
    /// How strongly it was heard, in dBm, if known.
    pub rssi: Option<i16>,
    heard: Time,
    told: Option<Time>,
    failures: u32,
    try_from: Time,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    seen: BTreeMap<Port, Sighting>,
}

impl Sightings {
    pub(crate) fn note(&mut self, now: Time, port: Port, beacon: Beacon, rssi: Option<i16>) {
        if let Some(known) = self.seen.get_mut(&port) {
            known.rssi = rssi.or(known.rssi);
            (known.beacon, known.heard) = (beacon, now);
            return;
        }
        if self.seen.len() >= MOST
            && let Some((oldest, _)) = self.seen.iter().min_by_key(|(_, it)| it.heard)
        {
            let oldest = oldest.clone();
            self.seen.remove(&oldest);
        }
        let sighting =
            Sighting { beacon, rssi, heard: now, told: None, failures: 0, try_from: now };
        self.seen.insert(port, sighting);
    }

    /// Whether it is time to tell the node of this device, which is noted.
    pub(crate) fn is_to_be_told(&mut self, now: Time, port: &Port) -> bool {
        let Some(known) = self.seen.get_mut(port) else { return false };
        let recently = known.told.is_some_and(|told| now < told + TELL_EVERY);
        let tells = !recently && known.try_from <= now;
        if tells {
            known.told = Some(now);
        }
        tells
    }

    /// The ways to a device that may be tried now, the strongest first.
    pub(crate) fn ways(&self, now: Time, device: &Device) -> Vec<Port> {
        let mut ways: Vec<(&Port, &Sighting)> = self
            .seen
            .iter()
            .filter(|(port, it)| port.device == *device && it.try_from <= now)
            .filter(|(_, it)| now < it.heard + NEAR)
            .collect();
        ways.sort_by_key(|(_, it)| std::cmp::Reverse(it.rssi));
        ways.into_iter().map(|(port, _)| port.clone()).collect()
    }

    /// Who a device says it is.
    pub(crate) fn card(&self, device: &Device) -> Option<Card> {
        let known = self.seen.iter().find(|(port, _)| port.device == *device);
        known.map(|(_, it)| it.beacon.card)
    }

    /// How long connecting this way may take.
    pub(crate) fn patience(&self, port: &Port) -> Duration {
        let failures = self.seen.get(port).map_or(0, |it| it.failures);
        PATIENCE.saturating_mul(1 << failures.min(16)).min(MOST_PATIENCE)
    }

    pub(crate) fn failed(&mut self, now: Time, port: &Port) {
        if let Some(known) = self.seen.get_mut(port) {
            let pause = PAUSE.saturating_mul(1 << known.failures.min(16)).min(LONGEST_PAUSE);
            known.failures = known.failures.saturating_add(1);
            known.try_from = now + pause;
        }
    }

    pub(crate) fn succeeded(&mut self, now: Time, port: &Port) {
        if let Some(known) = self.seen.get_mut(port) {
            (known.failures, known.try_from) = (0, now);
        }
    }

    /// Forgets what an adapter heard that is no longer there.
    pub(crate) fn forget(&mut self, adapter: &Adapter) {
        self.seen.retain(|port, _| port.adapter != *adapter);
    }

    /// The devices that are near.
    pub(crate) fn near(&self, now: Time) -> impl Iterator<Item = (&Port, &Sighting)> {
        self.seen.iter().filter(move |(_, it)| now < it.heard + NEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn port(adapter: &str, device: usize) -> Port {
        let device = Device(format!("{device:05}").into());
        Port { adapter: Adapter(adapter.into()), device }
    }

    const BEACON: Beacon = Beacon { card: Card { network: [1; 4], node: [2; 4] }, tables: 0 };

    #[test]
    fn a_device_is_tried_the_strongest_way_first_and_after_failures_less_and_less() {
        let mut sightings = Sightings::default();
        sightings.note(at(0), port("hci0", 1), BEACON, Some(-80));
        sightings.note(at(0), port("hci1", 1), BEACON, Some(-50));
        let ways = |sightings: &Sightings, seconds| {
            let ways = sightings.ways(at(seconds), &port("", 1).device);
            ways.into_iter().map(|port| port.adapter.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ways(&sightings, 0), ["hci1", "hci0"]);
        for (failed, pause, patience) in [(10, 1, 8), (20, 2, 16), (30, 4, 20)] {
            assert_eq!(sightings.patience(&port("hci1", 1)), Duration::from_secs(patience));
            sightings.failed(at(failed), &port("hci1", 1));
            assert_eq!(ways(&sightings, failed + pause - 1), ["hci0"]);
            assert_eq!(ways(&sightings, failed + pause), ["hci1", "hci0"]);
        }
        sightings.succeeded(at(40), &port("hci1", 1));
        sightings.failed(at(40), &port("hci1", 1));
        assert_eq!(ways(&sightings, 41), ["hci1", "hci0"]);
        assert!(ways(&sightings, 90).is_empty(), "it was last heard long ago");
        sightings.forget(&Adapter("hci1".into()));
        assert_eq!(ways(&sightings, 41), ["hci0"]);
    }

    #[test]
    fn the_node_is_told_now_and_then_and_not_of_what_just_failed() {
        let mut sightings = Sightings::default();
        sightings.note(at(0), port("hci0", 1), BEACON, None);
        let told: Vec<u64> =
            (0..25).filter(|it| sightings.is_to_be_told(at(*it), &port("hci0", 1))).collect();
        assert_eq!(told, [0, 10, 20]);
        sightings.failed(at(30), &port("hci0", 1));
        assert!(!sightings.is_to_be_told(at(30), &port("hci0", 1)));
        assert!(sightings.is_to_be_told(at(31), &port("hci0", 1)));
    }

    #[test]
    fn a_crowd_of_devices_is_forgotten_from_its_oldest() {
        let mut sightings = Sightings::default();
        (0..1000).for_each(|it| sightings.note(at(it as u64), port("hci0", it), BEACON, None));
        assert_eq!(sightings.seen.len(), MOST);
        assert!(sightings.seen.contains_key(&port("hci0", 999)));
    }
}
