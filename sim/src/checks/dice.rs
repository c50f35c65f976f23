//! The dice: a roll's outcome is the coin of the view in which it was ordered and nothing else,
//! everybody is shown the same one, and no roll is ever drawn again.
//!
//! The simulator holds all keys, so it computes each coin by itself, from other shares than the
//! nodes happened to use.

use bitcraps_protocol::beacon::generation::{Participant, Step};
use bitcraps_protocol::beacon::{CoinId, CoinProof, DiceKey, SealingSecret, ShareSecret};
use bitcraps_protocol::block::{ValidatorIndex, View};
use bitcraps_protocol::chain::{Genesis, State, TableId};
use bitcraps_protocol::craps::{Dice, Round};
use bitcraps_protocol::identity::{Epoch, Keypair, NetworkId};
use bitcraps_protocol::wire::List;

use super::{Check, Known, Verdict};

/// All rolls.
pub(super) struct DiceTable {
    network: NetworkId,
    /// Everybody's, by which every key's shares can be opened.
    keypairs: Vec<Keypair>,
    keys: Known<u32, Opened>,
    /// The view whose coin decides a roll, and the version of the key that makes it.
    ordered: Known<(TableId, Round), (View, u32)>,
    shown: Known<(TableId, Round), Dice>,
}

/// A key with as many of its shares as make a coin.
struct Opened {
    key: DiceKey,
    secrets: Vec<ShareSecret>,
}

impl DiceTable {
    pub(super) fn new<'a>(genesis: &Genesis, keypairs: impl Iterator<Item = &'a Keypair>) -> Self {
        let keypairs: Vec<_> = keypairs.cloned().collect();
        let mut keys = Known::new();
        if let Some(dealt) = genesis.dealt() {
            let secret =
                |(index, keypair)| dealt.open_share(index, &SealingSecret::of(keypair)).ok();
            let secrets = (0..).map(ValidatorIndex).zip(&keypairs).filter_map(secret);
            keys.insert(dealt.key.version, Opened::new(dealt.key.clone(), secrets.collect()));
        }
        let network = genesis.network();
        Self { network, keypairs, keys, ordered: Known::new(), shown: Known::new() }
    }

    /// A node's final state: the key in force, and rolls that are in the air.
    pub(super) fn state(&mut self, state: &State) -> Verdict {
        if let Some(version) = state.meta().dice_key
            && !self.keys.contains_key(&version)
            && let Some(key) = state.dice_key(state.meta().epoch, version)
        {
            let secrets = self.open(state, version, usize::from(key.threshold));
            self.keys.insert(version, Opened::new(key.clone(), secrets));
        }
        for roll in state.meta().pending.iter() {
            self.ordered(roll.table, roll.round, roll.view, roll.key_version)?;
        }
        Ok(())
    }

    /// The last members' shares of a key that was just made, as many as make a coin if there are so
    /// many that are good.
    fn open(&self, state: &State, version: u32, wanted: usize) -> Vec<ShareSecret> {
        let Some(generation) = state.generation() else { return Vec::new() };
        let deals = |version, dealer| state.deal(version, dealer);
        let share = |(index, keypair): (u16, &Keypair)| {
            let mut member = Participant::new(self.network, ValidatorIndex(index), keypair);
            loop {
                match member.step(generation, &deals, |_| true) {
                    Step::Share(key, secret) if key.version == version => return Some(secret),
                    Step::Share(..) | Step::Opened => {}
                    Step::Idle | Step::Say(_) => return None,
                }
            }
        };
        let members: Vec<_> = (0..).zip(&self.keypairs).collect();
        members.into_iter().rev().filter_map(share).take(wanted).collect()
    }

    fn ordered(&mut self, table: TableId, round: Round, view: View, version: u32) -> Verdict {
        let (known, of) = *self.ordered.entry((table, round)).or_insert((view, version));
        if of != version {
            let message = format!(
                "roll {} of table {} is bound to two keys: {of} and {version}",
                round.0, table.0
            );
            return Err((Check::Dice, message));
        }
        if known != view {
            let message = format!(
                "roll {} of table {} is drawn from view {known} and from view {view}",
                round.0, table.0
            );
            return Err((Check::Dice, message));
        }
        Ok(())
    }

    /// A node shows dice; if they are the first it is heard of, the view that decided them, if that
    /// is known.
    pub(super) fn shown(
        &mut self,
        table: TableId,
        round: Round,
        dice: Dice,
    ) -> Result<Option<View>, (Check, String)> {
        let name = format!("roll {} of table {}", round.0, table.0);
        if let Some(known) = self.shown.get(&(table, round)) {
            if *known != dice {
                let message = format!("{name} shows {known:?} and {dice:?}");
                return Err((Check::Dice, message));
            }
            return Ok(None);
        }
        let ordered = self.ordered.get(&(table, round)).copied();
        if let Some((view, version)) = ordered {
            let expected = self.expected(view, version, table, round);
            if expected.is_some_and(|expected| expected != dice) {
                let message =
                    format!("{name} shows {dice:?}, the coin of view {view} {expected:?}");
                return Err((Check::Dice, message));
            }
        }
        self.shown.insert((table, round), dice);
        Ok(Some(ordered.map(|(view, _)| view).unwrap_or_default()))
    }

    /// What the coin of a view makes of a roll.
    fn expected(&self, view: View, version: u32, table: TableId, round: Round) -> Option<Dice> {
        let Opened { key, secrets } = self.keys.get(&version)?;
        let (network, epoch) = (self.network, Epoch(0));
        let id = CoinId { network, epoch, key_version: key.version, view };
        let input = id.input();
        let shares = secrets.iter().map(|secret| (secret.index(), secret.coin_share(&input)));
        let proof = CoinProof { view, shares: List::new(shares.collect()).ok()? };
        let coin = proof.verify(key, network, epoch).ok()?;
        Some(Dice::from_bytes(coin.dice_bytes(table.0, round.0)))
    }
}

impl Opened {
    fn new(key: DiceKey, mut secrets: Vec<ShareSecret>) -> Self {
        let threshold = usize::from(key.threshold);
        secrets.sort_by_key(ShareSecret::index);
        secrets.drain(..secrets.len().saturating_sub(threshold));
        Self { key, secrets }
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
            keypairs: Vec::new(),
            keys: Known::new(),
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
        assert_eq!(check(dice.ordered(TableId(1), Round(1), View(5), 0)), None);
        assert_eq!(check(dice.ordered(TableId(1), Round(2), View(6), 0)), None);
        assert_eq!(check(dice.ordered(TableId(1), Round(1), View(5), 0)), None);
        assert_eq!(check(dice.ordered(TableId(1), Round(1), View(7), 0)), Some(Check::Dice));
        assert_eq!(check(dice.ordered(TableId(1), Round(2), View(6), 1)), Some(Check::Dice));
    }

    #[test]
    fn everybody_is_shown_the_same_dice() {
        let mut dice = dice_table();
        let [three, four] = [3, 4].map(|face| Dice::new(face, 1).unwrap());
        assert_eq!(dice.shown(TableId(1), Round(1), three), Ok(Some(View(0))));
        assert_eq!(dice.shown(TableId(1), Round(1), three), Ok(None));
        assert_eq!(check(dice.shown(TableId(1), Round(1), four)), Some(Check::Dice));
    }

    #[test]
    fn dice_are_what_the_coin_of_their_view_makes_and_nothing_else() {
        let keypairs: Vec<_> = (1..=4).map(|seed| Keypair::from_seed([seed; 32])).collect();
        let sealing = |pair: &Keypair| (pair.peer(), SealingSecret::of(pair).public());
        let members: Vec<_> = keypairs.iter().map(sealing).collect();
        let mut rng = bitcraps_protocol::rng::Rng::new([5; 32]);
        let dealt = bitcraps_protocol::beacon::deal(&members, 3, &mut rng, &Hash::default());
        let secret = |index: u16| {
            let secret = SealingSecret::of(&keypairs[usize::from(index)]);
            dealt.open_share(ValidatorIndex(index), &secret).unwrap()
        };
        let mut dice = dice_table();
        dice.keys.insert(0, Opened::new(dealt.key.clone(), (0..4).map(secret).collect()));
        assert_eq!(dice.ordered(TableId(1), Round(1), View(5), 0), Ok(()));
        let right = dice.expected(View(5), 0, TableId(1), Round(1)).unwrap();
        let (first, second) = right.faces();
        let wrong = Dice::new(first % 6 + 1, second).unwrap();
        assert_eq!(check(dice.shown(TableId(1), Round(1), wrong)), Some(Check::Dice));
        assert_eq!(dice.shown(TableId(1), Round(1), right), Ok(Some(View(5))));
    }
}
