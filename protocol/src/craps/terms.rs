//! What an entry of the catalogue consists of, and what a roll does to a bet by its entry.

use super::course::{Course, Memory, Roll, Step};
use super::dice::Rolls;
use super::pays::{Rounding, Vig, VigWhen};
use super::ratio::greatest_common_divisor;
use super::rules::Limit;
use super::{Bet, Chips, Dice, Number, Ratio};

/// A bet's entry.
pub(super) struct Terms<'r> {
    /// When it may be made or added to.
    pub(super) opens: Opens,
    /// Whether it must stay up until it is decided. One with a memory must, once it has seen a
    /// roll.
    pub(super) contract: bool,
    /// Its smallest and largest stake.
    pub(super) limit: Limit,
    /// What decides it, and what that pays.
    pub(super) decided: Decided<'r>,
    /// Whether it can win and lose now, unless its player said otherwise.
    pub(super) works: bool,
    /// What becomes of it while it does not work; `None` if it always works.
    pub(super) rests: Option<Rests>,
    /// Whether it stays up when it has won.
    pub(super) stays: bool,
    /// The commission, and on what.
    pub(super) vig: Option<(Vig, VigOn)>,
    /// Whether stakes must be such that every profit is exact.
    pub(super) exact: bool,
    /// How what it may cost the bank combines with what others may.
    pub(super) reserve: Reserve,
}

/// When a bet may be made or added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// Before any roll.
    Always,
    /// Before a come-out roll.
    PuckOff,
    /// While there is a point.
    PuckOn,
    /// Before the first roll of a hand.
    NewHand,
    /// Before the first roll of a hand, or after any 7.
    AfterSeven,
    /// Never by hand: it travels here.
    Travels,
    /// While its flat bet is up, up to a multiple of it.
    Behind {
        /// The flat bet.
        flat: Bet,
        /// The multiple.
        cap: Ratio,
    },
    /// Never: this table does not have it.
    NotOffered,
}

/// What decides a bet.
#[derive(Clone, Copy)]
pub(super) enum Decided<'r> {
    /// One roll, whatever came before it.
    ByRoll {
        /// The rolls that win, and what they pay.
        pays: Pays,
        /// The rolls that lose.
        loses: Rolls,
        /// The rolls that return the stake.
        pushes: Rolls,
        /// What it becomes on a number that does not decide it.
        travels: Option<fn(Number) -> Bet>,
    },
    /// Several rolls, which it remembers.
    ByCourse(Course<'r>),
}

/// What becomes of a bet that does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rests {
    /// It neither wins nor loses and stays.
    Stands,
    /// It is returned by a roll that would decide it.
    Returns,
}

/// What a commission is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VigOn {
    /// The stake.
    Stake,
    /// What the stake would win.
    Win,
}

/// How a bet's cost to the bank combines with that of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserve {
    /// It pays on the next roll or never.
    NextRoll,
    /// Its number is not known yet.
    Undecided(Side),
    /// It waits for its number or a 7, and is gone after either: of the two sides only one is paid.
    Number(Number, Side),
    /// It may sleep through the 7 that ends others, or outlast it, so it is paid besides them.
    Free,
}

/// What a bet that waits for a number or a 7 is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The number.
    Light,
    /// The 7.
    Dark,
}

/// A bet on the felt.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub(super) struct Wager {
    /// What is on it.
    pub(super) stake: Chips,
    /// The commission that was paid up front for it.
    pub(super) vig: Chips,
    /// Whether its player called it on or off.
    pub(super) called: Option<bool>,
    /// What it has seen.
    pub(super) memory: Memory,
}

/// What a roll does to a bet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It wins, and is worth this in all: stake and profit.
    Wins(u128),
    /// It loses; a composite bet may keep this of a part that won.
    Loses(u128),
    /// It is returned.
    Pushes,
    /// It becomes another bet.
    Moves(Bet),
    /// It has seen the roll and goes on.
    GoesOn(Memory),
    /// Nothing happens to it.
    Stands,
}

impl Wager {
    /// All chips that it holds.
    pub(super) const fn chips(&self) -> u128 {
        self.stake.0 as u128 + self.vig.0 as u128
    }
}

impl Terms<'_> {
    /// Whether a bet takes part in the next roll.
    pub(super) fn works(&self, wager: &Wager) -> bool {
        self.rests.is_none() || wager.called.unwrap_or(self.works)
    }

    /// Whether a bet must stay up until it is decided.
    pub(super) const fn is_contract(&self, wager: &Wager) -> bool {
        self.contract || wager.memory.has_started()
    }

    /// What a roll does to a bet.
    pub(super) fn fate(&self, wager: &Wager, roll: Roll) -> Fate {
        let fate = match self.decided {
            Decided::ByCourse(course) => match course.step(wager.memory, roll) {
                Step::GoesOn(memory) => Fate::GoesOn(memory),
                Step::Wins(pays) => Fate::Wins(u128::from(wager.stake.0) + pays.of(wager.stake)),
                Step::Pushes => Fate::Pushes,
                Step::Loses => Fate::Loses(0),
            },
            Decided::ByRoll { pays, loses, pushes, travels } => {
                if let Some(part) = pays.part(roll.dice) {
                    self.paid(pays.worth(part, wager.stake), wager.stake)
                } else if loses.contains(roll.dice) {
                    Fate::Loses(0)
                } else if pushes.contains(roll.dice) {
                    Fate::Pushes
                } else if let (Some(travels), Some(number)) =
                    (travels, Number::from_total(roll.dice.total()))
                {
                    Fate::Moves(travels(number))
                } else {
                    Fate::Stands
                }
            }
        };
        match (fate, self.rests) {
            (Fate::Wins(_) | Fate::Loses(_) | Fate::Pushes, Some(rests)) if !self.works(wager) => {
                match rests {
                    Rests::Stands => Fate::Stands,
                    Rests::Returns => Fate::Pushes,
                }
            }
            (fate, _) => fate,
        }
    }

    /// A winning part that is worth as much as the whole stake only returns it.
    fn paid(&self, worth: u128, stake: Chips) -> Fate {
        let stake = u128::from(stake.0);
        match worth.cmp(&stake) {
            core::cmp::Ordering::Less => Fate::Loses(worth),
            core::cmp::Ordering::Equal => Fate::Pushes,
            core::cmp::Ordering::Greater => {
                Fate::Wins(worth - self.vig_of_win(worth - stake, stake))
            }
        }
    }

    /// The commission that comes out of a win.
    fn vig_of_win(&self, win: u128, stake: u128) -> u128 {
        match self.vig {
            Some((vig, of)) if vig.when == VigWhen::OnWin => match of {
                VigOn::Stake => vig.on(stake).min(win),
                VigOn::Win => vig.on(win).min(win),
            },
            Some(_) | None => 0,
        }
    }

    /// The commission that is paid when `stake` goes up.
    pub(super) fn vig_up_front(&self, stake: Chips) -> u128 {
        match self.vig {
            Some((vig, of)) if vig.when == VigWhen::Upfront => match of {
                VigOn::Stake => vig.on(u128::from(stake.0)),
                VigOn::Win => vig.on(self.most(stake)),
            },
            Some(_) | None => 0,
        }
    }

    /// The most that a stake can win, commission apart.
    pub(super) fn most(&self, stake: Chips) -> u128 {
        match self.decided {
            Decided::ByRoll { pays, .. } => {
                let worths = pays.parts().map(|part| pays.worth(part, stake));
                worths.max().unwrap_or(0).saturating_sub(u128::from(stake.0))
            }
            Decided::ByCourse(course) => {
                course.pays().into_iter().map(|pays| pays.of(stake)).max().unwrap_or(0)
            }
        }
    }

    /// The most that the bank may have to add to a bet's own chips.
    pub(super) fn cost(&self, wager: &Wager) -> u128 {
        let win = self.most(wager.stake);
        let vig = self.vig_of_win(win, u128::from(wager.stake.0));
        win.saturating_sub(vig + u128::from(wager.vig.0))
    }

    /// What the bank has to add to a one-roll bet's own chips on these dice.
    pub(super) fn cost_on(&self, wager: &Wager, dice: Dice) -> u128 {
        match self.decided {
            Decided::ByRoll { pays, .. } => {
                let worth = pays.part(dice).map_or(0, |part| pays.worth(part, wager.stake));
                worth.saturating_sub(u128::from(wager.stake.0))
            }
            Decided::ByCourse(_) => self.cost(wager),
        }
    }

    /// Stakes must be multiples of this.
    pub(super) fn unit(&self) -> u64 {
        match self.vig {
            _ if !self.exact => self.shares(),
            Some((vig, _)) if vig.rounding == Rounding::Exact => self.exact_unit(),
            Some(_) | None => self.paid_unit(),
        }
    }

    /// The smallest stake of which every profit, and the commission, is exact.
    pub(super) fn exact_unit(&self) -> u64 {
        let unit = self.paid_unit();
        let Some((vig, of)) = self.vig else { return unit };
        let (over, under) = vig.rate.terms();
        let (over, under) = (u64::from(over), u64::from(under));
        let base = match of {
            VigOn::Stake => unit,
            VigOn::Win => u64::try_from(self.most(Chips(unit))).unwrap_or(u64::MAX),
        };
        let missing = under / greatest_common_divisor(under, base.saturating_mul(over));
        unit.saturating_mul(missing)
    }

    /// The smallest stake of which every profit is exact.
    fn paid_unit(&self) -> u64 {
        let unders = match self.decided {
            Decided::ByRoll { pays, .. } => {
                let unders = pays.parts().map(|part| part.ratio.terms().1);
                unders.fold(1, least_common_multiple)
            }
            Decided::ByCourse(course) => {
                let unders = course.pays().into_iter().map(|pays| pays.terms().1);
                unders.fold(1, least_common_multiple)
            }
        };
        self.shares().saturating_mul(unders)
    }

    /// The smallest stake that wins anything.
    pub(super) fn smallest(&self) -> u64 {
        match self.decided {
            Decided::ByRoll { pays, .. } if !self.exact => {
                let parts = pays.parts().map(|part| part.ratio.terms());
                let least = parts.map(|(over, under)| under.div_ceil(over.max(1)));
                u64::from(least.max().unwrap_or(1)) * self.shares()
            }
            Decided::ByRoll { .. } | Decided::ByCourse(_) => self.unit(),
        }
    }

    /// Into how many bets a stake is split.
    fn shares(&self) -> u64 {
        match self.decided {
            Decided::ByRoll { pays, .. } => u64::from(pays.shares),
            Decided::ByCourse(_) => 1,
        }
    }

    /// Whether the rolls that decide the bet win more than they lose. For bets that one roll
    /// decides, or the first of some.
    pub(super) fn favours_player(&self) -> bool {
        let Decided::ByRoll { pays, loses, .. } = self.decided else { return false };
        let scale: u128 = pays.parts().map(|part| u128::from(part.ratio.terms().1)).product();
        let stake = scale * u128::from(pays.shares);
        let ways = |rolls: Rolls| u128::from(rolls.ways());
        let worth = |part: Part| {
            let (over, under) = part.ratio.terms();
            let share = scale * u128::from(part.shares);
            ways(part.rolls) * (share + share * u128::from(over) / u128::from(under))
        };
        let won: u128 = pays.parts().map(worth).sum();
        let decided = pays.parts().fold(loses, |all, part| all.or(part.rolls));
        won > stake * ways(decided)
    }
}

/// Of terms that are bounded, so that the result fits.
fn least_common_multiple(unit: u64, under: u32) -> u64 {
    let under = u64::from(under);
    (unit / greatest_common_divisor(unit, under)).saturating_mul(under)
}

/// Which rolls win, and what each wins, of a stake that is split evenly into shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pays {
    parts: [Part; 4],
    shares: u8,
}

/// Some shares of a stake, which win alone while the others lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The winning rolls.
    pub(super) rolls: Rolls,
    /// What they pay.
    pub(super) ratio: Ratio,
    /// How many shares.
    shares: u8,
}

impl Pays {
    /// No roll wins.
    pub(super) const NOTHING: Self =
        Self { parts: [Part { rolls: Rolls::NONE, ratio: Ratio::EVEN, shares: 1 }; 4], shares: 1 };

    /// The whole stake wins on `rolls`.
    pub(super) fn on(rolls: Rolls, ratio: Ratio) -> Self {
        Self::NOTHING.and_on(rolls, ratio)
    }

    /// The whole stake wins on `rolls`, too.
    pub(super) fn and_on(self, rolls: Rolls, ratio: Ratio) -> Self {
        self.with(Part { rolls, ratio, shares: 1 })
    }

    /// A stake of so many shares.
    pub(super) const fn split(shares: u8) -> Self {
        Self { shares, ..Self::NOTHING }
    }

    /// So many of the shares win on each of `rolls`.
    pub(super) fn share_on(self, shares: u8, rolls: Rolls, ratio: Ratio) -> Self {
        self.with(Part { rolls, ratio, shares })
    }

    fn with(mut self, part: Part) -> Self {
        let free = self.parts.iter_mut().find(|free| free.rolls == Rolls::NONE);
        *free.expect("a bet has at most four different pays") = part;
        self
    }

    /// The winning parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        self.parts.into_iter().filter(|part| part.rolls != Rolls::NONE)
    }

    /// The part that these dice win.
    fn part(&self, dice: Dice) -> Option<Part> {
        self.parts.iter().find(|part| part.rolls.contains(dice)).copied()
    }

    /// What a stake of which this part wins is worth.
    fn worth(&self, part: Part, stake: Chips) -> u128 {
        let share = Chips(stake.0 / u64::from(self.shares) * u64::from(part.shares));
        u128::from(share.0) + part.ratio.of(share)
    }

    /// All winning rolls.
    pub(super) fn won(&self) -> Rolls {
        self.parts().fold(Rolls::NONE, |all, part| all.or(part.rolls))
    }
}
