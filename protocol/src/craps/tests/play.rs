//! Bets made, refused, paid and taken down, one table at a time.

use super::*;
use crate::craps::odds::Offer;
use crate::craps::{Limit, Number, Phase, Ratio, Round, RulesRefusal, VigWhen};

#[test]
fn the_line_is_decided_as_the_book_says() {
    for total in 2..=12u8 {
        let (first, second) = (total / 2, total - total / 2);
        let decided = Game::new().bet("pass", 10).bet("dont_pass", 10).throw(first, second);
        match total {
            7 | 11 => assert_eq!(decided, ["pass win 20 down", "dont_pass lose 0 down"]),
            2 | 3 => assert_eq!(decided, ["pass lose 0 down", "dont_pass win 20 down"]),
            12 => assert_eq!(decided, ["pass lose 0 down", "dont_pass push 10 down"]),
            _ => assert_eq!(decided, NOTHING),
        }
    }
    for (first, second) in [(2, 2), (2, 3), (3, 3), (4, 4), (4, 5), (5, 5)] {
        let mut game = Game::new();
        game.bet("pass", 10).bet("dont_pass", 10).throw(first, second);
        assert_eq!(game.throw(first, second), ["pass win 20 down", "dont_pass lose 0 down"]);
        let mut game = Game::new();
        game.bet("pass", 10).bet("dont_pass", 10).throw(first, second);
        assert_eq!(game.throw(2, 5), ["pass lose 0 down", "dont_pass win 20 down"]);
    }
}

#[test]
fn odds_pay_what_the_dice_are_worth() {
    for (roll, light, light_pays, dark, dark_pays) in [
        ((2, 2), 30, 90, 60, 90),
        ((2, 3), 40, 100, 60, 100),
        ((3, 3), 50, 110, 60, 110),
        ((4, 4), 50, 110, 60, 110),
        ((4, 5), 40, 100, 60, 100),
        ((5, 5), 30, 90, 60, 90),
    ] {
        let on_point = || {
            let mut game = Game::new();
            game.bet("pass", 10).bet("dont_pass", 10).throw(roll.0, roll.1);
            game.bet("odds:pass", light).bet("odds:dont_pass", dark);
            game
        };
        assert_eq!(
            on_point().try_bet("odds:pass", light),
            Err(Refusal::OverOddsCap { cap: Chips(light) })
        );
        assert_eq!(
            on_point().throw(roll.0, roll.1),
            [
                "pass win 20 down",
                "dont_pass lose 0 down",
                &std::format!("odds:pass win {light_pays} down"),
                "odds:dont_pass lose 0 down",
            ]
        );
        assert_eq!(
            on_point().throw(6, 1),
            [
                "pass lose 0 down",
                "dont_pass win 20 down",
                "odds:pass lose 0 down",
                &std::format!("odds:dont_pass win {dark_pays} down"),
            ]
        );
    }
}

#[test]
fn one_roll_bets_pay_on_their_totals_and_lose_on_all_others() {
    let pays = |key: &str| -> Vec<u64> {
        let credit = |total: u8| {
            let (first, second) = (total / 2, total - total / 2);
            let settlement = Game::new().bet(key, 1).settle(first, second);
            settlement.payouts.get(&ANNA).map_or(0, |chips| chips.0)
        };
        (2..=12).map(credit).collect()
    };
    assert_eq!(pays("field"), [3, 2, 2, 0, 0, 0, 0, 2, 2, 2, 4]);
    assert_eq!(pays("any7"), [0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0]);
    assert_eq!(pays("any_craps"), [8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 8]);
    assert_eq!(pays("two"), [31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(pays("three"), [0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(pays("yo"), [0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0]);
    assert_eq!(pays("boxcars"), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 31]);
}

#[test]
fn place_bets_and_hardways_pay_their_tables() {
    for (key, stake, roll, credit) in [
        ("place:4", 5, (1, 3), 9),
        ("place:5", 5, (1, 4), 7),
        ("place:6", 6, (2, 4), 7),
        ("place:8", 60, (2, 6), 70),
        ("place:9", 50, (3, 6), 70),
        ("place:10", 500, (4, 6), 900),
        ("hard:4", 3, (2, 2), 21),
        ("hard:6", 3, (3, 3), 27),
        ("hard:8", 3, (4, 4), 27),
        ("hard:10", 3, (5, 5), 21),
    ] {
        let mut game = Game::new();
        let point = if roll.0 + roll.1 == 9 { (2, 2) } else { (4, 5) };
        game.point(point.0, point.1).bet(key, stake);
        assert_eq!(game.throw(roll.0, roll.1), [std::format!("{key} win {credit} stays")]);
        assert_eq!(game.throw(1, 6), [std::format!("{key} lose 0 down")]);
    }
}

#[test]
fn a_bet_opens_when_the_puck_says_so() {
    let mut game = Game::new();
    for key in ["come", "dont_come", "odds:pass", "odds:dont_pass"] {
        assert_eq!(game.try_bet(key, 10), Err(Refusal::PuckOff), "{key}");
    }
    let no_flat = |flat| Err(Refusal::NoFlatBet { flat: bet(flat) });
    assert_eq!(game.try_bet("odds:come:6", 10), no_flat("come:6"));
    game.point(2, 2);
    for key in ["pass", "dont_pass"] {
        assert_eq!(game.try_bet(key, 10), Err(Refusal::PuckOn { point: Number::Four }), "{key}");
    }
    assert_eq!(game.try_bet("odds:pass", 10), no_flat("pass"));
    assert_eq!(game.try_bet("odds:dont_pass", 10), no_flat("dont_pass"));
}

#[test]
fn limits_hold_for_the_whole_stake() {
    let mut game = Game::with(|rules| {
        rules.limits.line = Limit { min: Chips(10), max: Chips(25), ..rules.limits.line };
        rules.limits.place = Limit { min: Chips(10), max: Chips(100), ..rules.limits.place };
        rules.max_bets = 2;
    });
    let minimum = |minimum| Err(Refusal::UnderMinimum { minimum: Chips(minimum) });
    assert_eq!(game.try_bet("pass", 9), minimum(10));
    assert_eq!(game.try_bet("pass", 0), minimum(10));
    assert_eq!(game.try_bet("place:6", 6), minimum(12));
    game.bet("pass", 10).bet("pass", 5);
    assert_eq!(game.try_bet("pass", 0), minimum(10));
    assert_eq!(game.try_bet("pass", 11), Err(Refusal::OverMaximum { maximum: Chips(25) }));
    game.bet("field", 1);
    assert_eq!(game.try_bet("yo", 1), Err(Refusal::TooManyBets { limit: 2 }));
    game.bet("pass", 10);
    assert_eq!(game.up(), ["pass 25", "field 1"]);
}

#[test]
fn a_hostile_pay_table_makes_large_units_and_nothing_worse() {
    let mut game = Game::with(|rules| {
        rules.field.two = Ratio::to(1, 9999);
        rules.field.twelve = Ratio::to(1, 10_000);
    });
    let unit = Chips(99_990_000);
    assert_eq!(game.try_bet("field", 1_000_000), Err(Refusal::NotAMultiple { unit }));
    assert_eq!(
        game.try_bet("field", unit.0),
        Err(Refusal::OverMaximum { maximum: Chips(1_000_000) })
    );
}

#[test]
fn the_bank_must_cover_the_worst_of_all_bets_together() {
    let mut table =
        Table::open(Rules::default(), OWNER, Chips(100), moment(0, 0)).expect("a small bank");
    table.sit(ANNA).unwrap();
    table.sit(BERT).unwrap();
    let at = moment(0, 0);
    let round = Round(1);
    table.bet(ANNA, round, Bet::Pass, Chips(100), at).unwrap();
    assert_eq!(table.reserve(), Chips(100));
    let short = |needed| Refusal::BankCannotCover { needed: Chips(needed), bank: Chips(100) };
    assert_eq!(table.bet(BERT, round, Bet::Pass, Chips(1), at), Err(short(101)));
    assert_eq!(table.bet(ANNA, round, Bet::Pass, Chips(1), at), Err(short(101)));
    table.bet(BERT, round, Bet::DontPass, Chips(100), at).unwrap();
    assert_eq!(table.reserve(), Chips(100), "only one side of the line is ever paid");
    assert_eq!(table.bet(BERT, round, Bet::Boxcars, Chips(1), at), Err(short(130)));
    table.take_down(ANNA, round, Bet::Pass, None).unwrap();
    assert_eq!(table.reserve(), Chips(100));
    table.take_down(BERT, round, Bet::DontPass, None).unwrap();
    assert_eq!(table.reserve(), Chips(0));
    table.bet(BERT, round, Bet::Boxcars, Chips(3), at).unwrap();
    assert_eq!((table.reserve(), table.held()), (Chips(90), Chips(103)));
}

#[test]
fn losing_one_roll_bets_do_not_pay_for_winners_as_they_could_be_taken_down() {
    let mut table = Table::open(Rules::default(), OWNER, Chips(40), moment(0, 0)).unwrap();
    table.sit(ANNA).unwrap();
    let at = moment(0, 0);
    table.bet(ANNA, Round(1), Bet::AnySeven, Chips(10), at).unwrap();
    table.bet(ANNA, Round(1), Bet::Field, Chips(10), at).unwrap();
    assert_eq!(table.reserve(), Chips(40));
    table.take_down(ANNA, Round(1), Bet::Field, None).unwrap();
    assert_eq!(table.reserve(), Chips(40));
}

#[test]
fn winners_that_the_bank_cannot_cover_again_all_come_down_and_nobody_else() {
    let mut table = Table::open(Rules::default(), OWNER, Chips(64), moment(0, 0)).unwrap();
    table.sit(ANNA).unwrap();
    table.sit(BERT).unwrap();
    let mut game = Game { table, hours: 0 };
    game.point(4, 5);
    assert_eq!(game.table.bank(), Chips(65));
    game.bet("place:6", 12).bet_of(BERT, "place:6", 12).bet("place:8", 12);
    game.bet_of(BERT, "hard:8", 2);
    assert_eq!(game.table.reserve(), Chips(3 * 14 + 18));
    let settlement = game.settle(2, 4);
    assert_eq!(settlement.payouts, [(ANNA, Chips(26)), (BERT, Chips(26))].into());
    assert_eq!(
        settlement.resolved.iter().map(line).collect::<Vec<_>>(),
        ["place:6 win 26 down", "place:6 win 26 down"]
    );
    assert_eq!((game.table.bank(), game.table.reserve()), (Chips(37), Chips(32)));
    assert_eq!(game.up(), ["place:8 12"]);
}

#[test]
fn bets_name_the_round_they_are_for() {
    let mut game = Game::new();
    game.bet("pass", 10).throw(3, 3);
    let (at, wrong) = (game.at(), Err(Refusal::WrongRound { current: Round(2) }));
    for round in [Round(1), Round(3)] {
        assert_eq!(game.table.bet(ANNA, round, Bet::Field, Chips(1), at), wrong);
        assert_eq!(game.table.ready(ANNA, round), wrong);
        assert_eq!(game.table.roll(Some(ANNA), round, at, TICKET), wrong);
        let down = game.table.take_down(ANNA, round, Bet::Pass, None);
        assert_eq!(down, Err(Refusal::WrongRound { current: Round(2) }));
    }
}

#[test]
fn while_the_dice_are_in_the_air_everything_is_frozen() {
    let mut game = Game::new();
    game.bet("pass", 10).bet("field", 10);
    game.hours = 1;
    let at = game.at();
    game.table.roll(Some(ANNA), Round(1), at, TICKET).unwrap();
    assert_eq!(game.table.phase(), Phase::Rolling { ticket: TICKET });
    let frozen = game.table.clone();
    let (round, table) = (Round(1), &mut game.table);
    assert_eq!(table.bet(ANNA, round, Bet::Yo, Chips(1), at), Err(Refusal::Rolling));
    assert_eq!(table.take_down(ANNA, round, Bet::Field, None), Err(Refusal::Rolling));
    assert_eq!(table.stand(ANNA, at), Err(Refusal::Rolling));
    assert_eq!(table.ready(ANNA, round), Err(Refusal::Rolling));
    assert_eq!(table.roll(Some(ANNA), round, at, TICKET), Err(Refusal::Rolling));
    assert_eq!(table.roll_refusal(None, at), Some(Refusal::Rolling));
    assert_eq!(table.close(OWNER), Err(Refusal::Rolling));
    assert_eq!(table.deadline(), None);
    assert_eq!(*table, frozen);
}

#[test]
fn a_bet_that_is_not_up_cannot_come_down() {
    let mut game = Game::new();
    game.table.sit(BERT).unwrap();
    game.bet_of(BERT, "field", 10);
    assert_eq!(game.down("field"), Err(Refusal::NoSuchBet { bet: Bet::Field }));
    assert_eq!(game.down("pass"), Err(Refusal::NoSuchBet { bet: Bet::Pass }));
}

#[test]
fn a_part_comes_down_if_what_stays_is_a_bet_that_could_be_made() {
    let mut game = Game::with(|rules| {
        rules.vig.when = VigWhen::Upfront;
        rules.limits.place.min = Chips(10);
    });
    game.bet("pass", 10).throw(2, 2);
    game.bet("place:6", 30).bet("buy:10", 60).bet("horn", 8);
    assert_eq!(game.down_by("place:6", 6), Ok(Chips(6)));
    assert_eq!(game.down_by("place:6", 5), Err(Refusal::NotAMultiple { unit: Chips(6) }));
    let minimum = Chips(10);
    assert_eq!(game.down_by("place:6", 18), Err(Refusal::UnderMinimum { minimum }));
    assert_eq!(game.down_by("place:6", 0), Err(Refusal::NoChips));
    let stake = Chips(24);
    assert_eq!(game.down_by("place:6", 30), Err(Refusal::MoreThanIsUp { stake }));
    assert_eq!(game.down_by("buy:10", 20), Ok(Chips(21)), "with its share of the vig");
    assert_eq!(game.down_by("horn", 4), Ok(Chips(4)));
    assert_eq!(game.down_by("pass", 5), Err(Refusal::ContractBet { bet: Bet::Pass }));
    assert_eq!(game.down_by("yo", 1), Err(Refusal::NoSuchBet { bet: Bet::Yo }));
    assert_eq!(game.up(), ["pass 10", "horn 4", "place:6 24", "buy:10 40"]);
    assert_eq!(game.down("place:6"), Ok(Chips(24)));
}

#[test]
fn a_table_opens_with_a_bank_and_sound_rules_and_closes_without_bets() {
    let at = moment(0, 0);
    let open = |rules, bank| Table::open(rules, OWNER, Chips(bank), at);
    assert_eq!(open(Rules::default(), 0), Err(Refusal::EmptyBank));
    let rules = Rules { window_blocks: 1, ..Rules::default() };
    assert_eq!(open(rules, 1), Err(Refusal::Rules(RulesRefusal::WindowBlocks)));
    let mut game = Game::new();
    assert_eq!(game.table.close(ANNA), Err(Refusal::NotTheOwner));
    game.bet("field", 10);
    assert_eq!(game.table.close(OWNER), Err(Refusal::BetsUp));
    game.throw(3, 3);
    assert_eq!(game.table.close(OWNER), Ok(Chips(1_000_010)));
    assert_eq!(game.table.held(), Chips(0));
}

#[test]
fn more_chips_than_fit_are_refused() {
    let mut rules = Rules::default();
    rules.limits.line.max = Chips(u64::MAX);
    let mut table = Table::open(rules, OWNER, Chips(u64::MAX - 10), moment(0, 0)).unwrap();
    table.sit(ANNA).unwrap();
    let mut game = Game { table, hours: 0 };
    assert_eq!(game.try_bet("pass", u64::MAX), Err(Refusal::TooManyChips));
    game.bet("pass", 10);
    assert_eq!(game.try_bet("pass", u64::MAX), Err(Refusal::TooManyChips));
    assert_eq!(game.try_bet("dont_pass", 1), Err(Refusal::TooManyChips));
    assert_eq!(game.throw(3, 4), ["pass win 20 down"]);
}

#[test]
fn the_last_rolls_are_remembered_and_older_ones_forgotten() {
    let mut game = Game::new();
    for turn in 0..40u8 {
        game.bet("field", 1).throw(turn % 6 + 1, 1);
    }
    let history: Vec<Dice> = game.table.history().collect();
    let expected: Vec<Dice> = (8..40u8).map(|turn| dice(turn % 6 + 1, 1)).collect();
    assert_eq!(history, expected);
    assert_eq!(game.table.round(), Round(41));
}

#[test]
fn refusals_say_what_to_do() {
    let say = |refusal: Refusal| refusal.to_string();
    assert_eq!(
        say(Refusal::NotAMultiple { unit: Chips(6) }),
        "the stake must be a multiple of 6, so that it can be paid exactly"
    );
    assert_eq!(
        say(Refusal::WrongRound { current: Round(9) }),
        "the next roll is round 9: ask again for that round"
    );
    assert_eq!(
        say(Refusal::BankCannotCover { needed: Chips(130), bank: Chips(100) }),
        "the bank of 100 cannot cover it, as the worst would then cost 130: bet less"
    );
    assert_eq!(
        say(Refusal::ContractBet { bet: bet("come:6") }),
        "come:6 is a contract bet now: it stays up until it wins or loses"
    );
}

#[test]
fn bets_are_called_on_and_off_until_their_player_says_otherwise() {
    let mut game = Game::new();
    let call =
        |game: &mut Game, key, on| game.table.set_working(ANNA, game.table.round(), bet(key), on);
    game.bet("place:6", 12).bet("hard:8", 1).bet("pass", 10).bet("field", 1);
    assert_eq!(call(&mut game, "pass", false), Err(Refusal::AlwaysOn { bet: Bet::Pass }));
    assert_eq!(call(&mut game, "field", false), Err(Refusal::AlwaysOn { bet: Bet::Field }));
    assert_eq!(call(&mut game, "yo", false), Err(Refusal::NoSuchBet { bet: Bet::Yo }));
    assert_eq!(game.table.is_working(ANNA, bet("place:6")), Some(false));
    call(&mut game, "place:6", true).unwrap();
    assert_eq!(game.table.is_working(ANNA, bet("place:6")), Some(true));
    assert_eq!(game.throw(2, 4), ["field lose 0 down", "place:6 win 14 stays"]);
    call(&mut game, "place:6", false).unwrap();
    assert_eq!(game.throw(2, 4), ["pass win 20 down"]);
    assert_eq!(game.throw(5, 5), NOTHING);
    assert_eq!(game.throw(3, 4), ["hard:8 lose 0 down"]);
    assert_eq!(game.up(), ["place:6 12"]);
}

#[test]
fn a_bank_is_funded_and_drawn_from_and_waits_while_the_dice_roll() {
    let mut game = Game::new();
    assert_eq!(game.table.fund(Chips(0)), Err(Refusal::NoChips));
    assert_eq!(game.table.draw(ANNA, Chips(1)), Err(Refusal::NotTheOwner));
    game.bet("pass", 10);
    let free = Chips(999_990);
    assert_eq!(game.table.draw(OWNER, Chips(999_991)), Err(Refusal::Reserved { free }));
    assert_eq!(game.table.draw(OWNER, Chips(999_900)), Ok(Chips(999_900)));
    assert_eq!(game.table.fund(Chips(5)), Ok(()));
    assert_eq!(game.table.bank(), Chips(105));
    game.hours += 1;
    let (at, round) = (game.at(), game.table.round());
    game.table.roll(None, round, at, TICKET).unwrap();
    assert_eq!(game.table.fund(Chips(7)), Ok(()));
    assert_eq!(game.table.draw(OWNER, Chips(1000)), Ok(Chips(0)));
    assert_eq!((game.table.bank(), game.table.held()), (Chips(105), Chips(122)));
    let settlement = game.table.settle(dice(3, 4), at);
    assert_eq!(settlement.drawn, Chips(101), "the bank keeps a chip");
    assert_eq!(settlement.payouts, [(ANNA, Chips(20)), (OWNER, Chips(101))].into());
    assert_eq!((game.table.bank(), game.table.held()), (Chips(1), Chips(1)));
}

#[test]
fn long_shots_are_capped_by_what_they_could_win() {
    let mut game = Game::with(|rules| rules.limits.sides.max_win = Chips(2000));
    let over = Err(Refusal::OverMaximumPayout { maximum: Chips(2000) });
    assert_eq!(game.try_bet("fire", 3), over);
    game.bet("fire", 1).bet("fire", 1);
    assert_eq!(game.try_bet("fire", 1), over);
}

#[test]
fn long_shots_of_all_players_are_capped_together_bet_by_bet() {
    let mut game = Game::with(|rules| rules.limits.sides.max_win_of_all = Chips(2000));
    game.table.sit(BERT).unwrap();
    game.bet("fire", 1).bet_of(BERT, "fire", 1);
    let over = Err(Refusal::OverMaximumPayoutOfAll { maximum: Chips(2000) });
    assert_eq!(game.try_bet("fire", 1), over);
    assert_eq!(game.try_bet_of(BERT, "fire", 1), over);
    game.bet("all", 5).bet_of(BERT, "all", 5);
    assert_eq!(game.try_bet("all", 2), over);
}

#[test]
fn what_a_table_does_not_offer_is_refused_by_name() {
    let not_offered = |key| Err(Refusal::NotOffered { bet: bet(key) });
    let mut game = Game::new();
    assert_eq!(game.try_bet("place:2", 2), not_offered("place:2"));
    assert_eq!(game.try_bet("place_to_lose:11", 11), not_offered("place_to_lose:11"));
    let mut game = Game::with(|rules| rules.crapless = true);
    let no_dont = ["dont_pass", "dont_come", "odds:dont_pass", "odds:dont_come:4"];
    for key in no_dont.into_iter().chain(["fire", "muggsy", "replay"]) {
        assert_eq!(game.try_bet(key, 1), not_offered(key));
        assert_eq!(Offer::of(bet(key), game.table.rules()), None, "{key}");
    }
    assert_eq!(game.bet("pass", 10).throw(1, 1), NOTHING);
    assert_eq!(game.table.point(), Some(Number::Two));
    game.bet("odds:pass", 30).bet("place:12", 2).bet("come", 10);
    assert_eq!(game.throw(5, 6), NOTHING);
    assert_eq!(game.up(), ["pass 10", "odds:pass 30", "come:11 10", "place:12 2"]);
    assert_eq!(game.throw(6, 6), ["place:12 win 11 stays"]);
    assert_eq!(game.throw(1, 1), ["pass win 20 down", "odds:pass win 210 down"]);
}
