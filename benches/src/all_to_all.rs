//! The workload by which simulators are compared: so many hosts, each of which sends 200 bytes to
//! every other one every 100 ms over links of 10 ms. Here on this project's queue, network, decisions
//! and fingerprint, called as `World` calls them, with hosts that do nothing else.

use bitcraps_protocol::time::Time;
use bitcraps_sim::config::{Config, root};
use bitcraps_sim::decision::Decisions;
use bitcraps_sim::digest::Digest;
use bitcraps_sim::latency::Latency;
use bitcraps_sim::network::Network;
use bitcraps_sim::queue::{Calendar, Queue};
use bytes::Bytes;

/// Bytes of a message.
pub const MESSAGE_BYTES: usize = 200;

/// Between two messages of one host to another, in milliseconds.
pub const EVERY_MS: u64 = 100;

/// How long a message is under way, in milliseconds.
pub const LATENCY_MS: u64 = 10;

#[derive(Debug)]
enum Step {
    Deliver { edge: u32, generation: u32, frame: Bytes },
    Sent { edge: u32, generation: u32 },
    Speak { host: u16 },
}

/// Hosts that talk to one another.
#[derive(Debug)]
pub struct AllToAll {
    queue: Calendar<Step>,
    network: Network,
    decisions: Decisions,
    digest: Digest,
    /// Messages that arrived.
    pub delivered: u64,
    /// Events carried out: messages sent and delivered, and hosts woken up.
    pub events: u64,
}

impl AllToAll {
    /// So many hosts, all linked. They begin one after the other within one interval.
    pub fn new(hosts: u16) -> Self {
        let mut config = Config { nodes: hosts, ..Config::default() };
        config.link.latency = Latency::Constant { micros: LATENCY_MS * 1_000 };
        let hosts = usize::from(hosts);
        let links = (0..hosts).flat_map(|one| (one + 1..hosts).map(move |other| (one, other)));
        let mut network = Network::new(&config, &links.collect(), &root(1));
        (0..network.pairs()).for_each(|pair| {
            network.bring_up(pair);
        });
        let mut queue = Calendar::default();
        for host in 0..hosts {
            let at = Time::from_micros(EVERY_MS * 1_000 * host as u64 / hosts as u64);
            queue.push(at, Step::Speak { host: host as u16 });
        }
        let (decisions, digest) = (Decisions::drawn(&[]), Digest::default());
        Self { queue, network, decisions, digest, delivered: 0, events: 0 }
    }

    /// Goes on until this simulated time, in milliseconds.
    pub fn run_until(&mut self, ms: u64) {
        while let Some((now, step)) = self.queue.pop() {
            self.step(now, step);
            if now.as_micros() >= ms * 1_000 {
                return;
            }
        }
    }

    /// The fingerprint of everything that happened.
    pub const fn digest(&self) -> u64 {
        self.digest.value()
    }

    fn step(&mut self, now: Time, step: Step) {
        self.events += 1;
        self.digest.time(now);
        match step {
            Step::Speak { host } => {
                self.digest.word(u64::from(host));
                let message = Bytes::copy_from_slice(&[host as u8; MESSAGE_BYTES]);
                for pair in 0..self.network.pairs_of(usize::from(host)).len() {
                    let pair = self.network.pairs_of(usize::from(host))[pair];
                    let side = usize::from(self.network.pair(pair).ends[1] == usize::from(host));
                    self.send(now, 2 * pair + side, message.clone());
                }
                let again = Time::from_micros(now.as_micros() + EVERY_MS * 1_000);
                self.queue.push(again, Step::Speak { host });
            }
            Step::Sent { edge, generation } => {
                if self.network.is_up(edge as usize, generation) {
                    self.digest.word(u64::from(edge));
                }
            }
            Step::Deliver { edge, generation, frame } => {
                if self.network.is_up(edge as usize, generation) {
                    self.digest.word(self.network.receiver(edge as usize) as u64);
                    self.digest.word(frame.len() as u64);
                    self.network.traffic.delivered += 1;
                    self.delivered += 1;
                }
            }
        }
    }

    fn send(&mut self, now: Time, edge: usize, frame: Bytes) {
        let generation = self.network.pair(edge / 2).generation;
        self.digest.word(edge as u64);
        self.digest.bytes(&frame);
        let fate = self.network.send(edge, now, &frame, None, &mut self.decisions);
        let edge = edge as u32;
        for arrives in fate.arrives.into_iter().chain(fate.copy) {
            self.queue.push(arrives, Step::Deliver { edge, generation, frame: frame.clone() });
        }
        self.queue.push(fate.left, Step::Sent { edge, generation });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_arrives_and_two_runs_are_one() {
        let run = || {
            let mut hosts = AllToAll::new(10);
            hosts.run_until(1_000);
            (hosts.delivered, hosts.digest())
        };
        let (delivered, _) = run();
        assert!((880..=900).contains(&delivered), "{delivered}");
        assert_eq!(run(), run());
    }
}
