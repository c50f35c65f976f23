//! Nodes that choose whom to be linked with: the world tells them whom they can find, and dials
//! whom they name.

use std::collections::BTreeSet;

use bitcraps_protocol::event::{CloseReason, Endpoint, Event};
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use super::{Step, World};
use crate::queue::Queue as _;
use crate::run::Views;
use crate::topology::{self, Links, Topology};

/// Others that a node on the internet is told of when it starts; the rest it hears from them.
const BOOTSTRAP: usize = 4;

/// How long it takes to find out whether somebody answers.
const DIAL_MICROS: u64 = 50_000;

/// Where a place is found.
pub(super) fn endpoint(place: usize) -> Endpoint {
    let bytes = Bytes::copy_from_slice(&(place as u64).to_le_bytes());
    Endpoint { transport: u8::MAX, bytes }
}

/// Which place that is.
fn place_at(endpoint: &Endpoint) -> Option<usize> {
    let bytes = <[u8; 8]>::try_from(&endpoint.bytes[..]).ok()?;
    usize::try_from(u64::from_le_bytes(bytes)).ok()
}

/// What the counters call a link that a node closes.
pub(super) const fn what_closes(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Fault(_) => "link closed for a fault",
        CloseReason::Duplicate => "link closed beside another one",
        CloseReason::Oneself => "link to oneself closed",
        CloseReason::TimedOut => "link closed after silence",
        CloseReason::Full => "link closed for lack of room",
        CloseReason::Banned => "link closed to somebody banned",
    }
}

impl World {
    /// Whether nodes choose their links themselves.
    pub(super) const fn nodes_choose(&self) -> bool {
        self.config.views.is_some()
    }

    /// Tells a node that has just started where it is and whom it can find: radios hear everybody in
    /// range, others know a few addresses.
    pub(super) fn advertise(&mut self, place: usize) {
        self.give(place, Event::Reachable { endpoint: endpoint(place) });
        let pairs = self.network.pairs_of(place);
        let ends = pairs.iter().map(|pair| self.network.pair(*pair).ends);
        let mut others: Vec<usize> = ends.map(|[one, other]| one + other - place).collect();
        if !matches!(self.config.topology, Topology::Radio { .. }) {
            let mut rng = self.seeds.fork(&format!("bootstrap {place}"));
            while others.len() > BOOTSTRAP {
                others.swap_remove(rng.below(others.len() as u64) as usize);
            }
        }
        for other in others {
            self.give(place, Event::Discovered { endpoint: endpoint(other) });
        }
    }

    /// Whom the honest nodes that run now have chosen.
    pub fn views(&self) -> Option<Views> {
        self.config.views?;
        let up = (0..self.network.pairs()).map(|pair| self.network.pair(pair)).filter(|it| it.up);
        let links: Links =
            up.map(|it| (it.ends[0].min(it.ends[1]), it.ends[0].max(it.ends[1]))).collect();
        let honest: BTreeSet<usize> = (0..self.places.len())
            .filter(|it| self.places[*it].process.is_some() && !self.roles.byzantine.contains(it))
            .collect();
        let count = |place: &usize| {
            let of_it = links.iter().filter(|(one, other)| one == place || other == place);
            u32::try_from(of_it.count()).unwrap_or(u32::MAX)
        };
        Some(Views {
            least: honest.iter().map(count).min().unwrap_or(0),
            most: honest.iter().map(count).max().unwrap_or(0),
            diameter: topology::diameter(&links, &honest),
            connected: topology::connected(&links, &honest),
        })
    }

    /// A node dials somebody; what comes of it shows after a while.
    pub(super) fn dials(&mut self, place: usize, endpoint: Endpoint) {
        if self.nodes_choose() {
            let at = Time::from_micros(self.now.as_micros() + DIAL_MICROS);
            let life = self.places[place].life;
            self.queue.push(at, Step::Dialled { place: place as u32, life, endpoint });
        }
    }

    /// A dial ends in a link or in nothing: nobody is there, or out of reach, or linked already.
    pub(super) fn dialled(&mut self, place: usize, life: u32, endpoint: Endpoint) {
        if self.places[place].life != life {
            return;
        }
        let there = place_at(&endpoint).filter(|there| *there < self.places.len());
        let joins = |pair: &&usize| there.is_some_and(|it| self.network.pair(**pair).joins(it));
        let pair = self.network.pairs_of(place).iter().find(joins).copied();
        if pair.is_some_and(|pair| self.link(pair, place)) {
            self.count("dial led to a link");
        } else {
            self.count("dial failed");
            self.give(place, Event::DialFailed { endpoint });
        }
    }
}
