//! Everything about every bet, one entry each: when it may be made, whether it may be taken down,
//! which rolls win what and lose, where it moves, what it reserves. Units, limits, settlement and
//! the bank's reserve all follow from the entry.
//!
//! An entry is for a table's rules and the puck *before* the roll, so no bet can see what another
//! bet, or the puck, does on the same roll.

use super::dice::Rolls;
use super::ratio::greatest_common_divisor;
use super::rules::{Bar, Limit};
use super::{Bet, Chips, Dice, Number, Ratio, Rules};

/// A bet's entry.
pub(super) struct Terms {
    /// When it may be made or added to.
    pub(super) opens: Opens,
    /// Whether it must stay up until it is decided.
    pub(super) contract: bool,
    /// Its smallest and largest stake.
    pub(super) limit: Limit,
    /// The rolls that win, and what they pay.
    pub(super) pays: Pays,
    /// The rolls that lose.
    pub(super) loses: Rolls,
    /// The rolls that return the stake.
    pub(super) pushes: Rolls,
    /// Whether it can win and lose now.
    pub(super) works: Works,
    /// Whether it stays up when it has won.
    pub(super) stays: bool,
    /// What it becomes on a number that does not decide it.
    pub(super) travels: Option<fn(Number) -> Bet>,
    /// What it may cost the bank.
    pub(super) reserve: Reserve,
}

/// When a bet may be made or added to.
#[derive(Clone, Copy)]
pub(super) enum Opens {
    /// Before any roll.
    Always,
    /// Before a come-out roll.
    PuckOff,
    /// While there is a point.
    PuckOn,
    /// Never by hand: it travels here.
    Travels,
    /// While its flat bet is up, up to a multiple of it.
    Behind {
        /// The flat bet.
        flat: Bet,
        /// The multiple.
        cap: Ratio,
    },
}

/// Whether a bet takes part in the next roll.
#[derive(Clone, Copy)]
pub(super) enum Works {
    /// It does.
    On,
    /// It neither wins nor loses and stays.
    Off,
    /// It is returned by a roll that would decide it.
    Returned,
}

/// How a bet's cost to the bank combines with that of others.
#[derive(Clone, Copy)]
pub(super) enum Reserve {
    /// It pays on the next roll or never.
    NextRoll,
    /// Its number is not known yet.
    Undecided(Side),
    /// It waits for its number or a 7, and always works: of the two sides only one is paid.
    Number(Number, Side),
    /// It may sleep through the 7 that ends others, so it is paid besides them.
    Free,
}

/// What a bet that waits for a number or a 7 is on.
#[derive(Clone, Copy)]
pub(super) enum Side {
    /// The number.
    Light,
    /// The 7.
    Dark,
}

/// What a roll does to a bet.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    /// It wins this profit for its stake.
    Wins(Ratio),
    /// It loses.
    Loses,
    /// It is returned.
    Pushes,
    /// It becomes another bet.
    Moves(Bet),
    /// Nothing happens to it.
    Stands,
}

impl Terms {
    /// The entry of `bet` under `rules`, with the puck on `point` or, if that is `None`, off.
    pub(super) fn of(bet: Bet, rules: &Rules, point: Option<Number>) -> Self {
        let props = &rules.props;
        match bet {
            Bet::Pass => {
                let contract = point.is_some();
                Self { opens: Opens::PuckOff, contract, ..flat(rules, point, Side::Light) }
            }
            Bet::DontPass => Self { opens: Opens::PuckOff, ..flat(rules, point, Side::Dark) },
            Bet::Come => Self {
                opens: Opens::PuckOn,
                travels: Some(Bet::ComeOn),
                ..flat(rules, None, Side::Light)
            },
            Bet::DontCome => Self {
                opens: Opens::PuckOn,
                travels: Some(Bet::DontComeOn),
                ..flat(rules, None, Side::Dark)
            },
            Bet::ComeOn(number) => Self {
                opens: Opens::Travels,
                contract: true,
                ..flat(rules, Some(number), Side::Light)
            },
            Bet::DontComeOn(number) => {
                Self { opens: Opens::Travels, ..flat(rules, Some(number), Side::Dark) }
            }
            Bet::PassOdds => match point {
                Some(number) => odds(Bet::Pass, number, Side::Light, rules),
                None => Self { opens: Opens::PuckOn, ..Self::idle(Limit::NONE) },
            },
            Bet::DontPassOdds => match point {
                Some(number) => odds(Bet::DontPass, number, Side::Dark, rules),
                None => Self { opens: Opens::PuckOn, ..Self::idle(Limit::NONE) },
            },
            Bet::ComeOdds(number) => Self {
                works: on_come_out(rules.works_on_come_out.come_odds, point, Works::Returned),
                ..odds(Bet::ComeOn(number), number, Side::Light, rules)
            },
            Bet::DontComeOdds(number) => Self {
                works: on_come_out(rules.works_on_come_out.dont_come_odds, point, Works::Returned),
                ..odds(Bet::DontComeOn(number), number, Side::Dark, rules)
            },
            Bet::Place(number) => Self {
                pays: Pays::on(Rolls::totals(&[number.total()]), rules.place.on(number)),
                loses: Rolls::totals(&[7]),
                works: on_come_out(rules.works_on_come_out.place, point, Works::Off),
                stays: rules.stays_after_win.place,
                reserve: Reserve::Free,
                ..Self::idle(rules.limits.place)
            },
            Bet::Hard(hard) => {
                let (number, double) = (hard.number(), Rolls::hard(hard));
                Self {
                    pays: Pays::on(double, rules.hardways.on(hard)),
                    loses: Rolls::totals(&[7, number.total()]).without(double),
                    works: on_come_out(rules.works_on_come_out.hardways, point, Works::Off),
                    stays: rules.stays_after_win.hardways,
                    reserve: Reserve::Free,
                    ..Self::idle(rules.limits.hardways)
                }
            }
            Bet::Field => next_roll(
                rules.limits.field,
                Pays::on(Rolls::totals(&[3, 4, 9, 10, 11]), Ratio::EVEN)
                    .and_on(Rolls::totals(&[2]), rules.field.two)
                    .and_on(Rolls::totals(&[12]), rules.field.twelve),
            ),
            Bet::AnySeven => prop(rules, &[7], props.any_seven),
            Bet::AnyCraps => prop(rules, &[2, 3, 12], props.any_craps),
            Bet::Two => prop(rules, &[2], props.two_twelve),
            Bet::Three => prop(rules, &[3], props.three_eleven),
            Bet::Yo => prop(rules, &[11], props.three_eleven),
            Bet::Boxcars => prop(rules, &[12], props.two_twelve),
        }
    }

    /// A bet that no roll decides: the ground on which entries say what is theirs.
    const fn idle(limit: Limit) -> Self {
        Self {
            opens: Opens::Always,
            contract: false,
            limit,
            pays: Pays::NOTHING,
            loses: Rolls::NONE,
            pushes: Rolls::NONE,
            works: Works::On,
            stays: false,
            travels: None,
            reserve: Reserve::NextRoll,
        }
    }

    /// What these dice do to the bet.
    pub(super) fn fate(&self, dice: Dice) -> Fate {
        let fate = if let Some(ratio) = self.pays.ratio(dice) {
            Fate::Wins(ratio)
        } else if self.loses.contains(dice) {
            Fate::Loses
        } else if self.pushes.contains(dice) {
            Fate::Pushes
        } else if let (Some(travels), Some(number)) = (self.travels, dice.number()) {
            Fate::Moves(travels(number))
        } else {
            Fate::Stands
        };
        match (self.works, fate) {
            (Works::Off, _) => Fate::Stands,
            (Works::Returned, Fate::Wins(_) | Fate::Loses) => Fate::Pushes,
            (Works::On | Works::Returned, fate) => fate,
        }
    }

    /// Stakes must be multiples of this, so that every profit is exact.
    pub(super) fn unit(&self) -> u64 {
        self.pays
            .wins()
            .map(|(_, ratio)| u64::from(ratio.terms().1))
            .fold(1, |unit, under| unit / greatest_common_divisor(unit, under) * under)
    }
}

/// A line or come bet: it waits for `number` or a 7, or has its first roll before it.
/// (craps.md section 2)
fn flat(rules: &Rules, number: Option<Number>, side: Side) -> Terms {
    let line = Terms::idle(rules.limits.line);
    match (number, side) {
        (Some(number), side) => Terms {
            pays: Pays::on(decider(number, side), Ratio::EVEN),
            loses: decider(number, other(side)),
            reserve: Reserve::Number(number, side),
            ..line
        },
        (None, Side::Light) => Terms {
            pays: Pays::on(Rolls::totals(&[7, 11]), Ratio::EVEN),
            loses: Rolls::totals(&[2, 3, 12]),
            reserve: Reserve::Undecided(Side::Light),
            ..line
        },
        (None, Side::Dark) => {
            let barred = Rolls::totals(match rules.bar {
                Bar::Two => &[2],
                Bar::Three => &[3],
                Bar::Twelve => &[12],
            });
            Terms {
                pays: Pays::on(Rolls::totals(&[2, 3, 12]).without(barred), Ratio::EVEN),
                loses: Rolls::totals(&[7, 11]),
                pushes: barred,
                reserve: Reserve::Undecided(Side::Dark),
                ..line
            }
        }
    }
}

/// Odds behind a flat bet on `number`, paid at what the dice are worth.
fn odds(flat: Bet, number: Number, side: Side, rules: &Rules) -> Terms {
    let light = match number {
        Number::Four | Number::Ten => (2, 1),
        Number::Five | Number::Nine => (3, 2),
        Number::Six | Number::Eight => (6, 5),
    };
    let (true_odds, cap) = match side {
        Side::Light => (Ratio::to(light.0, light.1), rules.odds.on(number)),
        Side::Dark => (Ratio::to(light.1, light.0), rules.dont_odds.on(number)),
    };
    Terms {
        opens: Opens::Behind { flat, cap },
        pays: Pays::on(decider(number, side), true_odds),
        loses: decider(number, other(side)),
        reserve: Reserve::Number(number, side),
        ..Terms::idle(Limit::NONE)
    }
}

/// What wins for a side that waits for `number` or a 7.
fn decider(number: Number, side: Side) -> Rolls {
    match side {
        Side::Light => Rolls::totals(&[number.total()]),
        Side::Dark => Rolls::totals(&[7]),
    }
}

const fn other(side: Side) -> Side {
    match side {
        Side::Light => Side::Dark,
        Side::Dark => Side::Light,
    }
}

const fn on_come_out(works: bool, point: Option<Number>, otherwise: Works) -> Works {
    if works || point.is_some() { Works::On } else { otherwise }
}

fn prop(rules: &Rules, totals: &[u8], ratio: Ratio) -> Terms {
    next_roll(rules.limits.props, Pays::on(Rolls::totals(totals), ratio))
}

/// A bet that loses on every roll that does not win.
fn next_roll(limit: Limit, pays: Pays) -> Terms {
    let won = pays.wins().fold(Rolls::NONE, |all, (rolls, _)| all.or(rolls));
    Terms { pays, loses: won.others(), ..Terms::idle(limit) }
}

/// Which rolls win, and what each wins: at most three different pays.
#[derive(Clone, Copy)]
pub(super) struct Pays([(Rolls, Ratio); 3]);

impl Pays {
    const NOTHING: Self = Self([(Rolls::NONE, Ratio::EVEN); 3]);

    const fn on(rolls: Rolls, ratio: Ratio) -> Self {
        let Self([_, second, third]) = Self::NOTHING;
        Self([(rolls, ratio), second, third])
    }

    /// Adds a pay; the last place must still be free.
    fn and_on(self, rolls: Rolls, ratio: Ratio) -> Self {
        let Self([first, second, third]) = self;
        assert!(third.0 == Rolls::NONE, "a bet has at most three different pays");
        Self([(rolls, ratio), first, second])
    }

    /// The winning rolls, with what they pay.
    pub(super) fn wins(&self) -> impl Iterator<Item = (Rolls, Ratio)> {
        self.0.into_iter().filter(|(rolls, _)| *rolls != Rolls::NONE)
    }

    /// What these dice pay, if they win.
    pub(super) fn ratio(&self, dice: Dice) -> Option<Ratio> {
        self.0.iter().find(|(rolls, _)| rolls.contains(dice)).map(|(_, ratio)| *ratio)
    }

    /// The most that a stake can win.
    pub(super) fn best(&self, stake: Chips) -> u128 {
        self.wins().map(|(_, ratio)| ratio.of(stake)).max().unwrap_or(0)
    }
}
