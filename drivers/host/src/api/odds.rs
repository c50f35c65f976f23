//! What bets are worth, as JSON states it.

use bitcraps_protocol::craps::odds::{Fraction, Odds, Offer};
use bitcraps_protocol::craps::{Bet, Number, Rules};
use serde::{Deserialize, Serialize};

/// What a table offers on a bet, and what it is worth there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OddsView {
    /// Its key.
    pub bet: String,
    /// What it is, in a sentence.
    pub help: String,
    /// When it can be made, in words.
    pub when: String,
    /// Stakes are multiples of this.
    pub unit: u64,
    /// The smallest stake.
    pub minimum: u64,
    /// The largest stake; odds are bounded by their flat bet instead.
    pub maximum: u64,
    /// The most that it may win.
    pub maximum_win: u64,
    /// A stake that is paid exactly; the odds are for this one.
    pub stake: u64,
    /// What that costs: the stake, and the commission that is paid up front.
    pub price: u64,
    /// The house's edge for each bet made.
    pub per_bet_made: Share,
    /// The same without pushes.
    pub per_bet_resolved: Share,
    /// The same for each roll.
    pub per_roll: Share,
    /// The chance that it wins.
    pub wins: Share,
    /// The chance that it is returned.
    pub pushes: Share,
    /// How many rolls it takes on average, as a fraction.
    pub rolls: String,
    /// The house's edge for each bet of the smallest stake: fractions of a chip are not paid.
    pub minimum_per_bet_made: Share,
}

/// A part of a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Exactly, as `7/495`.
    pub fraction: String,
    /// In percent, rounded to three decimals.
    pub percent: String,
}

impl Share {
    fn of(fraction: &Fraction) -> Self {
        Self { fraction: fraction.to_string(), percent: fraction.percent(3) }
    }
}

impl OddsView {
    /// The odds of one bet; `None` if a table with these rules does not take it.
    pub fn of(bet: Bet, rules: &Rules) -> Option<Self> {
        let (odds, offer) = (Odds::of(bet, rules)?, Offer::of(bet, rules)?);
        let smallest = if offer.minimum == odds.stake {
            odds.clone()
        } else {
            Odds::of_stake(bet, rules, Some(offer.minimum), Number::Six)?
        };
        Some(Self {
            bet: bet.to_string(),
            help: bet.help().into(),
            when: offer.when.into(),
            unit: offer.unit.0,
            minimum: offer.minimum.0,
            maximum: offer.maximum.0,
            maximum_win: offer.maximum_win.0,
            stake: odds.stake.0,
            price: odds.price.0,
            per_bet_made: Share::of(&odds.per_bet_made),
            per_bet_resolved: Share::of(&odds.per_bet_resolved),
            per_roll: Share::of(&odds.per_roll),
            wins: Share::of(&odds.wins),
            pushes: Share::of(&odds.pushes),
            rolls: odds.rolls.to_string(),
            minimum_per_bet_made: Share::of(&smallest.per_bet_made),
        })
    }

    /// The odds of every bet that a table with these rules takes. Takes a moment: they are worked
    /// out, not looked up.
    pub fn all(rules: &Rules) -> Vec<Self> {
        Bet::all().filter_map(|bet| Self::of(bet, rules)).collect()
    }
}
