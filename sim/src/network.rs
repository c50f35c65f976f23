//! Links as sans-IO machines: when a frame that is sent now arrives, if it does.

use std::collections::{BTreeMap, VecDeque};

use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use crate::air::Air;
use crate::config::Config;
use crate::decision::{Decisions, FrameFault};
use crate::topology::Links;

/// Two nodes that may be linked. Each has an edge to the other.
#[derive(Debug)]
pub struct Pair {
    /// Its ends; the first dials unless nodes choose themselves.
    pub ends: [usize; 2],
    /// Whether a link is up.
    pub up: bool,
    /// Which link this is of those the two had one after the other.
    pub generation: u32,
}

impl Pair {
    /// Whether a node is one of its ends.
    pub const fn joins(&self, place: usize) -> bool {
        self.ends[0] == place || self.ends[1] == place
    }
}

/// One direction of a pair.
#[derive(Debug)]
struct Edge {
    latency: Rng,
    faults: Rng,
    /// Frames sent so far, over all generations.
    sent: u64,
    /// When the last frame in order arrives.
    arrives: Time,
    /// When the transmitter is free again.
    free: Time,
    in_burst: bool,
    /// Frames that wait for a cut to heal.
    held: VecDeque<Bytes>,
}

/// A partition that is in force.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Nodes on one side.
    pub left: Vec<u16>,
    /// Nodes on the other.
    pub right: Vec<u16>,
    /// Whether frames from right to left pass.
    pub one_way: bool,
    /// Whether links across go down.
    pub breaks: bool,
}

/// What the network did with frames; everything sent is somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Traffic {
    /// Frames handed to the network.
    pub sent: u64,
    /// Second copies.
    pub duplicated: u64,
    /// Frames handed over.
    pub delivered: u64,
    /// Frames lost on datagram links.
    pub lost: u64,
    /// Frames dropped by a full queue.
    pub overflowed: u64,
    /// Frames that a partition swallowed.
    pub cut: u64,
    /// Frames of links that went down first.
    pub dead: u64,
    /// Bytes handed to the network.
    pub bytes: u64,
    /// Frames sent again by streams, and late.
    pub resent: u64,
    /// Frames delayed.
    pub delayed: u64,
    /// Bursts entered.
    pub bursts: u64,
    /// Frames held up by a partition.
    pub held: u64,
}

impl Traffic {
    /// Adds up what several networks did.
    pub fn add(&mut self, other: &Self) {
        let Self {
            sent,
            duplicated,
            delivered,
            lost,
            overflowed,
            cut,
            dead,
            bytes,
            resent,
            delayed,
            bursts,
            held,
        } = other;
        self.sent += sent;
        self.duplicated += duplicated;
        self.delivered += delivered;
        self.lost += lost;
        self.overflowed += overflowed;
        self.cut += cut;
        self.dead += dead;
        self.bytes += bytes;
        self.resent += resent;
        self.delayed += delayed;
        self.bursts += bursts;
        self.held += held;
    }
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Fate {
    /// When it has left the sender.
    pub left: Time,
    /// When it arrives, if ever.
    pub arrives: Option<Time>,
    /// When its copy does.
    pub copy: Option<Time>,
}

impl Fate {
    /// It leaves and does not arrive.
    const fn lost(left: Time) -> Self {
        Self { left, arrives: None, copy: None }
    }
}

/// All links.
#[derive(Debug)]
pub struct Network {
    datagram: bool,
    bits_per_second: u64,
    queue_bytes: u64,
    /// If all who hear one another share what they can send.
    air: Option<Air>,
    latency: crate::latency::Latency,
    rates: crate::config::Faults,
    stable: Time,
    /// Whether faults still happen.
    pub faulty: bool,
    pairs: Vec<Pair>,
    edges: Vec<Edge>,
    cuts: BTreeMap<u16, Cut>,
    /// Pairs of each node.
    of: Vec<Vec<usize>>,
    /// What it did so far.
    pub traffic: Traffic,
}

/// Losses within a burst, and frames after which one ends, in a million.
const BURST_LOSS_PPM: u64 = 500_000;
const BURST_ENDS_PPM: u64 = 100_000;

/// How long a stream takes to notice a loss.
const RETRANSMIT_MICROS: u64 = 200_000;

impl Network {
    /// Links as configured, all down.
    pub fn new(config: &Config, links: &Links, rng: &Rng) -> Self {
        let mut of = vec![Vec::new(); config.places()];
        let (mut pairs, mut edges) = (Vec::new(), Vec::new());
        for (one, other) in links {
            of[*one].push(pairs.len());
            of[*other].push(pairs.len());
            pairs.push(Pair { ends: [*one, *other], up: false, generation: 0 });
            for (from, to) in [(one, other), (other, one)] {
                edges.push(Edge {
                    latency: rng.fork(&format!("latency {from} {to}")),
                    faults: rng.fork(&format!("frames {from} {to}")),
                    sent: 0,
                    arrives: Time::ZERO,
                    free: Time::ZERO,
                    in_burst: false,
                    held: VecDeque::new(),
                });
            }
        }
        Self {
            datagram: config.link.datagram,
            bits_per_second: config.link.kilobits_per_second * 1_000,
            queue_bytes: config.link.queue_bytes,
            air: config.link.channels.map(|channels| Air::new(config.places(), links, channels)),
            latency: config.link.latency.clone(),
            rates: config.faults,
            stable: Time::from_micros(config.stabilises_ms * 1_000),
            faulty: true,
            pairs,
            edges,
            cuts: BTreeMap::new(),
            of,
            traffic: Traffic::default(),
        }
    }

    /// A pair.
    pub fn pair(&self, pair: usize) -> &Pair {
        &self.pairs[pair]
    }

    /// How many pairs there are.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// The pairs of a node.
    pub fn pairs_of(&self, place: usize) -> &[usize] {
        &self.of[place]
    }

    /// The node at the sending end of an edge.
    pub fn sender(&self, edge: usize) -> usize {
        self.pairs[edge / 2].ends[edge % 2]
    }

    /// The node at the receiving end of an edge.
    pub fn receiver(&self, edge: usize) -> usize {
        self.pairs[edge / 2].ends[1 - edge % 2]
    }

    /// Brings a new link up; its generation.
    pub fn bring_up(&mut self, pair: usize) -> u32 {
        let entry = &mut self.pairs[pair];
        entry.up = true;
        entry.generation += 1;
        entry.generation
    }

    /// Takes a link down; what it held is lost. Whether it was up.
    pub fn take_down(&mut self, pair: usize) -> bool {
        for edge in [pair * 2, pair * 2 + 1] {
            self.traffic.dead += self.edges[edge].held.len() as u64;
            self.edges[edge].held.clear();
        }
        std::mem::replace(&mut self.pairs[pair].up, false)
    }

    /// Whether a frame sent on this edge's link of that generation may still arrive.
    pub fn is_up(&self, edge: usize, generation: u32) -> bool {
        let pair = &self.pairs[edge / 2];
        pair.up && pair.generation == generation
    }

    /// Puts a partition into force.
    pub fn cut(&mut self, id: u16, cut: Cut) {
        self.cuts.insert(id, cut);
    }

    /// Ends a partition, and sends what it held up.
    pub fn heal(&mut self, id: u16, now: Time) -> Vec<(usize, Bytes, Time)> {
        self.cuts.remove(&id);
        self.release(now)
    }

    /// Ends all partitions, and sends what they held up.
    pub fn heal_all(&mut self, now: Time) -> Vec<(usize, Bytes, Time)> {
        self.cuts.clear();
        self.release(now)
    }

    /// Whether a partition stops frames on this edge.
    pub fn is_cut(&self, edge: usize) -> bool {
        if self.cuts.is_empty() {
            return false;
        }
        let (from, to) = (self.sender(edge) as u16, self.receiver(edge) as u16);
        let across = |one: &[u16], other: &[u16]| one.contains(&from) && other.contains(&to);
        self.cuts.values().any(|cut| {
            across(&cut.left, &cut.right) || (!cut.one_way && across(&cut.right, &cut.left))
        })
    }

    /// Decides what becomes of a frame that is sent now. Before the network stabilises somebody may
    /// have `schemed` that it is so many microseconds late.
    pub fn send(
        &mut self,
        edge: usize,
        now: Time,
        frame: &Bytes,
        schemed: Option<u64>,
        decisions: &mut Decisions,
    ) -> Fate {
        let (from, to) = (self.sender(edge) as u16, self.receiver(edge) as u16);
        let is_cut = self.is_cut(edge);
        let (faulty, stable) = (self.faulty, self.stable);
        let (rates, datagram, traffic) = (&self.rates, self.datagram, &mut self.traffic);
        let it = &mut self.edges[edge];
        traffic.sent += 1;
        traffic.bytes += frame.len() as u64;
        let nth = it.sent;
        it.sent += 1;
        let begins = it.free.max(now);
        let waiting = begins.since(now).as_micros() as u64 * self.bits_per_second / 8_000_000;
        if self.bits_per_second > 0 && datagram && waiting > self.queue_bytes {
            traffic.overflowed += 1;
            return Fate::lost(now);
        }
        let transmission =
            (frame.len() as u64 * 8_000_000).checked_div(self.bits_per_second).unwrap_or(0);
        let left = match &mut self.air {
            Some(air) => air.say(now, usize::from(from), usize::from(to), transmission),
            None => Time::from_micros(begins.as_micros() + transmission),
        };
        it.free = left;
        let mut delay = self.latency.draw(&mut it.latency);
        let faults = if faulty {
            let (rng, in_burst) = (&mut it.faults, &mut it.in_burst);
            let mut draw = || draw_fault(rates, now < stable, rng, in_burst, &mut traffic.bursts);
            let schemed = schemed.filter(|_| now < stable).map(FrameFault::Delayed);
            let draw = || schemed.or_else(&mut draw);
            decisions.frame((from, to, nth), draw)
        } else {
            Vec::new()
        };
        let mut copy = None;
        for fault in faults {
            match fault {
                FrameFault::Lost if datagram => {
                    traffic.lost += 1;
                    return Fate::lost(left);
                }
                FrameFault::Lost => {
                    traffic.resent += 1;
                    delay += RETRANSMIT_MICROS;
                }
                FrameFault::Duplicated(after) if datagram => copy = Some(after),
                FrameFault::Duplicated(_) => {}
                FrameFault::Delayed(by) => {
                    traffic.delayed += 1;
                    delay += by;
                }
            }
        }
        if is_cut && datagram {
            traffic.cut += 1;
            return Fate::lost(left);
        }
        if is_cut || !it.held.is_empty() {
            traffic.held += 1;
            it.held.push_back(frame.clone());
            return Fate::lost(left);
        }
        let mut arrives = Time::from_micros(left.as_micros() + delay);
        if !datagram {
            arrives = arrives.max(it.arrives);
            it.arrives = arrives;
        }
        traffic.duplicated += u64::from(copy.is_some());
        let copy = copy.map(|after| Time::from_micros(arrives.as_micros() + after));
        Fate { left, arrives: Some(arrives), copy }
    }

    /// Frames that wait for a cut to heal.
    pub fn held(&self) -> u64 {
        self.edges.iter().map(|edge| edge.held.len() as u64).sum()
    }

    fn release(&mut self, now: Time) -> Vec<(usize, Bytes, Time)> {
        let mut released = Vec::new();
        for edge in 0..self.edges.len() {
            if self.edges[edge].held.is_empty() || self.is_cut(edge) {
                continue;
            }
            let it = &mut self.edges[edge];
            for frame in std::mem::take(&mut it.held) {
                let delay = self.latency.draw(&mut it.latency);
                it.arrives = it.arrives.max(Time::from_micros(now.as_micros() + delay));
                released.push((edge, frame, it.arrives));
            }
        }
        released
    }
}

fn draw_fault(
    rates: &crate::config::Faults,
    unstable: bool,
    rng: &mut Rng,
    in_burst: &mut bool,
    bursts: &mut u64,
) -> Option<FrameFault> {
    if rates.burst_ppm > 0 {
        let dice = rng.below(1_000_000);
        if *in_burst {
            *in_burst = dice >= BURST_ENDS_PPM;
        } else if unstable && dice < u64::from(rates.burst_ppm) {
            *in_burst = true;
            *bursts += 1;
        }
        if *in_burst && rng.below(1_000_000) < BURST_LOSS_PPM {
            return Some(FrameFault::Lost);
        }
    }
    let (loss, again) = (u64::from(rates.loss_ppm), u64::from(rates.duplicate_ppm));
    let late = if unstable { u64::from(rates.delay_ppm) } else { 0 };
    if loss + again + late == 0 {
        return None;
    }
    let dice = rng.below(1_000_000);
    if dice < loss {
        Some(FrameFault::Lost)
    } else if dice < loss + again {
        Some(FrameFault::Duplicated(rng.below(50_000)))
    } else if dice < loss + again + late {
        Some(FrameFault::Delayed(rng.below(rates.delay_most_ms * 1_000 + 1)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Faults, root};
    use crate::latency::Latency;

    fn network(change: impl FnOnce(&mut Config)) -> (Network, Decisions) {
        let mut config = Config { nodes: 3, ..Config::default() };
        config.link.latency = Latency::Uniform { least: 1_000, most: 9_000 };
        change(&mut config);
        let links = [(0, 1), (0, 2), (1, 2)].into();
        let mut network = Network::new(&config, &links, &root(1));
        for pair in 0..3 {
            network.bring_up(pair);
        }
        (network, Decisions::drawn(&[]))
    }

    fn frame() -> Bytes {
        Bytes::from_static(&[0; 1_000])
    }

    #[test]
    fn streams_keep_their_order_and_datagrams_do_not() {
        for datagram in [false, true] {
            let (mut network, mut decisions) = network(|config| config.link.datagram = datagram);
            let arrivals: Vec<Time> = (0..100)
                .flat_map(|n| {
                    let now = Time::from_micros(n * 100);
                    network.send(0, now, &frame(), None, &mut decisions).arrives
                })
                .collect();
            assert_eq!(arrivals.len(), 100);
            assert_eq!(arrivals.is_sorted(), !datagram);
        }
    }

    #[test]
    fn a_slow_link_sends_one_frame_after_another_and_drops_what_does_not_fit() {
        let (mut network, mut decisions) = network(|config| {
            config.link.datagram = true;
            config.link.kilobits_per_second = 8_000;
            config.link.queue_bytes = 10_000;
        });
        let fates: Vec<Fate> =
            (0..20).map(|_| network.send(0, Time::ZERO, &frame(), None, &mut decisions)).collect();
        assert_eq!(fates[0].left, Time::from_micros(1_000));
        assert_eq!(fates[9].left, Time::from_micros(10_000));
        assert_eq!(network.traffic.overflowed, 9);
        assert_eq!(fates.iter().filter(|fate| fate.arrives.is_none()).count(), 9);
    }

    #[test]
    fn losses_and_bursts_come_at_their_rates() {
        let (mut network, mut decisions) = network(|config| {
            config.link.datagram = true;
            config.faults = Faults { loss_ppm: 50_000, burst_ppm: 10_000, ..Faults::default() };
        });
        for _ in 0..10_000 {
            network.send(0, Time::ZERO, &frame(), None, &mut decisions);
        }
        // 5 % by themselves; a burst every hundred frames, of ten frames, half of them lost.
        let Traffic { lost, bursts, .. } = network.traffic;
        assert!((700..1_200).contains(&lost), "{lost}");
        assert!((60..120).contains(&bursts), "{bursts}");
        assert_eq!(decisions.made().len() as u64, lost);
    }

    #[test]
    fn a_cut_swallows_datagrams_and_holds_streams_up_one_way_only() {
        for datagram in [false, true] {
            let (mut network, mut decisions) = network(|config| config.link.datagram = datagram);
            let (left, right) = (vec![0], vec![1]);
            network.cut(7, Cut { left, right, one_way: true, breaks: false });
            let arrives = [0, 1, 2].map(|edge| {
                network.send(edge, Time::ZERO, &frame(), None, &mut decisions).arrives.is_some()
            });
            assert_eq!(arrives, [false, true, true]);
            let released = network.heal(7, Time::from_micros(5));
            assert_eq!(released.len(), usize::from(!datagram));
            assert_eq!((network.traffic.cut, network.held()), (u64::from(datagram), 0));
        }
    }
}
