//! The chips on the felt: who has how much on which bet.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::terms::Wager;
use super::{Bet, Player};

/// Every player's bets. Canonical: no player without bets, and one order (player, then bet).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layout(BTreeMap<Player, BTreeMap<Bet, Wager>>);

impl Layout {
    /// Every bet, in canonical order.
    pub(super) fn bets(&self) -> impl Iterator<Item = (Player, Bet, Wager)> {
        self.0
            .iter()
            .flat_map(|(player, bets)| bets.iter().map(|(bet, wager)| (*player, *bet, *wager)))
    }

    /// The bets of one player, in canonical order.
    pub(super) fn bets_of(&self, player: Player) -> impl Iterator<Item = (Bet, Wager)> {
        self.0.get(&player).into_iter().flatten().map(|(bet, wager)| (*bet, *wager))
    }

    /// What `player` has on `bet`.
    pub(super) fn wager(&self, player: Player, bet: Bet) -> Option<Wager> {
        self.0.get(&player)?.get(&bet).copied()
    }

    /// Whether `player` has any bet.
    pub(super) fn has_bets_of(&self, player: Player) -> bool {
        self.0.contains_key(&player)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes `wager` what `player` has on `bet`; returns what it was.
    pub(super) fn put(&mut self, player: Player, bet: Bet, wager: Wager) -> Option<Wager> {
        self.0.entry(player).or_default().insert(bet, wager)
    }

    /// Takes a bet off the felt; returns what was on it.
    pub(super) fn remove(&mut self, player: Player, bet: Bet) -> Option<Wager> {
        let bets = self.0.get_mut(&player)?;
        let wager = bets.remove(&bet)?;
        if bets.is_empty() {
            self.0.remove(&player);
        }
        Some(wager)
    }

    /// All chips on the felt.
    pub(super) fn chips(&self) -> u128 {
        self.bets().map(|(.., wager)| wager.chips()).sum()
    }
}
