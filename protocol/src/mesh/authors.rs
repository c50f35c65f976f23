//! Who was heard lately: over which link, up to which number, and what they may still have passed on.

use alloc::collections::BTreeMap;
use core::cmp::Reverse;

use crate::event::LinkId;
use crate::identity::PeerId;
use crate::mesh::budget::{Bucket, Rate};
use crate::session::Window;
use crate::time::Time;

/// Authors remembered. The victim is whoever spent least, and of those the one unheard for longest,
/// so that nobody gets a new budget by making room.
const AUTHORS: usize = 1024;

/// Everybody who was heard.
#[derive(Debug)]
pub(crate) struct Authors {
    budget: Rate,
    authors: BTreeMap<PeerId, Author>,
}

#[derive(Debug)]
struct Author {
    /// The numbers that came.
    come: Window,
    budget: Bucket,
    /// Over which link something of theirs came first, lately.
    route: Option<LinkId>,
    heard: Time,
}

impl Authors {
    pub(crate) const fn new(budget: Rate) -> Self {
        Self { budget, authors: BTreeMap::new() }
    }

    /// Over which link the author was heard last.
    pub(crate) fn route(&self, peer: PeerId) -> Option<LinkId> {
        self.authors.get(&peer)?.route
    }

    /// Whether what has this number has not come, nor something so much later that it is not known.
    pub(crate) fn awaits(&self, peer: PeerId, number: u64) -> bool {
        number != u64::MAX && self.authors.get(&peer).is_none_or(|it| it.come.awaits(number))
    }

    /// Whether the author may have `cost` more passed on.
    pub(crate) fn affords(&mut self, now: Time, peer: PeerId, cost: u64) -> bool {
        match self.authors.get_mut(&peer) {
            Some(author) => author.budget.affords(now, cost),
            None => cost <= self.budget.burst,
        }
    }

    /// Something authentic with this number came, that is awaited.
    pub(crate) fn came(&mut self, now: Time, peer: PeerId, link: LinkId, number: u64, cost: u64) {
        let author = self.at(now, peer);
        author.come.record(number);
        author.budget.take(now, cost);
        (author.route, author.heard) = (Some(link), now);
    }

    /// Pays for something that has no number; whether there was enough left.
    pub(crate) fn spend(&mut self, now: Time, peer: PeerId, cost: u64) -> bool {
        self.at(now, peer).budget.take(now, cost)
    }

    /// Something without a number came over a link, before it came over others.
    pub(crate) fn heard(&mut self, now: Time, peer: PeerId, link: LinkId) {
        let author = self.at(now, peer);
        (author.route, author.heard) = (Some(link), now);
    }

    /// Nothing leads over this link any more.
    pub(crate) fn link_down(&mut self, link: LinkId) {
        for author in self.authors.values_mut().filter(|author| author.route == Some(link)) {
            author.route = None;
        }
    }

    fn at(&mut self, now: Time, peer: PeerId) -> &mut Author {
        if self.authors.len() >= AUTHORS && !self.authors.contains_key(&peer) {
            let rank = |author: &Author| (author.budget.left(now), Reverse(author.heard));
            let spent_least = self.authors.iter().max_by_key(|(_, author)| rank(author));
            if let Some(victim) = spent_least.map(|(peer, _)| *peer) {
                self.authors.remove(&victim);
            }
        }
        let budget = self.budget;
        self.authors.entry(peer).or_insert_with(|| Author {
            come: Window::default(),
            budget: Bucket::new(now, budget),
            route: None,
            heard: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u16) -> PeerId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        PeerId(bytes)
    }

    #[test]
    fn a_crowd_renews_nobodys_budget_and_opens_no_way_to_replay() {
        let mut authors = Authors::new(Rate { burst: 8, per_second: 1 });
        authors.came(Time::ZERO, peer(0), LinkId(7), 5, 8);
        for number in 1..5000 {
            authors.heard(Time::ZERO, peer(number), LinkId(1));
            assert!(authors.authors.len() <= AUTHORS);
        }
        assert!(!authors.affords(Time::ZERO, peer(0), 1) && !authors.awaits(peer(0), 5));
        assert!(authors.awaits(peer(0), 6) && !authors.awaits(peer(0), u64::MAX));
        assert_eq!(authors.route(peer(0)), Some(LinkId(7)));
        authors.link_down(LinkId(7));
        assert_eq!(authors.route(peer(0)), None);
        assert_eq!(authors.route(peer(4999)), Some(LinkId(1)));
    }
}
