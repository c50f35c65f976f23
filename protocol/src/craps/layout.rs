//! The chips on the felt: who has how much on which bet.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Bet, Chips, Player};

/// Every player's bets. Canonical: no player without bets, and one order (player, then bet).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layout(BTreeMap<Player, BTreeMap<Bet, Chips>>);

impl Layout {
    /// Every bet, in canonical order.
    pub(super) fn bets(&self) -> impl Iterator<Item = (Player, Bet, Chips)> {
        self.0
            .iter()
            .flat_map(|(player, bets)| bets.iter().map(|(bet, stake)| (*player, *bet, *stake)))
    }

    /// The bets of one player, in canonical order.
    pub(super) fn bets_of(&self, player: Player) -> impl Iterator<Item = (Bet, Chips)> {
        self.0.get(&player).into_iter().flatten().map(|(bet, stake)| (*bet, *stake))
    }

    /// What `player` has on `bet`.
    pub(super) fn stake(&self, player: Player, bet: Bet) -> Option<Chips> {
        self.0.get(&player)?.get(&bet).copied()
    }

    /// Whether `player` has any bet.
    pub(super) fn has_bets_of(&self, player: Player) -> bool {
        self.0.contains_key(&player)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes `stake` what `player` has on `bet`; returns what it was.
    pub(super) fn put(&mut self, player: Player, bet: Bet, stake: Chips) -> Option<Chips> {
        self.0.entry(player).or_default().insert(bet, stake)
    }

    /// Takes a bet off the felt; returns its stake.
    pub(super) fn remove(&mut self, player: Player, bet: Bet) -> Option<Chips> {
        let bets = self.0.get_mut(&player)?;
        let stake = bets.remove(&bet)?;
        if bets.is_empty() {
            self.0.remove(&player);
        }
        Some(stake)
    }

    /// All chips on the felt.
    pub(super) fn chips(&self) -> u128 {
        self.bets().map(|(_, _, stake)| u128::from(stake.0)).sum()
    }
}
