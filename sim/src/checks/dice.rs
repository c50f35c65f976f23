//! The dice: a roll's outcome is the coin of the view in which it was ordered and nothing else,
//! everybody is shown the same one, and no roll is ever drawn again.
//!
//! The simulator holds all keys, so it computes each coin by itself, from other shares than the
//! nodes happened to use.

use bitcraps_protocol::beacon::{CoinId, CoinProof, DiceKey, SealingSecret, ShareSecret};
use bitcraps_protocol::block::{ValidatorIndex, View};
use bitcraps_protocol::chain::{Genesis, PendingRoll, TableId};
use bitcraps_protocol::craps::{Dice, Round};
use bitcraps_protocol::identity::{Epoch, Keypair, NetworkId};
use bitcraps_protocol::wire::List;

use super::{Check, Known, Verdict};

/// All rolls.
pub(super) struct DiceTable {
    network: NetworkId,
    key: DiceKey,
    secrets: Vec<ShareSecret>,
    /// The view whose coin decides a roll.
    ordered: Known<(TableId, Round), View>,
    shown: Known<(TableId, Round), Dice>,
}

impl DiceTable {
    pub(super) fn new<'a>(genesis: &Genesis, keypairs: impl Iterator<Item = &'a Keypair>) -> Self {
        // Only who knows every secret can say what a coin must be.
        let dealt = genesis.dealt().expect("a simulated network's dice key is dealt");
        let secret = |(index, keypair)| dealt.open_share(index, &SealingSecret::of(keypair)).ok();
        let mut secrets: Vec<_> =
            (0..).map(ValidatorIndex).zip(keypairs).filter_map(secret).collect();
        let threshold = usize::from(dealt.key.threshold);
        secrets.drain(..secrets.len().saturating_sub(threshold));
        let (network, key) = (genesis.network(), dealt.key.clone());
        Self { network, key, secrets, ordered: Known::new(), shown: Known::new() }
    }

    /// Rolls that a node's final state has in the air.
    pub(super) fn pending<'a>(&mut self, rolls: impl Iterator<Item = &'a PendingRoll>) -> Verdict {
        for roll in rolls {
            self.ordered(roll.table, roll.round, roll.view)?;
        }
        Ok(())
    }

    fn ordered(&mut self, table: TableId, round: Round, view: View) -> Verdict {
        let known = *self.ordered.entry((table, round)).or_insert(view);
        if known != view {
            let message = format!(
                "roll {} of table {} is drawn from view {known} and from view {view}",
                round.0, table.0
            );
            return Err((Check::Dice, message));
        }
        Ok(())
    }

    /// A node shows dice; whether they are the first it is heard of.
    pub(super) fn shown(
        &mut self,
        table: TableId,
        round: Round,
        dice: Dice,
    ) -> Result<bool, (Check, String)> {
        let name = format!("roll {} of table {}", round.0, table.0);
        if let Some(known) = self.shown.get(&(table, round)) {
            if *known != dice {
                let message = format!("{name} shows {known:?} and {dice:?}");
                return Err((Check::Dice, message));
            }
            return Ok(false);
        }
        if let Some(view) = self.ordered.get(&(table, round)) {
            let expected = self.expected(*view, table, round);
            if expected.is_some_and(|expected| expected != dice) {
                let message =
                    format!("{name} shows {dice:?}, the coin of view {view} {expected:?}");
                return Err((Check::Dice, message));
            }
        }
        self.shown.insert((table, round), dice);
        Ok(true)
    }

    /// What the coin of a view makes of a roll.
    fn expected(&self, view: View, table: TableId, round: Round) -> Option<Dice> {
        let (network, epoch, key) = (self.network, Epoch(0), &self.key);
        let id = CoinId { network, epoch, key_version: key.version, view };
        let input = id.input();
        let shares = self.secrets.iter().map(|secret| (secret.index(), secret.coin_share(&input)));
        let proof = CoinProof { view, shares: List::new(shares.collect()).ok()? };
        let coin = proof.verify(key, network, epoch).ok()?;
        Some(Dice::from_bytes(coin.dice_bytes(table.0, round.0)))
    }
}

impl std::fmt::Debug for DiceTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DiceTable({} rolls)", self.shown.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcraps_protocol::wire::Hash;

    fn dice_table() -> DiceTable {
        DiceTable {
            network: Hash::default(),
            key: DiceKey { version: 0, threshold: 1, members: List::default() },
            secrets: Vec::new(),
            ordered: Known::new(),
            shown: Known::new(),
        }
    }

    fn check<T>(verdict: Result<T, (Check, String)>) -> Option<Check> {
        verdict.err().map(|(check, _)| check)
    }

    #[test]
    fn a_roll_that_is_drawn_again_is_noticed() {
        let mut dice = dice_table();
        assert_eq!(check(dice.ordered(TableId(1), Round(1), View(5))), None);
        assert_eq!(check(dice.ordered(TableId(1), Round(2), View(6))), None);
        assert_eq!(check(dice.ordered(TableId(1), Round(1), View(5))), None);
        assert_eq!(check(dice.ordered(TableId(1), Round(1), View(7))), Some(Check::Dice));
    }

    #[test]
    fn everybody_is_shown_the_same_dice() {
        let mut dice = dice_table();
        let [three, four] = [3, 4].map(|face| Dice::new(face, 1).unwrap());
        assert_eq!(dice.shown(TableId(1), Round(1), three), Ok(true));
        assert_eq!(dice.shown(TableId(1), Round(1), three), Ok(false));
        assert_eq!(check(dice.shown(TableId(1), Round(1), four)), Some(Check::Dice));
    }
}
