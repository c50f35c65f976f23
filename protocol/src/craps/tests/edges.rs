//! Every published edge, row by row: `tests/data/craps-edges.csv` was computed by other means.

use std::collections::BTreeMap;
use std::vec;

use super::*;
use crate::craps::odds::{Fraction, Odds, Offer};
use crate::craps::{
    Bar, Field, Fire, HornNumber, Ladder, Number, PerNumber, Ratio, Repeat, Rounding, Sides,
    TwiceAsHard, TwiceOn, Vig, VigWhen,
};

const PUBLISHED: &str = include_str!("../../../tests/data/craps-edges.csv");

/// The fields of a line in which commas can be quoted.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for symbol in line.chars() {
        match symbol {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().unwrap().push(other),
        }
    }
    fields
}

fn number(text: &str) -> Number {
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// The ratio in `6 pays 7:6 (Atlantic City)`, `40 to 1`, `10:1 (11 for 1)` or `7 for 1 (6:1)`:
/// profit to one.
fn pays(text: &str) -> Ratio {
    let text = text.rsplit("pays ").next().unwrap();
    let mut words = text.split([' ', ',']);
    let (first, second) = (words.next().unwrap(), words.next());
    match (first.parse::<u32>(), second) {
        (Ok(pays), Some("for")) => Ratio::to(pays - 1, 1),
        (Ok(pays), Some("to")) => Ratio::to(pays, 1),
        _ => first.parse().unwrap(),
    }
}

/// How a row is played: which bet, under which rules, on which point.
struct Play {
    bet: String,
    rules: Rules,
    point: Number,
}

fn play(name: &str, variant: &str) -> Play {
    let mut rules = Rules { allow_player_edge: true, ..Rules::default() };
    let mut point = Number::Six;
    rules.crapless = name.contains("rapless");
    rules.vig = Vig {
        when: if variant.contains("up front") { VigWhen::Upfront } else { VigWhen::OnWin },
        rounding: Rounding::Exact,
        ..Vig::default()
    };
    let on = |stem: &str| std::format!("{stem}:{}", number(variant));
    let named = String::from;
    let family = name.trim_end_matches(" (crapless)");
    let bet = match family {
        "Pass line" | "Crapless pass" => named("pass"),
        "Come" => named("come"),
        "Don't pass" | "Don't come" => {
            rules.bar = match variant {
                "1:1, bar 12" => Bar::Twelve,
                "1:1, bar 2" => Bar::Two,
                "1:1, bar 3" => Bar::Three,
                "1:1, no bar (12 wins)" => Bar::None,
                other => panic!("{other}"),
            };
            named(if name == "Don't pass" { "dont_pass" } else { "dont_come" })
        }
        "Put (pass/come bet put on a number)" => on("put"),
        "Odds (pass/come)" | "Odds" => {
            point = number(variant);
            named("odds:pass")
        }
        "Odds (don't pass/don't come)" => {
            point = number(variant);
            named("odds:dont_pass")
        }
        "Place to win" => on("place"),
        "Place to lose" => on("place_to_lose"),
        "Buy" => on("buy"),
        "Lay" => on("lay"),
        "Big 6/8" => {
            rules.big = pays(variant);
            named(if variant.starts_with('6') { "big6" } else { "big8" })
        }
        "Hardway" => {
            rules.hardways.four_ten = pays(variant);
            rules.hardways.six_eight = pays(variant);
            on("hard")
        }
        "Field" => {
            let three = |total: &str| variant.contains(&std::format!("{total} pays 3:1"));
            let end = |total| Ratio::to(if three(total) { 3 } else { 2 }, 1);
            let five_for_nine = variant.starts_with("5 instead of 9");
            rules.field = Field { two: end("2"), twelve: end("12"), five_for_nine };
            if variant.starts_with("2 pays 2:1") {
                rules.field.two = Ratio::to(2, 1);
            }
            named("field")
        }
        "Any seven" => named("any7"),
        "Any craps" => {
            rules.props.any_craps = pays(variant);
            named("any_craps")
        }
        "Craps 2 / Craps 12" => {
            rules.props.two_twelve = pays(variant);
            named(if variant.starts_with("2 ") { "two" } else { "boxcars" })
        }
        "Ace-deuce (3)" | "Yo (11)" => {
            rules.props.three_eleven = pays(variant);
            named(if name.starts_with('A') { "three" } else { "yo" })
        }
        "Hop, easy way" => {
            rules.hops.easy = pays(variant);
            named("hop:2-5")
        }
        "Hop, hard way" => {
            rules.hops.hard = pays(variant);
            named("hop:5-5")
        }
        "C & E" => named("c_and_e"),
        "Horn" => named("horn"),
        "Horn high" => {
            let on: HornNumber = variant.rsplit(' ').next().unwrap().parse().unwrap();
            std::format!("horn_high:{on}")
        }
        "World / whirl" => named("world"),
        "Three-way craps" => named("three_way"),
        "Hi-Lo" => named("hi_lo"),
        "Hop the sevens" => named("hop_sevens"),
        "Buffalo" => named("buffalo"),
        "Buffalo-yo" => named("buffalo_yo"),
        "Over 7 / Under 7" => named("over7"),
        "Low dice / High dice" => named("low"),
        "Fielder's choice 1" => named("fielders:1"),
        "Fielder's choice 2" => named("fielders:2"),
        "Fielder's choice 3" => named("fielders:3"),
        _ => side(family, variant, &mut rules.sides),
    };
    Play { bet, rules, point }
}

fn side(family: &str, variant: &str, sides: &mut Sides) -> String {
    match family {
        "Point-7" => "point_seven".into(),
        "7-Point" => "seven_point".into(),
        "7-Point-7" => "seven_point_seven".into(),
        "Muggsy's Corner" => "muggsy".into(),
        "Fire bet" => {
            let older = Ladder::new(&[(4, 10), (5, 200), (6, 2000)]);
            let at_once = variant.contains("settled early");
            let pays = if variant.starts_with('A') { Fire::default().pays } else { older };
            sides.fire = Fire { pays, at_once };
            "fire".into()
        }
        "Small (ATS)" => {
            sides.small = pays(variant);
            "small".into()
        }
        "Tall (ATS)" => {
            sides.tall = pays(variant);
            "tall".into()
        }
        "All (ATS)" => {
            sides.all = pays(variant);
            "all".into()
        }
        "Flaming Four" => "flaming_four".into(),
        "Sizzling Six" => "sizzling_six".into(),
        "Hot Hand" => "hot_hand".into(),
        "Different Doubles" => "different_doubles".into(),
        "Hot Roller" => "hot_roller".into(),
        "Replay" => "replay".into(),
        "Hot Shooter Jackpot" => "hot_shooter".into(),
        "Repeater" => {
            let pays = pays(variant);
            let with = |repeat: &Repeat| Repeat { pays, ..*repeat };
            let all = sides.repeater;
            sides.repeater = PerNumber {
                two_twelve: with(&all.two_twelve),
                three_eleven: with(&all.three_eleven),
                four_ten: with(&all.four_ten),
                five_nine: with(&all.five_nine),
                six_eight: with(&all.six_eight),
            };
            std::format!("repeater:{}", number(variant))
        }
        "Repeater Plus" => match variant.chars().next() {
            Some('2') => "repeater_plus:1".into(),
            Some('3') => "repeater_plus:2".into(),
            _ => "repeater_plus:3".into(),
        },
        "Ride the Line" => {
            let tables = Sides::ride_the_line_tables();
            sides.ride_the_line = match variant.strip_prefix("pay table ") {
                Some(table) => tables[table.parse::<usize>().unwrap() - 1].clone(),
                None => Ladder::new(&[
                    (3, 2),
                    (4, 3),
                    (5, 5),
                    (6, 8),
                    (7, 10),
                    (8, 15),
                    (9, 25),
                    (10, 40),
                    (11, 150),
                ]),
            };
            "ride_the_line".into()
        }
        "Twice Hard" => {
            let on = match variant.split(", ").nth(1).unwrap().split(' ').next().unwrap() {
                "one" => TwiceOn::OneHardway,
                _ if variant.contains("double") => TwiceOn::OneDouble,
                _ => TwiceOn::AnyTwoHardways,
            };
            sides.twice_as_hard = TwiceAsHard { on, pays: pays(variant) };
            "twice_as_hard".into()
        }
        other => panic!("no such bet: {other}"),
    }
}

/// The odds multiples of `3-4-5x`, `full double` or `10x`, to win on the don't side.
fn multiples(variant: &str, dark: bool) -> PerNumber<Ratio> {
    let name = variant.split(" (").next().unwrap();
    let times = |number: Number| match (name, number.ways()) {
        ("3-4-5x", ways) => (ways, 1),
        ("full double", 5) => (5, 2),
        ("full double", _) => (2, 1),
        (plain, _) => (plain.trim_end_matches('x').parse().unwrap(), 1),
    };
    let cap = |number: Number| {
        let (over, under) = times(number);
        let lay = if dark { (6, number.ways()) } else { (1, 1) };
        Ratio::reduced(over * lay.0, under * lay.1)
    };
    PerNumber {
        four_ten: cap(Number::Four),
        five_nine: cap(Number::Five),
        six_eight: cap(Number::Six),
        ..PerNumber::all(Ratio::EVEN)
    }
}

#[test]
fn every_published_edge_is_what_the_engine_plays_exactly() {
    let mut known: BTreeMap<(String, String), Odds> = BTreeMap::new();
    let mut rows = 0;
    for line in PUBLISHED.lines().skip(1) {
        let [name, variant, over, under, basis, wins, pushes, rolls] =
            <[String; 8]>::try_from(fields(line)).unwrap();
        let edge = if under == "1" { over } else { std::format!("{over}/{under}") };
        rows += 1;
        if basis == "per_total_action" {
            let dark = name.starts_with('D');
            let caps = multiples(&variant, dark);
            let rules = Rules { odds: caps, dont_odds: caps, ..Rules::default() };
            let flat = bet(if dark { "dont_pass" } else { "pass" });
            let computed = Odds::with_full_odds(flat, &rules).unwrap();
            assert_eq!(computed.to_string(), edge, "{line}");
            continue;
        }
        let odds = known.entry((name.clone(), variant.clone())).or_insert_with(|| {
            let Play { bet: key, rules, point } = play(&name, &variant);
            assert_eq!(rules.validate(), Ok(()), "{line}");
            Odds::of_stake(bet(&key), &rules, None, point).expect("it is offered")
        });
        let computed = match basis.as_str() {
            "per_made" => &odds.per_bet_made,
            "per_resolved" => &odds.per_bet_resolved,
            "per_roll" => &odds.per_roll,
            other => panic!("{other}"),
        };
        assert_eq!(computed.to_string(), edge, "{line}");
        let others = [&odds.wins, &odds.pushes, &odds.rolls].map(Fraction::to_string);
        assert_eq!(others, [wins, pushes, rolls], "{line}");
    }
    assert_eq!(rows, 642);
}

#[test]
fn a_percentage_is_rounded_once() {
    assert_eq!(Fraction::new(7, 495).percent(3), "1.414");
    assert_eq!(Fraction::new(-7, 495).percent(2), "-1.41");
    assert_eq!(Fraction::new(1, 6).percent(0), "17");
    assert_eq!(Fraction::new(1, 2000).percent(1), "0.1");
    assert_eq!(Fraction::new(0, 1).percent(2), "0.00");
}

#[test]
fn small_stakes_cost_what_they_round_away() {
    let mut rules = Rules::default();
    let buy = Odds::of(bet("buy:4"), &rules).unwrap();
    assert_eq!((buy.stake, buy.per_bet_made), (Chips(20), Fraction::new(1, 60)));
    rules.vig.when = VigWhen::Upfront;
    let of = |key: &str, stake: u64, rules: &Rules| {
        let odds = Odds::of_stake(bet(key), rules, Some(Chips(stake)), Number::Six).unwrap();
        odds.per_bet_made.to_string()
    };
    assert_eq!(of("buy:4", 1, &rules), "1/2");
    assert_eq!(of("buy:4", 20, &rules), "1/21");
    assert_eq!(of("yes:6", 125, &rules), "3/275");
    assert_eq!(Offer::of(bet("yes:6"), &rules).unwrap().minimum, Chips(1));
    assert_eq!(Offer::of(bet("no:2"), &rules).unwrap().minimum, Chips(7));
    assert_eq!(Offer::of(bet("place:6"), &rules).unwrap().minimum, Chips(6));
}

#[test]
fn own_bets_cost_two_percent_of_the_chance_to_lose() {
    let rules = Rules::default();
    for on in Number::ALL {
        let ways = i64::from(on.ways());
        let edge = |bet| Odds::of(bet, &rules).unwrap().per_bet_made;
        assert_eq!(edge(Bet::Yes(on)), Fraction::new(6, 50 * (6 + ways)));
        assert_eq!(edge(Bet::No(on)), Fraction::new(ways, 50 * (6 + ways)));
    }
    for on in crate::craps::Total::ALL {
        let ways = 6 - i64::from(on.get().abs_diff(7));
        let odds = Odds::of(Bet::Next(on), &rules).unwrap();
        assert_eq!(odds.per_bet_made, Fraction::new(36 - ways, 50 * 36));
    }
}

#[test]
fn no_preset_has_a_bet_that_favours_the_player() {
    let nothing = Fraction::new(0, 1);
    for rules in Rules::PRESETS.map(|name| Rules::preset(name).unwrap()) {
        assert_eq!(rules.validate(), Ok(()));
        for bet in Bet::all() {
            let Some(odds) = Odds::of(bet, &rules) else { continue };
            assert!(odds.per_bet_made >= nothing, "{bet}: {}", odds.per_bet_made);
        }
    }
}
