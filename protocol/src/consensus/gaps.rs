//! Votes that a neighbour holds and this node does not.
//!
//! Votes spread as gossip, and whoever cast one says it again for as long as it matters. Where links
//! are many, slow and short-lived some are lost all the same, each time others. So whoever waits
//! tells one neighbour after the other which votes it holds and is sent those that it lacks: what
//! one honest node holds comes to all that it is linked with, over any number of hops, however badly
//! gossip spreads. Between neighbours that hold the same it costs a bit for each validator.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Consensus, Message, Output, Vote};
use crate::block::{ValidatorIndex, View};
use crate::event::LinkId;
use crate::wire::{List, limits};

/// Views of which one message tells: the current one, and the newest that are notarized and not
/// final.
pub const VIEWS_HELD: usize = 4;
/// Votes in one answer; for the rest, it is asked again.
const VOTES_PER_ANSWER: usize = 128;
/// Bytes of a bit for each validator.
const BITS: usize = limits::VALIDATORS.div_ceil(8);

/// Whose votes of one view a node holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// The view.
    pub view: View,
    /// Who has voted to notarize, to nullify and to finalize.
    pub voters: [Voters; 3],
}

/// Some validators: a bit for each, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voters(List<u8, BITS>);

impl Voters {
    pub(crate) fn of(voters: impl Iterator<Item = ValidatorIndex>) -> Self {
        let mut bits: Vec<u8> = Vec::new();
        for ValidatorIndex(voter) in voters {
            let byte = usize::from(voter / 8);
            if bits.len() <= byte {
                bits.resize(byte + 1, 0);
            }
            bits[byte] |= 1 << (voter % 8);
        }
        Self(List::new(bits).expect("there are no more validators"))
    }

    pub(crate) fn contains(&self, ValidatorIndex(voter): ValidatorIndex) -> bool {
        self.0.get(usize::from(voter / 8)).is_some_and(|byte| byte >> (voter % 8) & 1 == 1)
    }
}

impl Consensus {
    /// Tells the next neighbour which votes are here: of this view, and of those in which this node
    /// voted to finalize what is not final.
    pub(super) fn ask_for_votes(&mut self) {
        let Some(link) = self.sync.next_to_ask() else { return };
        let mut views = vec![self.view];
        views.extend(self.unfinal.keys().rev().filter(|view| **view != self.view));
        views.truncate(VIEWS_HELD);
        let held = views.into_iter().map(|view| {
            let voters = match self.rounds.get(&view) {
                Some(round) => round.voters().map(Voters::of),
                None => [const { core::iter::empty() }; 3].map(Voters::of),
            };
            Holdings { view, voters }
        });
        let held = List::new(held.collect()).expect("no more views are taken");
        self.outputs.push_back(Output::Send { link, message: Message::Holdings(held) });
    }

    /// A neighbour tells which votes it holds: it is sent what it lacks.
    pub(super) fn on_holdings(&mut self, link: LinkId, held: List<Holdings, VIEWS_HELD>) {
        if held.iter().any(|held| held.view < self.view) {
            self.hint(link);
        }
        if !self.sync.may_be_sent_votes(link, self.now, self.pacemaker.patience() / 2) {
            return;
        }
        let lacked = held.iter().flat_map(|held| {
            let round = self.rounds.get(&held.view);
            round.into_iter().flat_map(|round| round.lacked_by(&held.voters)).copied()
        });
        let lacked: Vec<Vote> = lacked.take(VOTES_PER_ANSWER).collect();
        let send = |vote| Output::Send { link, message: Message::Vote(vote) };
        self.outputs.extend(lacked.into_iter().map(send));
    }
}

impl super::round::Round {
    /// The votes that are kept here of those who are not among the voters of their kind.
    fn lacked_by<'a>(&'a self, held: &'a [Voters; 3]) -> impl Iterator<Item = &'a Vote> {
        let kinds = self.votes().into_iter().zip(held);
        kinds.flat_map(|(votes, held)| votes.filter(|vote| !held.contains(vote.voter)))
    }
}
