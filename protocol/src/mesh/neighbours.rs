//! Who hears whom: what peers say about their neighbours, and what they are told.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::packet::{LIST_OVERHEAD_BYTES, Packet, Shorthand};
use crate::event::LinkId;
use crate::identity::PeerId;
use crate::wire::List;
use crate::wire::limits::NEIGHBOURS;

/// Peers that somebody hears without a relay, in order; at most [`NEIGHBOURS`] and itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Neighbourhood(Arc<[Shorthand]>);

impl Neighbourhood {
    pub(super) fn of(peers: impl IntoIterator<Item = Shorthand>) -> Self {
        let mut peers: Vec<Shorthand> = peers.into_iter().collect();
        // Nearly in order: peers name theirs in order.
        peers.sort();
        peers.dedup();
        Self(peers.into())
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.0.len() * Shorthand::BYTES
    }

    fn contains(&self, peer: Shorthand) -> bool {
        self.0.binary_search(&peer).is_ok()
    }
}

/// The links whose peers are in one neighbourhood: in a full mesh they all are in the same.
#[derive(Debug)]
pub(super) struct Neighbourhoods {
    links: BTreeMap<Neighbourhood, BTreeSet<LinkId>>,
    /// Who may need a relay to hear each author, as far as was asked since a neighbourhood last
    /// changed; at most [`AUTHORS`], or else all of them are forgotten.
    without: BTreeMap<Option<Shorthand>, Vec<LinkId>>,
}

/// Authors of whom it is remembered who needs a relay to hear them.
pub(super) const AUTHORS: usize = NEIGHBOURS;

impl Neighbourhoods {
    pub(super) const fn new() -> Self {
        Self { links: BTreeMap::new(), without: BTreeMap::new() }
    }

    /// Adds a link. The neighbourhood to remember it by may be shared with other links.
    pub(super) fn add(&mut self, link: LinkId, neighbourhood: Neighbourhood) -> Neighbourhood {
        self.without.clear();
        let entry = self.links.entry(neighbourhood);
        let shared = entry.key().clone();
        entry.or_default().insert(link);
        shared
    }

    pub(super) fn remove(&mut self, link: LinkId, neighbourhood: &Neighbourhood) {
        self.without.clear();
        if let Some(links) = self.links.get_mut(neighbourhood) {
            links.remove(&link);
            if links.is_empty() {
                self.links.remove(neighbourhood);
            }
        }
    }

    /// Whether one of them hears `peer`.
    pub(super) fn hear(&self, peer: PeerId) -> bool {
        self.links.keys().any(|hears| hears.contains(Shorthand::of(peer)))
    }

    /// The links whose peers may need a relay to hear `author`, in order; all if it is not known.
    /// Asked of every message, so that the answers are remembered.
    pub(super) fn without(&mut self, author: Option<PeerId>) -> &[LinkId] {
        let author = author.map(Shorthand::of);
        if self.without.len() >= AUTHORS && !self.without.contains_key(&author) {
            self.without.clear();
        }
        self.without.entry(author).or_insert_with(|| {
            let needs = |hears: &Neighbourhood| author.is_none_or(|it| !hears.contains(it));
            let lack = self.links.iter().filter(|(hears, _)| needs(hears));
            let mut links: Vec<LinkId> = lack.flat_map(|(_, links)| links).copied().collect();
            links.sort_unstable();
            links
        })
    }

    /// Bytes of the answers that are remembered.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.without.values().map(|links| links.len() * size_of::<LinkId>()).sum()
    }
}

/// What this node says about its neighbours.
#[derive(Debug)]
pub(super) struct Announcement {
    peers: Vec<Shorthand>,
    /// The packet that names so many of them.
    packets: BTreeMap<usize, Bytes>,
}

impl Announcement {
    pub(super) fn of(peers: impl Iterator<Item = PeerId>) -> Self {
        let peers: BTreeSet<Shorthand> = peers.map(Shorthand::of).collect();
        Self { peers: peers.into_iter().collect(), packets: BTreeMap::new() }
    }

    /// Whether there is nothing in it that this peer does not know.
    pub(super) fn names_nobody_but(&self, peer: PeerId) -> bool {
        self.peers == [Shorthand::of(peer)]
    }

    /// The packet for a link that carries messages of so many bytes. It names as many as fit, lowest
    /// keys first: to be told of fewer costs only repetitions.
    pub(super) fn within(&mut self, capacity: usize) -> Bytes {
        let room = capacity.saturating_sub(LIST_OVERHEAD_BYTES) / Shorthand::BYTES;
        let count = self.peers.len().min(room).min(NEIGHBOURS);
        let encode = || {
            let named = List::new(self.peers[..count].to_vec()).expect("no more than that");
            Packet::Neighbours(named).encode()
        };
        self.packets.entry(count).or_insert_with(encode).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId([number; 32])
    }

    fn of(peers: &[u8]) -> Neighbourhood {
        Neighbourhood::of(peers.iter().map(|number| Shorthand::of(peer(*number))))
    }

    #[test]
    fn whoever_does_not_hear_the_author_needs_a_relay() {
        let mut all = Neighbourhoods::new();
        for link in 0..4 {
            all.add(LinkId(link), of(if link < 3 { &[1, 2, 3] } else { &[3, 4] }));
        }
        for _ in ["asked", "remembered"] {
            assert_eq!(all.without(Some(peer(1))), [LinkId(3)]);
            assert_eq!(all.without(Some(peer(3))), []);
            assert_eq!(all.without(None).len(), 4);
        }
        assert!(all.hear(peer(4)) && !all.hear(peer(5)));
        all.remove(LinkId(3), &of(&[3, 4]));
        assert_eq!(all.without(Some(peer(4))), [0, 1, 2].map(LinkId));
        all.add(LinkId(4), of(&[5]));
        assert_eq!(all.without(Some(peer(4))), [0, 1, 2, 4].map(LinkId));
    }

    #[test]
    fn answers_are_remembered_of_so_many_authors_only() {
        let mut all = Neighbourhoods::new();
        all.add(LinkId(0), of(&[255]));
        for number in 0..2 * AUTHORS as u64 {
            let mut key = [1; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            assert_eq!(all.without(Some(PeerId(key))), [LinkId(0)]);
            assert!(all.without.len() <= AUTHORS);
        }
    }

    #[test]
    fn a_narrow_link_is_told_of_the_lowest_keys() {
        let mut announcement = Announcement::of((0..10).rev().map(peer));
        let named = |packet: Bytes| match Packet::decode(&packet) {
            Ok(Packet::Neighbours(named)) => named.into_vec(),
            other => panic!("{other:?}"),
        };
        let lowest: Vec<_> = (0..4).map(|number| Shorthand::of(peer(number))).collect();
        assert_eq!(named(announcement.within(3 + 4 * 8 + 7)), lowest);
        assert_eq!(named(announcement.within(1000)).len(), 10);
    }
}
