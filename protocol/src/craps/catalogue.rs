//! Everything about every bet, one entry each: when it may be made, whether it may be taken down,
//! which rolls win what and lose, where it moves, what it reserves. Units, limits, settlement, the
//! bank's reserve and the odds all follow from the entry.
//!
//! An entry is for a table's rules and the puck *before* the roll, so no bet can see what another
//! bet, or the puck, does on the same roll.

use super::course::{Course, Table};
use super::dice::Rolls;
use super::pays::TwiceOn;
use super::rules::{Bar, Limit};
use super::terms::{Decided, Opens, Pays, Reserve, Rests, Side, Terms, VigOn};
use super::{Bet, Faces, Number, PerNumber, Ratio, Rules};

const CRAPS: [u8; 3] = [2, 3, 12];
const LOW: [u8; 5] = [2, 3, 4, 5, 6];
const HIGH: [u8; 5] = [8, 9, 10, 11, 12];
const HORN: [u8; 4] = [2, 3, 11, 12];
const POINTS: [u8; 6] = [4, 5, 6, 8, 9, 10];
const ALL: [u8; 10] = [2, 3, 4, 5, 6, 8, 9, 10, 11, 12];

impl<'r> Terms<'r> {
    /// The entry of `bet` under `rules`, with the puck on `point` or, if that is `None`, off.
    pub(super) fn of(bet: Bet, rules: &'r Rules, point: Option<Number>) -> Self {
        let terms = Self::offered(bet, rules, point);
        let needs_crapless = match bet {
            Bet::ComeOn(on)
            | Bet::ComeOdds(on)
            | Bet::Put(on)
            | Bet::PutOdds(on)
            | Bet::Place(on)
            | Bet::Buy(on)
            | Bet::Lay(on) => !on.is_point(),
            Bet::PlaceToLose(on) => {
                return if on.is_point() { terms } else { terms.not_offered() };
            }
            Bet::DontComeOn(on) | Bet::DontComeOdds(on) => {
                let is_offered = on.is_point() && !rules.crapless;
                return if is_offered { terms } else { terms.not_offered() };
            }
            _ => false,
        };
        let needs_craps = matches!(bet, Bet::DontPass | Bet::DontPassOdds | Bet::DontCome)
            || matches!(terms.decided, Decided::ByCourse(course) if course.follows_the_puck());
        if if rules.crapless { needs_craps } else { needs_crapless } {
            return terms.not_offered();
        }
        terms
    }

    fn offered(bet: Bet, rules: &'r Rules, point: Option<Number>) -> Self {
        let (props, sides, limits) = (&rules.props, &rules.sides, &rules.limits);
        let (works, stays) = (&rules.works_on_come_out, &rules.stays_after_win);
        let on_come_out = |works: bool| works || point.is_some();
        match bet {
            Bet::Pass => {
                let contract = point.is_some();
                Self { opens: Opens::PuckOff, contract, ..flat(rules, point, Side::Light) }
            }
            Bet::DontPass => Self { opens: Opens::PuckOff, ..flat(rules, point, Side::Dark) },
            Bet::Come => Self { opens: Opens::PuckOn, ..flat(rules, None, Side::Light) }
                .travelling(Bet::ComeOn),
            Bet::DontCome => Self { opens: Opens::PuckOn, ..flat(rules, None, Side::Dark) }
                .travelling(Bet::DontComeOn),
            Bet::ComeOn(number) => Self {
                opens: Opens::Travels,
                contract: true,
                ..flat(rules, Some(number), Side::Light)
            },
            Bet::DontComeOn(number) => {
                Self { opens: Opens::Travels, ..flat(rules, Some(number), Side::Dark) }
            }
            Bet::Put(number) => Self {
                opens: Opens::PuckOn,
                contract: rules.put_is_contract,
                ..flat(rules, Some(number), Side::Light)
            },
            Bet::PassOdds => match point {
                Some(number) => odds(Bet::Pass, number, Side::Light, rules),
                None => Self { opens: Opens::PuckOn, ..Self::idle(Limit::NONE) },
            },
            Bet::DontPassOdds => match point {
                Some(number) => odds(Bet::DontPass, number, Side::Dark, rules),
                None => Self { opens: Opens::PuckOn, ..Self::idle(Limit::NONE) },
            },
            Bet::ComeOdds(number) => odds(Bet::ComeOn(number), number, Side::Light, rules)
                .resting(Rests::Returns, on_come_out(works.come_odds)),
            Bet::DontComeOdds(number) => odds(Bet::DontComeOn(number), number, Side::Dark, rules)
                .resting(Rests::Returns, on_come_out(works.dont_come_odds)),
            Bet::PutOdds(number) => odds(Bet::Put(number), number, Side::Light, rules)
                .resting(Rests::Returns, on_come_out(works.put_odds)),
            Bet::Place(number) => Self {
                stays: stays.place,
                ..waits(limits.place, number, Side::Light, *rules.place.on(number))
            }
            .resting(Rests::Stands, on_come_out(works.place)),
            Bet::PlaceToLose(number) => Self {
                stays: stays.place,
                ..waits(limits.place, number, Side::Dark, *rules.place_to_lose.on(number))
            }
            .resting(Rests::Stands, on_come_out(works.place)),
            Bet::Buy(number) => Self {
                stays: stays.buy,
                vig: Some((rules.vig, VigOn::Stake)),
                ..waits(limits.place, number, Side::Light, true_odds(number, Side::Light))
            }
            .resting(Rests::Stands, on_come_out(works.buy)),
            Bet::Lay(number) => Self {
                stays: stays.lay,
                vig: Some((rules.vig, VigOn::Win)),
                ..waits(limits.place, number, Side::Dark, true_odds(number, Side::Dark))
            }
            .resting(Rests::Stands, on_come_out(works.lay)),
            Bet::BigSix | Bet::BigEight => {
                let number = if bet == Bet::BigSix { Number::Six } else { Number::Eight };
                Self { stays: stays.big, ..waits(limits.place, number, Side::Light, rules.big) }
                    .resting(Rests::Stands, on_come_out(works.big))
            }
            Bet::Hard(hard) => {
                let (number, double) = (hard.number(), Rolls::hard(hard));
                Self {
                    stays: stays.hardways,
                    reserve: Reserve::Free,
                    ..by_roll(
                        limits.hardways,
                        Pays::on(double, rules.hardways.on(hard)),
                        Rolls::totals(&[7, number.total()]).without(double),
                    )
                }
                .resting(Rests::Stands, on_come_out(works.hardways))
            }
            Bet::Yes(number) => {
                let ratio = Ratio::reduced(49 * 6, 50 * number.ways());
                Self {
                    stays: stays.yes_no,
                    exact: rules.exact_units,
                    ..waits(limits.own, number, Side::Light, ratio)
                }
                .resting(Rests::Stands, on_come_out(works.yes_no))
            }
            Bet::No(number) => {
                let ratio = Ratio::reduced(49 * number.ways(), 300);
                Self {
                    stays: stays.yes_no,
                    exact: rules.exact_units,
                    ..waits(limits.own, number, Side::Dark, ratio)
                }
                .resting(Rests::Stands, on_come_out(works.yes_no))
            }
            Bet::Next(total) => {
                let rolls = Rolls::totals(&[total.get()]);
                let ratio = Ratio::reduced(49 * (36 - rolls.ways()), 50 * rolls.ways());
                Self { exact: rules.exact_units, ..next_roll(limits.own, Pays::on(rolls, ratio)) }
            }
            Bet::Field => {
                let ninth = if rules.field.five_for_nine { 5 } else { 9 };
                next_roll(
                    limits.field,
                    Pays::on(Rolls::totals(&[3, 4, ninth, 10, 11]), Ratio::EVEN)
                        .and_on(Rolls::totals(&[2]), rules.field.two)
                        .and_on(Rolls::totals(&[12]), rules.field.twelve),
                )
            }
            Bet::AnySeven => prop(rules, &[7], props.any_seven),
            Bet::AnyCraps => prop(rules, &CRAPS, props.any_craps),
            Bet::Two => prop(rules, &[2], props.two_twelve),
            Bet::Three => prop(rules, &[3], props.three_eleven),
            Bet::Yo => prop(rules, &[11], props.three_eleven),
            Bet::Boxcars => prop(rules, &[12], props.two_twelve),
            Bet::CAndE => composite(rules, 2, &[(1, &CRAPS, props.any_craps), yo(1, rules)]),
            Bet::Horn => composite(rules, 4, &horn(rules)),
            Bet::World => {
                let [ends, middle] = horn(rules);
                composite(rules, 5, &[ends, middle, (1, &[7], props.any_seven)])
            }
            Bet::HornHigh(on) => {
                let on = on.get();
                let pays = |total| {
                    if matches!(total, 2 | 12) { props.two_twelve } else { props.three_eleven }
                };
                let share = |total| if total == on { 2 } else { 1 };
                composite(
                    rules,
                    5,
                    &[
                        (share(2), &[2], pays(2)),
                        (share(3), &[3], pays(3)),
                        (share(11), &[11], pays(11)),
                        (share(12), &[12], pays(12)),
                    ],
                )
            }
            Bet::ThreeWay => composite(
                rules,
                3,
                &[(1, &[2, 12], props.two_twelve), (1, &[3], props.three_eleven)],
            ),
            Bet::HiLo => composite(rules, 2, &[(1, &[2, 12], props.two_twelve)]),
            Bet::HopSevens => composite(rules, 3, &[(1, &[7], rules.hops.easy)]),
            Bet::Buffalo => hardways_hop(rules, (1, &[7], props.any_seven)),
            Bet::BuffaloYo => hardways_hop(rules, yo(1, rules)),
            Bet::Hop(faces) => {
                next_roll(limits.props, Pays::on(Rolls::faces(faces), hop(faces, rules)))
            }
            Bet::OverSeven => prop(rules, &HIGH, props.over_under),
            Bet::UnderSeven => prop(rules, &LOW, props.over_under),
            Bet::Low => next_roll(
                limits.props,
                Pays::on(Rolls::totals(&[2]), props.low_high)
                    .and_on(Rolls::totals(&LOW[1..]), Ratio::EVEN),
            ),
            Bet::High => next_roll(
                limits.props,
                Pays::on(Rolls::totals(&[12]), props.low_high)
                    .and_on(Rolls::totals(&HIGH[..4]), Ratio::EVEN),
            ),
            Bet::Fielders(choice) => match choice.get() {
                1 => prop(rules, &[2, 3, 4], props.fielders_ends),
                2 => prop(rules, &[4, 9, 10], props.fielders_middle),
                _ => prop(rules, &[10, 11, 12], props.fielders_ends),
            },
            Bet::Small => collects(rules, &LOW, Table::Whole(sides.small)),
            Bet::Tall => collects(rules, &HIGH, Table::Whole(sides.tall)),
            Bet::All => collects(rules, &ALL, Table::Whole(sides.all)),
            Bet::HotHand => collects(rules, &ALL, Table::Ladder(&sides.hot_hand)),
            Bet::FlamingFour => collects(rules, &HORN, Table::Whole(sides.flaming_four)),
            Bet::SizzlingSix => collects(rules, &POINTS, Table::Whole(sides.sizzling_six)),
            Bet::Repeater(number) => {
                let repeat = sides.repeater.on(number);
                let of = Rolls::totals(&[number.total()]);
                let (times, pays) = (repeat.times, repeat.pays);
                side(rules, Opens::AfterSeven, Course::Times { of, times, pays })
            }
            Bet::RepeaterPlus(choice) => {
                let repeat = sides.repeater_plus(choice);
                let of = Rolls::totals(match choice.get() {
                    1 => &[2, 12],
                    2 => &[3, 11],
                    _ => &HORN,
                });
                let (times, pays) = (repeat.times, repeat.pays);
                side(rules, Opens::AfterSeven, Course::Times { of, times, pays })
            }
            Bet::DifferentDoubles => {
                side(rules, Opens::AfterSeven, Course::Doubles(&sides.different_doubles))
            }
            Bet::HotRoller => side(rules, Opens::AfterSeven, Course::Ways(&sides.hot_roller)),
            Bet::TwiceAsHard => {
                let pays = sides.twice_as_hard.pays;
                let course = match sides.twice_as_hard.on {
                    TwiceOn::AnyTwoHardways => {
                        Course::Times { of: Rolls::hardways(), times: 2, pays }
                    }
                    TwiceOn::OneHardway => Course::Twice { of: Rolls::hardways(), pays },
                    TwiceOn::OneDouble => Course::Twice { of: Rolls::doubles(), pays },
                };
                side(rules, Opens::AfterSeven, course)
            }
            Bet::Fire => {
                let (pays, at_once) = (&sides.fire.pays, sides.fire.at_once);
                side(rules, Opens::NewHand, Course::Points { pays, at_once })
            }
            Bet::RideTheLine => side(rules, Opens::NewHand, Course::PassWins(&sides.ride_the_line)),
            Bet::Replay => side(rules, Opens::NewHand, Course::Replays(&sides.replay)),
            Bet::HotShooter => side(rules, Opens::NewHand, Course::Rolls(&sides.hot_shooter)),
            Bet::Muggsy => {
                let pays = sides.muggsy;
                sequence(rules, [Some(pays.come_out), Some(pays.point), None, None])
            }
            Bet::PointSeven => sequence(rules, [None, Some(sides.point_seven), None, None]),
            Bet::SevenPoint => sequence(rules, [None, None, Some(sides.seven_point), None]),
            Bet::SevenPointSeven => {
                sequence(rules, [None, None, None, Some(sides.seven_point_seven)])
            }
        }
    }

    /// A bet that no roll decides: the ground on which entries say what is theirs.
    const fn idle(limit: Limit) -> Self {
        Self {
            opens: Opens::Always,
            contract: false,
            limit,
            decided: Decided::ByRoll {
                pays: Pays::NOTHING,
                loses: Rolls::NONE,
                pushes: Rolls::NONE,
                travels: None,
            },
            works: true,
            rests: None,
            stays: false,
            vig: None,
            exact: true,
            reserve: Reserve::NextRoll,
        }
    }

    fn not_offered(self) -> Self {
        Self { opens: Opens::NotOffered, ..self }
    }

    /// The bet may be called on and off; `works` is what it does if it is not.
    fn resting(self, rests: Rests, works: bool) -> Self {
        Self { rests: Some(rests), works, ..self }
    }

    fn travelling(self, to: fn(Number) -> Bet) -> Self {
        match self.decided {
            Decided::ByRoll { pays, loses, pushes, .. } => {
                let travels = Some(to);
                Self { decided: Decided::ByRoll { pays, loses, pushes, travels }, ..self }
            }
            Decided::ByCourse(_) => self,
        }
    }
}

fn by_roll<'r>(limit: Limit, pays: Pays, loses: Rolls) -> Terms<'r> {
    let decided = Decided::ByRoll { pays, loses, pushes: Rolls::NONE, travels: None };
    Terms { decided, ..Terms::idle(limit) }
}

/// A line or come bet: it waits for `number` or a 7, or has its first roll before it.
/// (craps.md section 2)
fn flat(rules: &Rules, number: Option<Number>, side: Side) -> Terms<'_> {
    let limit = rules.limits.line;
    match (number, side) {
        (Some(number), side) => Terms {
            reserve: Reserve::Number(number, side),
            ..waits(limit, number, side, Ratio::EVEN)
        },
        (None, Side::Light) => {
            let (wins, loses) = if rules.crapless {
                (Rolls::totals(&[7]), Rolls::NONE)
            } else {
                (Rolls::totals(&[7, 11]), Rolls::totals(&CRAPS))
            };
            let pays = Pays::on(wins, Ratio::EVEN);
            Terms { reserve: Reserve::Undecided(side), ..by_roll(limit, pays, loses) }
        }
        (None, Side::Dark) => {
            let pushes = Rolls::totals(match rules.bar {
                Bar::Two => &[2],
                Bar::Three => &[3],
                Bar::Twelve => &[12],
                Bar::None => &[],
            });
            let pays = Pays::on(Rolls::totals(&CRAPS).without(pushes), Ratio::EVEN);
            let loses = Rolls::totals(&[7, 11]);
            Terms {
                decided: Decided::ByRoll { pays, loses, pushes, travels: None },
                reserve: Reserve::Undecided(side),
                ..Terms::idle(limit)
            }
        }
    }
}

/// A bet that waits for `number` or a 7.
fn waits<'r>(limit: Limit, number: Number, side: Side, ratio: Ratio) -> Terms<'r> {
    let (light, dark) = (Rolls::totals(&[number.total()]), Rolls::totals(&[7]));
    let (wins, loses) = match side {
        Side::Light => (light, dark),
        Side::Dark => (dark, light),
    };
    Terms { reserve: Reserve::Free, ..by_roll(limit, Pays::on(wins, ratio), loses) }
}

/// Odds behind a flat bet on `number`, paid at what the dice are worth.
fn odds(flat: Bet, number: Number, side: Side, rules: &Rules) -> Terms<'_> {
    let caps: &PerNumber<Ratio> = match side {
        Side::Light => &rules.odds,
        Side::Dark => &rules.dont_odds,
    };
    Terms {
        opens: Opens::Behind { flat, cap: *caps.on(number) },
        reserve: Reserve::Number(number, side),
        ..waits(Limit::NONE, number, side, true_odds(number, side))
    }
}

fn true_odds(number: Number, side: Side) -> Ratio {
    match side {
        Side::Light => Ratio::reduced(6, number.ways()),
        Side::Dark => Ratio::reduced(number.ways(), 6),
    }
}

fn prop<'r>(rules: &Rules, totals: &[u8], ratio: Ratio) -> Terms<'r> {
    next_roll(rules.limits.props, Pays::on(Rolls::totals(totals), ratio))
}

/// A bet that loses on every roll that does not win.
fn next_roll<'r>(limit: Limit, pays: Pays) -> Terms<'r> {
    by_roll(limit, pays, pays.won().others())
}

/// Shares on totals, and what they pay.
type Share<'t> = (u8, &'t [u8], Ratio);

fn yo(shares: u8, rules: &Rules) -> Share<'static> {
    (shares, &[11], rules.props.three_eleven)
}

fn horn(rules: &Rules) -> [Share<'static>; 2] {
    [(1, &[2, 12], rules.props.two_twelve), (1, &[3, 11], rules.props.three_eleven)]
}

/// Several one-roll bets that are made as one, in equal shares.
fn composite<'r>(rules: &Rules, shares: u8, parts: &[Share<'_>]) -> Terms<'r> {
    let add = |pays: Pays, (shares, totals, ratio): &Share<'_>| {
        pays.share_on(*shares, Rolls::totals(totals), *ratio)
    };
    next_roll(rules.limits.props, parts.iter().fold(Pays::split(shares), add))
}

fn hop(faces: Faces, rules: &Rules) -> Ratio {
    if faces.is_hard() { rules.hops.hard } else { rules.hops.easy }
}

/// A fifth on each hardway hopping, and one on something else.
fn hardways_hop<'r>(rules: &Rules, (shares, totals, ratio): Share<'_>) -> Terms<'r> {
    let hops = Pays::split(5).share_on(1, Rolls::hardways(), rules.hops.hard);
    next_roll(rules.limits.props, hops.share_on(shares, Rolls::totals(totals), ratio))
}

fn side<'r>(rules: &'r Rules, opens: Opens, course: Course<'r>) -> Terms<'r> {
    Terms {
        opens,
        decided: Decided::ByCourse(course),
        reserve: Reserve::Free,
        ..Terms::idle(rules.limits.sides)
    }
}

fn collects<'r>(rules: &'r Rules, totals: &[u8], pays: Table<'r>) -> Terms<'r> {
    let (of, count) = (Rolls::totals(totals), totals.len() as u8);
    side(rules, Opens::AfterSeven, Course::Totals { of, count, pays })
}

fn sequence(rules: &Rules, pays: [Option<Ratio>; 4]) -> Terms<'_> {
    let [seven, point_seven, seven_point, seven_point_seven] = pays;
    let course = Course::Sequence { seven, point_seven, seven_point, seven_point_seven };
    side(rules, Opens::PuckOff, course)
}
