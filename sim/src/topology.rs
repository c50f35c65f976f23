//! Who has a link to whom.

use std::collections::{BTreeSet, VecDeque};

use bitcraps_protocol::rng::Rng;
use serde::{Deserialize, Serialize};

/// The shape of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Everybody is linked to everybody.
    Full,
    /// Everybody is linked to one honest hub and to nobody else.
    Star,
    /// Everybody is linked to the next and the one after.
    Ring,
    /// Watts and Strogatz: a ring of `neighbours` on each side, each link moved with `rewired_ppm`.
    SmallWorld {
        /// Links to each side.
        neighbours: u16,
        /// Of a million links, how many lead somewhere else.
        rewired_ppm: u32,
    },
    /// Radios on a square of 1000 by 1000 that hear one another within a radius.
    Radio {
        /// How far a radio reaches; grows until the honest nodes are connected.
        radius: u16,
    },
    /// Full meshes joined in a row by one link each, between honest nodes.
    Islands {
        /// How many.
        count: u16,
    },
}

/// Undirected links, each once and with the lower end first.
pub type Links = BTreeSet<(usize, usize)>;

impl Topology {
    /// Draws the links among `nodes` such that the `honest` ones are connected without the others.
    pub fn links(&self, nodes: usize, honest: &BTreeSet<usize>, rng: &mut Rng) -> Links {
        let mut links = match *self {
            Self::Full => full(&(0..nodes).collect::<Vec<_>>()),
            Self::Star => {
                let hub = honest.first().copied().unwrap_or(0);
                (0..nodes).filter(|node| *node != hub).map(|node| ordered(hub, node)).collect()
            }
            Self::Ring => ring(nodes, 2),
            Self::SmallWorld { neighbours, rewired_ppm } => {
                let regular = ring(nodes, usize::from(neighbours.max(1)));
                let rewire = |(from, to)| {
                    let moved = rng.below(1_000_000) < u64::from(rewired_ppm);
                    let other = if moved { rng.below(nodes as u64) as usize } else { to };
                    if other == from { (from, to) } else { ordered(from, other) }
                };
                regular.into_iter().map(rewire).collect()
            }
            Self::Radio { radius } => radio(nodes, honest, radius, rng),
            Self::Islands { count } => islands(nodes, honest, usize::from(count.max(1))),
        };
        join(&mut links, honest);
        links
    }
}

/// Whether `members` reach one another over `links` without anybody else.
pub fn connected(links: &Links, members: &BTreeSet<usize>) -> bool {
    members.first().is_none_or(|first| reached(links, members, *first).len() == members.len())
}

/// The greatest distance in links between two `members` over members; 0 if not connected at all.
pub fn diameter(links: &Links, members: &BTreeSet<usize>) -> u32 {
    let farthest = |from: &usize| reached(links, members, *from).iter().map(|(_, far)| *far).max();
    members.iter().filter_map(farthest).max().unwrap_or(0)
}

fn reached(links: &Links, members: &BTreeSet<usize>, from: usize) -> BTreeSet<(usize, u32)> {
    let size = members.last().map_or(0, |last| last + 1);
    let mut neighbours = vec![Vec::new(); size];
    for (one, other) in links {
        if members.contains(one) && members.contains(other) {
            neighbours[*one].push(*other);
            neighbours[*other].push(*one);
        }
    }
    let mut distance = vec![None; size];
    distance[from] = Some(0);
    let mut queue = VecDeque::from([from]);
    let mut found = BTreeSet::new();
    while let Some(node) = queue.pop_front() {
        let far = distance[node].unwrap_or(0);
        found.insert((node, far));
        for next in &neighbours[node] {
            if distance[*next].is_none() {
                distance[*next] = Some(far + 1);
                queue.push_back(*next);
            }
        }
    }
    found
}

fn ordered(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}

fn full(members: &[usize]) -> Links {
    let pairs = |(index, one): (usize, &usize)| {
        members[index + 1..].iter().map(|other| ordered(*one, *other)).collect::<Vec<_>>()
    };
    members.iter().enumerate().flat_map(pairs).collect()
}

fn ring(nodes: usize, steps: usize) -> Links {
    let all =
        (0..nodes).flat_map(|node| (1..=steps).map(move |step| (node, (node + step) % nodes)));
    all.filter(|(one, other)| one != other).map(|(one, other)| ordered(one, other)).collect()
}

fn radio(nodes: usize, honest: &BTreeSet<usize>, radius: u16, rng: &mut Rng) -> Links {
    let places: Vec<_> = (0..nodes).map(|_| (rng.below(1_000), rng.below(1_000))).collect();
    let mut radius = u64::from(radius.max(1));
    loop {
        let hears = |(one, other): &(usize, usize)| {
            let ((x, y), (u, v)) = (places[*one], places[*other]);
            x.abs_diff(u).pow(2) + y.abs_diff(v).pow(2) <= radius.pow(2)
        };
        let links: Links =
            full(&(0..nodes).collect::<Vec<_>>()).into_iter().filter(hears).collect();
        if connected(&links, honest) || radius > 1_500 {
            return links;
        }
        radius += radius / 8 + 1;
    }
}

fn islands(nodes: usize, honest: &BTreeSet<usize>, count: usize) -> Links {
    let island = |node: usize| node * count / nodes.max(1);
    let mut links = Links::new();
    let mut ends: Vec<usize> = Vec::new();
    for index in 0..count {
        let members: Vec<usize> = (0..nodes).filter(|node| island(*node) == index).collect();
        links.extend(full(&members));
        ends.extend(members.iter().find(|node| honest.contains(node)));
    }
    links.extend(ends.windows(2).map(|pair| ordered(pair[0], pair[1])));
    links
}

/// Adds links between honest nodes until they are connected.
fn join(links: &mut Links, honest: &BTreeSet<usize>) {
    let Some(first) = honest.first() else { return };
    loop {
        let near: BTreeSet<usize> =
            reached(links, honest, *first).into_iter().map(|(node, _)| node).collect();
        let Some(far) = honest.difference(&near).next() else { return };
        let last = near.last().copied().unwrap_or(*first);
        links.insert(ordered(last, *far));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_nodes_are_connected_in_every_topology() {
        for topology in [
            Topology::Full,
            Topology::Star,
            Topology::Ring,
            Topology::SmallWorld { neighbours: 2, rewired_ppm: 300_000 },
            Topology::Radio { radius: 100 },
            Topology::Islands { count: 3 },
        ] {
            for seed in 0..20 {
                let mut rng = Rng::new([seed; 32]);
                let honest: BTreeSet<usize> = (0..30).filter(|node| node % 3 != 0).collect();
                let links = topology.links(30, &honest, &mut rng);
                assert!(connected(&links, &honest), "{topology:?}");
                assert!(links.iter().all(|(one, other)| one < other && *other < 30));
                assert!(diameter(&links, &honest) >= 1);
            }
        }
    }

    #[test]
    fn a_ring_without_shortcuts_is_as_wide_as_it_is_long() {
        let members = (0..10).collect();
        assert_eq!(diameter(&ring(10, 1), &members), 5);
        assert_eq!(diameter(&full(&(0..10).collect::<Vec<_>>()), &members), 1);
    }
}
