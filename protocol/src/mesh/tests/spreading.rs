//! Broadcast among 300 radios, each linked to five to seven of those it hears.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;
use std::eprintln;

use super::crowd::{Conduct, Crowd, component, diameter, radio};
use crate::event::LinkKind;
use crate::mesh::Config;
use crate::rng::Rng;

const NODES: usize = 300;

struct Bar {
    crowd: Crowd,
    /// Who hears whom.
    near: Vec<BTreeSet<usize>>,
}

impl Bar {
    /// Radios that hear 20 others on average and have five to seven links each.
    fn new(seed: u8, conduct: impl Fn(usize) -> Conduct) -> Self {
        Self::with_links(seed, conduct, LinkKind::Stream, 0)
    }

    fn with_links(
        seed: u8,
        conduct: impl Fn(usize) -> Conduct,
        kind: LinkKind,
        loss_percent: u64,
    ) -> Self {
        let mut rng = Rng::new([seed; 32]).fork("places");
        let near = radio(NODES, 20, &mut rng);
        let mut crowd = Crowd::new(NODES, seed, Config::default());
        crowd.conduct = (0..NODES).map(conduct).collect();
        (crowd.kind, crowd.loss_percent) = (kind, loss_percent);
        if kind == LinkKind::Datagram {
            crowd.mtu = 510;
        }
        let mut bar = Self { crowd, near };
        bar.link_up();
        bar.crowd.pass(Duration::from_secs(2));
        bar
    }

    /// Links those who have fewer than five links to others near that have fewer than seven.
    fn link_up(&mut self) {
        for wanted in 1..=5 {
            for node in 0..NODES {
                self.link_up_one(node, wanted);
            }
        }
    }

    fn link_up_one(&mut self, node: usize, wanted: usize) {
        let neighbours = self.crowd.neighbours();
        if self.crowd.meshes[node].is_none() || neighbours[node].len() >= wanted {
            return;
        }
        let mut free: Vec<usize> = self.near[node]
            .iter()
            .copied()
            .filter(|other| neighbours[*other].len() < 7 && !neighbours[node].contains(other))
            .filter(|other| self.crowd.meshes[*other].is_some())
            .collect();
        for _ in neighbours[node].len()..wanted {
            if free.is_empty() {
                return;
            }
            let chosen = free.swap_remove(self.crowd.random(free.len()));
            self.crowd.connect(node, chosen);
        }
    }

    fn is_honest(&self, node: usize) -> bool {
        self.crowd.conduct[node] == Conduct::Honest && self.crowd.meshes[node].is_some()
    }

    /// Lets so many honest nodes say something, a few each second; returns the messages.
    fn talk(&mut self, messages: usize, mut meanwhile: impl FnMut(&mut Self)) -> Vec<usize> {
        let mut said = Vec::new();
        while said.len() < messages {
            let node = self.crowd.random(NODES);
            if self.is_honest(node) {
                said.push(self.crowd.say(node));
                self.crowd.pass(Duration::from_millis(200));
                meanwhile(self);
            }
        }
        self.crowd.pass(Duration::from_secs(10));
        said
    }

    /// How many honest nodes, connected over honest ones with whoever spoke, have missed something.
    fn missed(&self, said: &[usize]) -> usize {
        let neighbours = self.crowd.neighbours();
        let missed = said.iter().map(|message| {
            let reached = &self.crowd.fates[*message].reached;
            let author = *reached.iter().find(|(_, hops)| **hops == 0).unwrap().0;
            let all = component(&neighbours, author, |node| self.is_honest(node));
            all.keys().filter(|node| !reached.contains_key(node)).count()
        });
        missed.sum()
    }

    /// By how much more often than needed messages were pushed, in hundredths.
    fn redundancy(&self, said: &[usize]) -> u64 {
        let fates = said.iter().map(|message| &self.crowd.fates[*message]);
        let (pushes, needed) = fates.fold((0, 0), |(pushes, needed), fate| {
            (pushes + fate.pushes, needed + fate.reached.len() as u64 - 1)
        });
        (pushes * 100).saturating_sub(needed * 100) / needed
    }

    fn last_hop(&self, said: &[usize]) -> u32 {
        let hops = said.iter().filter_map(|it| self.crowd.fates[*it].reached.values().max());
        hops.copied().max().unwrap()
    }

    #[expect(clippy::print_stderr, reason = "figures, for whoever asks with --nocapture")]
    fn report(&self, what: &str, said: &[usize]) {
        let bytes = self.crowd.bytes / NODES as u64 / self.crowd.fates.len() as u64;
        eprintln!(
            "{what}: {} messages, missed {}, redundancy {}.{:02}, last hop {}, diameter of the radio \
             graph {}, of the links {}, {bytes} bytes a node and message of 150",
            said.len(),
            self.missed(said),
            self.redundancy(said) / 100,
            self.redundancy(said) % 100,
            self.last_hop(said),
            diameter(&self.near, |node| self.is_honest(node)),
            diameter(&self.crowd.neighbours(), |node| self.is_honest(node)),
        );
    }
}

#[test]
fn a_crowd_hears_everything_with_little_repetition_and_over_short_ways() {
    let mut bar = Bar::new(1, |_| Conduct::Honest);
    let first = bar.talk(200, |_| {});
    bar.report("while the trees form", &first);
    let said = bar.talk(200, |_| {});
    bar.report("in steady state", &said);
    assert_eq!((bar.missed(&first), bar.missed(&said)), (0, 0));
    assert!(bar.redundancy(&said) < 50);
    assert!(bar.last_hop(&said) <= 2 * diameter(&bar.crowd.neighbours(), |_| true));
}

#[test]
fn a_fifth_of_all_datagrams_may_be_lost() {
    let mut bar = Bar::with_links(7, |_| Conduct::Honest, LinkKind::Datagram, 20);
    bar.talk(40, |_| {});
    let said = bar.talk(40, |_| {});
    bar.report("with 20 % of all datagrams lost", &said);
    assert_eq!(bar.missed(&said), 0);
}

#[test]
fn nobody_misses_anything_because_others_leave_and_come_back() {
    let mut bar = Bar::new(2, |_| Conduct::Honest);
    bar.talk(100, |_| {});
    // Every second half a second's share of 10 % a minute leaves and others come back.
    let mut gone = Vec::new();
    let mut present = BTreeSet::from_iter(0..NODES);
    let said = bar.talk(150, |bar| {
        if bar.crowd.random(10) == 0 {
            let leaver = bar.crowd.random(NODES);
            bar.crowd.stop(leaver);
            present.remove(&leaver);
            gone.push(leaver);
            if gone.len() > 5 {
                let back = gone.remove(0);
                bar.crowd.start(back);
            }
            bar.link_up();
        }
    });
    bar.report("with churn", &said);
    let missed: usize = said
        .iter()
        .map(|message| {
            let reached = &bar.crowd.fates[*message].reached;
            present.iter().filter(|node| !reached.contains_key(node)).count()
        })
        .sum();
    assert_eq!(missed, 0, "of those who were there all the time");
}

#[test]
fn what_was_said_during_a_partition_reaches_the_other_half_when_it_heals() {
    let mut bar = Bar::new(3, |_| Conduct::Honest);
    bar.talk(50, |_| {});
    let is_left = |node: usize| node.is_multiple_of(2);
    bar.crowd.cut(|one, other| is_left(one) != is_left(other));
    let near = bar.near.clone();
    for node in 0..NODES {
        bar.near[node].retain(|other| is_left(*other) == is_left(node));
    }
    bar.link_up();
    let said = bar.talk(50, |_| {});
    bar.near = near;
    // Whoever has no room left makes some.
    for node in 0..40 {
        let other = *bar.near[node].iter().find(|it| is_left(**it) != is_left(node)).unwrap();
        bar.crowd.connect(node, other);
    }
    bar.crowd.pass(Duration::from_secs(10));
    bar.report("across a partition that has healed", &said);
    assert_eq!(bar.missed(&said), 0);
    let after = bar.talk(50, |_| {});
    bar.report("after it", &after);
    assert_eq!(bar.missed(&after), 0);
}

#[test]
fn a_third_of_hostile_relays_costs_nobody_a_message() {
    for (seed, conduct) in [(4, Conduct::BlackHole), (5, Conduct::Tamper), (6, Conduct::Poison)] {
        let conduct = |node| if node % 3 == 0 { conduct } else { Conduct::Honest };
        let mut bar = Bar::new(seed, conduct);
        let said = bar.talk(30, |_| {});
        bar.report(&std::format!("{:?}", conduct(0)), &said);
        assert_eq!(bar.missed(&said), 0);
    }
}
