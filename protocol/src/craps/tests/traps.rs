//! One test per rule that implementers get wrong, numbered as in craps.md section 8.

use super::*;
use crate::craps::{Bar, Number, Ratio, VigWhen};

#[test]
fn trap_1_a_pay_to_one_is_profit_and_the_stake_comes_back() {
    assert_eq!(Game::new().bet("yo", 1).throw(5, 6), ["yo win 16 down"]);
    assert_eq!(Game::new().bet("boxcars", 2).throw(6, 6), ["boxcars win 62 down"]);
    assert_eq!(Game::new().bet("any7", 3).throw(1, 6), ["any7 win 15 down"]);
}

#[test]
fn trap_2_twelve_bars_dont_pass_and_a_fresh_dont_come_and_nothing_later() {
    let mut game = Game::new();
    assert_eq!(game.bet("dont_pass", 10).throw(6, 6), ["dont_pass push 10 down"]);
    game.bet("dont_pass", 10).throw(3, 3);
    game.bet("dont_come", 10).throw(2, 2);
    assert_eq!(game.up(), ["dont_pass 10", "dont_come:4 10"]);
    assert_eq!(game.bet("dont_come", 20).throw(6, 6), ["dont_come push 20 down"]);
    assert_eq!(game.up(), ["dont_pass 10", "dont_come:4 10"]);
}

#[test]
fn trap_2_the_other_bars_push_on_their_own_craps_only() {
    let mut game = Game::with(|rules| rules.bar = Bar::Two);
    assert_eq!(game.bet("dont_pass", 10).throw(1, 1), ["dont_pass push 10 down"]);
    assert_eq!(game.bet("dont_pass", 10).throw(6, 6), ["dont_pass win 20 down"]);
    let mut game = Game::with(|rules| rules.bar = Bar::Three);
    assert_eq!(game.bet("dont_pass", 10).throw(1, 2), ["dont_pass push 10 down"]);
    assert_eq!(game.bet("dont_pass", 10).throw(6, 6), ["dont_pass win 20 down"]);
}

#[test]
fn trap_3_a_come_out_seven_pays_pass_and_ends_travelled_bets_but_the_shooter_keeps_the_dice() {
    let mut game = Game::new();
    game.bet("pass", 10).throw(4, 4);
    game.bet("come", 10).throw(2, 3);
    game.bet("dont_come", 10).throw(2, 2);
    game.bet("odds:come:5", 20).bet("odds:dont_come:4", 20).throw(4, 4);
    game.bet("pass", 10).bet("place:6", 12).bet("hard:8", 5);
    game.table.sit(BERT).unwrap();
    let shooter = game.table.shooter();
    game.hours += 1;
    game.table.roll(shooter, game.table.round(), game.at(), TICKET).unwrap();
    let settlement = game.table.settle(dice(3, 4), game.at());
    assert_eq!(
        settlement.resolved.iter().map(line).collect::<Vec<_>>(),
        [
            "pass win 20 down",
            "come:5 lose 0 down",
            "dont_come:4 win 20 down",
            "odds:come:5 push 20 down",
            "odds:dont_come:4 win 30 down",
        ]
    );
    assert_eq!(game.up(), ["place:6 12", "hard:8 5"]);
    assert_eq!((settlement.seven_out, settlement.shooter), (false, shooter));
}

#[test]
fn trap_4_the_old_come_bet_is_settled_before_the_new_one_travels_to_its_number() {
    let mut game = Game::new();
    game.point(4, 4).bet("come", 10).throw(2, 3);
    game.bet("odds:come:5", 30).bet("come", 20);
    let settlement = game.settle(1, 4);
    assert_eq!(
        settlement.resolved.iter().map(line).collect::<Vec<_>>(),
        ["come:5 win 20 down", "odds:come:5 win 75 down"]
    );
    let [moved] = settlement.moved[..] else { panic!("one bet travels") };
    assert_eq!((moved.from, moved.to, moved.stake), (bet("come"), bet("come:5"), Chips(20)));
    assert_eq!(game.up(), ["come:5 20"]);
}

#[test]
fn trap_5_a_flat_come_bet_travels_to_the_point_that_is_made() {
    let mut game = Game::new();
    game.bet("pass", 10).throw(3, 3);
    game.bet("come", 10).bet("dont_come", 10);
    assert_eq!(game.throw(2, 4), ["pass win 20 down"]);
    assert_eq!(game.up(), ["come:6 10", "dont_come:6 10"]);
    assert_eq!(game.table.point(), None);
}

#[test]
fn trap_6_a_seven_out_is_the_natural_of_a_flat_come_bet() {
    let mut game = Game::new();
    game.bet("pass", 10).throw(3, 3);
    game.bet("come", 10).throw(2, 2);
    game.bet("dont_come", 10).throw(4, 5);
    game.bet("come", 20).bet("dont_come", 30);
    assert_eq!(
        game.throw(1, 6),
        [
            "pass lose 0 down",
            "come win 40 down",
            "dont_come lose 0 down",
            "come:4 lose 0 down",
            "dont_come:9 win 20 down",
        ]
    );
}

#[test]
fn trap_7_eleven_and_craps_with_the_puck_on_settle_only_flat_come_bets() {
    for (roll, come, dont_come) in [
        ((5, 6), "come win 20 down", "dont_come lose 0 down"),
        ((1, 1), "come lose 0 down", "dont_come win 20 down"),
        ((1, 2), "come lose 0 down", "dont_come win 20 down"),
        ((6, 6), "come lose 0 down", "dont_come push 10 down"),
    ] {
        let mut game = Game::new();
        game.bet("pass", 10).bet("dont_pass", 10).throw(3, 3);
        game.bet("come", 5).throw(2, 2);
        game.bet("come", 10).bet("dont_come", 10);
        assert_eq!(game.throw(roll.0, roll.1), [come, dont_come]);
        assert_eq!(game.up(), ["pass 10", "dont_pass 10", "come:4 5"]);
    }
}

#[test]
fn trap_8_come_odds_that_are_off_return_on_their_number_or_a_seven_only() {
    let come_out_with_odds = || {
        let mut game = Game::new();
        game.bet("pass", 10).throw(3, 3);
        game.bet("come", 10).throw(2, 3);
        game.bet("odds:come:5", 20).throw(3, 3);
        game
    };
    let mut game = come_out_with_odds();
    assert_eq!(game.throw(2, 3), ["come:5 win 20 down", "odds:come:5 push 20 down"]);
    let mut game = come_out_with_odds();
    assert_eq!(game.throw(3, 4), ["come:5 lose 0 down", "odds:come:5 push 20 down"]);
    for roll in [(1, 1), (1, 2), (2, 2), (3, 3), (4, 4), (4, 5), (5, 5), (5, 6), (6, 6)] {
        let mut game = come_out_with_odds();
        assert_eq!(game.throw(roll.0, roll.1), NOTHING);
        assert_eq!(game.up(), ["come:5 10", "odds:come:5 20"]);
    }
}

#[test]
fn trap_8_a_house_may_let_come_odds_work_and_dont_come_odds_rest() {
    let mut game = Game::with(|rules| {
        rules.works_on_come_out.come_odds = true;
        rules.works_on_come_out.dont_come_odds = false;
    });
    game.bet("pass", 10).throw(3, 3);
    game.bet("come", 10).bet("dont_come", 10).throw(2, 3);
    game.bet("odds:come:5", 20).bet("odds:dont_come:5", 30).throw(3, 3);
    assert_eq!(
        game.throw(3, 4),
        [
            "come:5 lose 0 down",
            "dont_come:5 win 20 down",
            "odds:come:5 lose 0 down",
            "odds:dont_come:5 push 30 down",
        ]
    );
}

#[test]
fn trap_9_pass_and_travelled_come_stay_up_and_dont_bets_do_not_go_back_up() {
    let mut game = Game::new();
    game.bet("pass", 10);
    assert_eq!(game.down("pass"), Ok(Chips(10)), "before there is a point it is free");
    game.bet("pass", 10).bet("dont_pass", 10).throw(3, 3);
    game.bet("come", 10).bet("dont_come", 10).throw(2, 2);
    for key in ["pass", "come:4"] {
        assert_eq!(game.down(key), Err(Refusal::ContractBet { bet: bet(key) }));
    }
    assert_eq!(game.table.stand(ANNA, game.at()), Ok(Chips(20)), "not even by leaving");
    assert_eq!(game.up(), ["pass 10", "come:4 10"]);
    game.table.sit(ANNA).unwrap();
    assert_eq!(game.try_bet("dont_pass", 10), Err(Refusal::PuckOn { point: Number::Six }));
    let dont_come = bet("dont_come:4");
    assert_eq!(game.try_bet("dont_come:4", 10), Err(Refusal::OnlyTravels { bet: dont_come }));
}

#[test]
fn trap_10_a_put_bet_is_refused() {
    let mut game = Game::new();
    game.bet("pass", 10).throw(3, 3);
    assert_eq!(game.try_bet("pass", 10), Err(Refusal::PuckOn { point: Number::Six }));
    game.bet("come", 10).throw(2, 2);
    assert_eq!(game.try_bet("come:4", 10), Err(Refusal::OnlyTravels { bet: bet("come:4") }));
    assert_eq!(game.try_bet("come:5", 10), Err(Refusal::OnlyTravels { bet: bet("come:5") }));
}

#[test]
fn trap_11_a_hardway_loses_on_its_soft_way_and_a_hard_point_settles_both() {
    let mut game = Game::new();
    game.bet("pass", 10).throw(2, 4);
    game.bet("hard:6", 5).bet("hard:8", 5);
    assert_eq!(game.throw(2, 6), ["hard:8 lose 0 down"]);
    assert_eq!(game.throw(3, 3), ["pass win 20 down", "hard:6 win 45 stays"]);
    assert_eq!("hard:2".parse::<Bet>().ok(), None);
    assert_eq!("hard:12".parse::<Bet>().ok(), None);
}

#[test]
fn trap_12_a_place_bet_stays_when_it_wins_and_rests_while_the_puck_is_off() {
    let mut game = Game::new();
    game.bet("pass", 10).throw(3, 3);
    game.bet("place:8", 12);
    assert_eq!(game.throw(4, 4), ["place:8 win 14 stays"]);
    assert_eq!(game.throw(3, 3), ["pass win 20 down"]);
    assert_eq!(game.throw(3, 4), NOTHING, "off, it does not lose to the 7");
    assert_eq!(game.throw(4, 4), NOTHING, "off, it does not win on the come-out");
    assert_eq!(game.throw(1, 6), ["place:8 lose 0 down"]);
}

#[test]
fn trap_12_a_house_may_let_place_bets_work_and_come_down() {
    let mut game = Game::with(|rules| {
        rules.works_on_come_out.place = true;
        rules.stays_after_win.place = false;
    });
    game.bet("place:8", 12).bet("place:5", 5);
    assert_eq!(game.throw(4, 4), ["place:8 win 26 down"]);
    assert_eq!(game.throw(4, 4), NOTHING);
    assert_eq!(game.throw(3, 4), ["place:5 lose 0 down"]);
}

#[test]
fn trap_13_the_vig_is_on_the_stake_of_a_buy_and_on_the_win_of_a_lay() {
    let mut game = Game::new();
    game.point(3, 3).bet("buy:4", 40).bet("lay:10", 80);
    assert_eq!(game.throw(1, 3), ["buy:4 win 78 stays"]);
    assert_eq!(game.throw(3, 4), ["buy:4 lose 0 down", "lay:10 win 38 stays"]);
}

#[test]
fn trap_13_a_vig_up_front_comes_back_with_the_bet_and_is_charged_again_after_a_win() {
    let mut game = Game::with(|rules| rules.vig.when = VigWhen::Upfront);
    game.point(3, 3);
    let price = |game: &Game, key, amount| game.table.price(ANNA, bet(key), Chips(amount));
    assert_eq!(price(&game, "buy:4", 40), Ok(Chips(42)));
    assert_eq!(price(&game, "lay:10", 80), Ok(Chips(82)));
    game.bet("buy:4", 20).bet("lay:10", 80);
    assert_eq!(price(&game, "buy:4", 20), Ok(Chips(21)));
    game.bet("buy:4", 20);
    let bank = game.table.bank();
    assert_eq!(game.throw(1, 3), ["buy:4 win 78 stays"]);
    assert_eq!(game.table.bank(), Chips(bank.0 - 78));
    assert_eq!(game.down("lay:10"), Ok(Chips(82)));
    assert_eq!(game.throw(3, 4), ["buy:4 lose 0 down"]);
    assert_eq!(game.table.bank(), Chips(bank.0 - 78 + 42));
}

#[test]
fn trap_14_a_hop_is_both_orders_of_its_faces_and_seven_is_three_of_them() {
    for roll in [(2, 5), (5, 2)] {
        let decided = Game::new().bet("hop:2-5", 1).bet("hop:1-6", 1).throw(roll.0, roll.1);
        assert_eq!(decided, ["hop:1-6 lose 0 down", "hop:2-5 win 16 down"]);
    }
    assert_eq!(Game::new().bet("hop:4-4", 1).throw(4, 4), ["hop:4-4 win 31 down"]);
    assert_eq!(Game::new().bet("hop:4-4", 1).throw(3, 5), ["hop:4-4 lose 0 down"]);
    for roll in [(1, 6), (5, 2), (3, 4)] {
        let decided = Game::new().bet("hop_sevens", 3).throw(roll.0, roll.1);
        assert_eq!(decided, ["hop_sevens win 16 down"]);
    }
}

#[test]
fn trap_15_fire_counts_points_made_once_each_and_outlasts_a_come_out_seven() {
    let mut game = Game::new();
    game.bet("fire", 1);
    for (first, second) in [(3, 4), (2, 2), (4, 6), (1, 3), (2, 3), (2, 3), (2, 2), (2, 2)] {
        assert_eq!(game.throw(first, second), NOTHING);
    }
    for (first, second) in [(3, 3), (3, 3), (4, 4), (4, 4), (4, 5), (6, 4)] {
        assert_eq!(game.throw(first, second), NOTHING);
    }
    assert_eq!(game.throw(1, 6), ["fire win 25 down"], "4, 5, 6 and 8; not 9 or 10");
}

#[test]
fn trap_15_what_was_rolled_before_a_bet_was_made_does_not_count_for_it() {
    let mut game = Game::new();
    game.table.sit(BERT).unwrap();
    game.bet("small", 1);
    for (first, second) in [(1, 1), (1, 2), (2, 2), (2, 3)] {
        assert_eq!(game.throw(first, second), NOTHING);
    }
    let late = game.try_bet_of(BERT, "small", 1);
    assert_eq!(late, Err(Refusal::PuckOn { point: Number::Four }));
    assert_eq!(game.throw(3, 3), ["small win 35 down"]);
    game.bet("any7", 1).throw(2, 2);
    assert_eq!(game.try_bet("small", 1), Err(Refusal::NoSevenBefore));
    game.bet("pass", 1).throw(3, 4);
    game.bet("small", 1).bet_of(BERT, "small", 1).throw(5, 6);
    assert_eq!(game.try_bet("small", 1), Err(Refusal::NoSevenBefore));
    assert_eq!(game.try_bet("fire", 1), Err(Refusal::HandUnderway));
}

#[test]
fn trap_18_a_bet_that_has_seen_a_roll_is_not_added_to_and_does_not_come_down() {
    let mut game = Game::new();
    game.bet("muggsy", 1).bet("muggsy", 1).throw(2, 2);
    assert_eq!(game.up(), ["muggsy 2"]);
    assert_eq!(game.down("muggsy"), Err(Refusal::ContractBet { bet: Bet::Muggsy }));
    assert_eq!(game.throw(3, 4), ["muggsy win 8 down"]);
    game.bet("seven_point", 1).throw(3, 4);
    let again = game.try_bet("seven_point", 1);
    assert_eq!(again, Err(Refusal::ContractBet { bet: Bet::SevenPoint }));
}

#[test]
fn composite_bets_are_split_exactly_or_refused() {
    let mut game = Game::new();
    let unit = |unit| Err(Refusal::NotAMultiple { unit: Chips(unit) });
    for (key, odd, units) in [
        ("horn", 5, 4),
        ("horn", 7, 4),
        ("world", 4, 5),
        ("c_and_e", 3, 2),
        ("three_way", 4, 3),
        ("hi_lo", 1, 2),
        ("hop_sevens", 4, 3),
        ("buffalo", 6, 5),
        ("horn_high:12", 4, 5),
    ] {
        assert_eq!(game.try_bet(key, odd), unit(units), "{key}");
    }
    game.bet("world", 5).bet("horn", 4).bet("horn_high:12", 5).bet("buffalo", 5);
    assert_eq!(
        game.throw(6, 6),
        [
            "horn win 31 down",
            "world win 31 down",
            "buffalo lose 0 down",
            "horn_high:12 win 62 down"
        ]
    );
    assert_eq!(game.bet("world", 5).throw(3, 4), ["world push 5 down"]);
}

#[test]
fn trap_16_odds_follow_their_flat_bet_down() {
    let mut game = Game::new();
    game.bet("dont_pass", 10).bet("pass", 10).throw(3, 3);
    game.bet("odds:dont_pass", 60).bet("odds:pass", 50).bet("dont_come", 10).throw(2, 2);
    game.bet("odds:dont_come:4", 20);
    assert_eq!(game.down("dont_pass"), Ok(Chips(70)));
    assert_eq!(game.down("dont_come:4"), Ok(Chips(30)));
    assert_eq!(game.up(), ["pass 10", "odds:pass 50"]);
    assert_eq!(game.down("odds:pass"), Ok(Chips(50)), "odds alone come down at any time");
}

#[test]
fn trap_16_odds_come_down_with_a_part_of_their_flat_bet() {
    let mut game = Game::new();
    game.bet("dont_pass", 10).throw(3, 3);
    game.bet("odds:dont_pass", 60).bet("dont_come", 10).throw(2, 2);
    game.bet("odds:dont_come:4", 50);
    assert_eq!(game.down_by("dont_pass", 4), Ok(Chips(4 + 24)), "6 carry odds of 36");
    assert_eq!(game.down_by("dont_come:4", 1), Ok(Chips(1)), "9 still carry odds of 50");
    assert_eq!(game.down_by("dont_come:4", 2), Ok(Chips(2 + 8)));
    assert_eq!(
        game.up(),
        ["dont_pass 6", "odds:dont_pass 36", "dont_come:4 7", "odds:dont_come:4 42"]
    );
    assert_eq!(game.down_by("odds:dont_pass", 6), Ok(Chips(6)));
    assert_eq!(game.down_by("dont_pass", 6), Ok(Chips(36)), "all of it is all of it");
    assert_eq!(game.up(), ["dont_come:4 7", "odds:dont_come:4 42"]);
}

#[test]
fn trap_17_the_odds_cap_looks_at_the_flat_bet_on_that_number() {
    let mut game = Game::new();
    game.bet("dont_pass", 100).throw(3, 3);
    game.bet("dont_come", 5).throw(2, 2);
    game.bet("dont_come", 50).throw(4, 5);
    assert_eq!(game.try_bet("odds:dont_come:4", 32), Err(Refusal::OverOddsCap { cap: Chips(30) }));
    game.bet("odds:dont_come:4", 30);
    assert_eq!(game.try_bet("odds:dont_come:4", 2), Err(Refusal::OverOddsCap { cap: Chips(30) }));
    game.bet("odds:dont_come:9", 300);
    assert_eq!(
        game.try_bet("odds:dont_come:5", 3),
        Err(Refusal::NoFlatBet { flat: bet("dont_come:5") })
    );
}

#[test]
fn trap_18_the_same_bet_twice_is_one_bet_of_both_stakes() {
    let mut game = Game::new();
    game.bet("pass", 10).bet("pass", 5).throw(3, 3);
    game.bet("odds:pass", 25).bet("odds:pass", 50);
    assert_eq!(game.try_bet("odds:pass", 5), Err(Refusal::OverOddsCap { cap: Chips(75) }));
    assert_eq!(game.up(), ["pass 15", "odds:pass 75"]);
}

#[test]
fn trap_19_every_bet_sees_the_puck_as_it_was_before_the_roll() {
    let mut game = Game::new();
    game.bet("pass", 10).bet("place:6", 12).bet("hard:6", 5);
    assert_eq!(game.throw(3, 3), NOTHING, "the point is made by this very roll");
    assert_eq!(
        game.throw(3, 3),
        ["pass win 20 down", "place:6 win 14 stays", "hard:6 win 45 stays"],
        "the puck goes off by this very roll"
    );
    game.bet("dont_pass", 10).throw(3, 3);
    assert_eq!(
        game.throw(3, 4),
        ["dont_pass win 20 down", "place:6 lose 0 down", "hard:6 lose 0 down"]
    );
}

#[test]
fn trap_20_settlements_come_in_canonical_order_whoever_bet_first() {
    let play = |order: [(Player, &str); 4]| {
        let mut game = Game::new();
        game.table.sit(BERT).unwrap();
        for (player, key) in order {
            game.bet_of(player, key, 10);
        }
        game.settle(6, 6)
    };
    let bets = [(BERT, "pass"), (ANNA, "field"), (ANNA, "dont_pass"), (BERT, "boxcars")];
    let settlement = play(bets);
    let [a, b, c, d] = bets;
    assert_eq!(play([d, c, b, a]), settlement);
    let order: Vec<_> = settlement.resolved.iter().map(|one| (one.player, one.bet)).collect();
    assert!(order.is_sorted());
    assert_eq!(settlement.payouts, [(ANNA, Chips(50)), (BERT, Chips(310))].into());
}

#[test]
fn a_pay_that_needs_units_refuses_stakes_between_them_and_names_the_unit() {
    let mut game = Game::with(|rules| rules.hardways.four_ten = Ratio::to(15, 2));
    let unit = |unit| Err(Refusal::NotAMultiple { unit: Chips(unit) });
    for (key, below) in [("place:4", 7), ("place:5", 9), ("place:10", 1), ("place:9", 11)] {
        assert_eq!(game.try_bet(key, below), unit(5), "{key}");
    }
    assert_eq!(game.try_bet("place:6", 10), unit(6));
    assert_eq!(game.try_bet("place:8", 7), unit(6));
    assert_eq!(game.try_bet("hard:4", 3), unit(2));
    assert_eq!(game.try_bet("hard:6", 3), Ok(()));
    for (roll, light, dark) in [((2, 2), 1, 2), ((2, 3), 2, 3), ((3, 3), 5, 6)] {
        let mut game = Game::new();
        game.bet("pass", 100).bet("dont_pass", 100).throw(roll.0, roll.1);
        if light > 1 {
            assert_eq!(game.try_bet("odds:pass", light + 1), unit(light));
        }
        assert_eq!(game.try_bet("odds:dont_pass", dark + 1), unit(dark));
        game.bet("odds:pass", light).bet("odds:dont_pass", dark);
    }
}
