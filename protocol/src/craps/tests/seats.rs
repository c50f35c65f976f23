//! Seats, the shooter, the betting window and the house that throws when nobody else does.

use super::*;
use crate::craps::{Phase, Round, Seat};
use crate::time::BlockTime;

/// Anna, Bert and Cara at a standard table opened at block 100, time 0.
fn three() -> Table {
    let mut table =
        Table::open(Rules::default(), OWNER, Chips(100_000), moment(100, 0)).expect("valid rules");
    for player in [ANNA, BERT, CARA] {
        table.sit(player).unwrap();
    }
    table
}

fn put(table: &mut Table, player: Player, key: &str, at: Moment) {
    table.bet(player, table.round(), bet(key), Chips(10), at).unwrap();
}

/// A roll by `by`, thrown and settled at one moment.
fn roll(table: &mut Table, by: Option<Player>, first: u8, second: u8, at: Moment) -> Settlement {
    table.roll(by, table.round(), at, TICKET).unwrap();
    table.settle(dice(first, second), at)
}

#[test]
fn the_window_is_blocks_and_time_from_the_first_bet() {
    let mut table = three();
    put(&mut table, ANNA, "pass", moment(200, 50_000));
    put(&mut table, BERT, "pass", moment(201, 51_000));
    assert_eq!(table.phase(), Phase::Betting { opened: moment(200, 50_000) });
    let open = Some(Refusal::BettingOpen { until: moment(202, 70_000) });
    assert_eq!(table.roll_refusal(Some(ANNA), moment(201, 70_000)), open);
    assert_eq!(table.roll_refusal(Some(ANNA), moment(202, 69_999)), open);
    assert_eq!(table.roll_refusal(Some(ANNA), moment(202, 70_000)), None);
    assert_eq!(table.roll_refusal(Some(BERT), moment(202, 70_000)), Some(Refusal::NotTheShooter));
    assert_eq!(table.roll_refusal(Some(OWNER), moment(202, 70_000)), Some(Refusal::NotSeated));
}

#[test]
fn everybody_with_bets_being_ready_ends_the_window_early() {
    let mut table = three();
    let at = moment(200, 50_000);
    put(&mut table, ANNA, "pass", at);
    assert_eq!(table.roll_refusal(Some(ANNA), at), None, "nobody else has a bet up");
    put(&mut table, BERT, "field", at);
    assert!(table.roll_refusal(Some(ANNA), at).is_some());
    table.ready(BERT, Round(1)).unwrap();
    assert_eq!(table.roll_refusal(Some(ANNA), at), None);
    put(&mut table, CARA, "field", at);
    assert!(table.roll_refusal(Some(ANNA), at).is_some(), "who bets later must be ready too");
    table.ready(CARA, Round(1)).unwrap();
    roll(&mut table, Some(ANNA), 3, 3, at);
    assert!(table.seats().iter().all(|seat| !seat.ready), "readiness is for one round");
    assert_eq!(table.ready(OWNER, Round(2)), Err(Refusal::NotSeated));
}

#[test]
fn the_shooter_needs_a_line_bet_on_the_come_out_only() {
    let mut table = three();
    let at = moment(200, 50_000);
    let needs_line_bet = Some(Refusal::ShooterNeedsLineBet);
    assert_eq!(table.roll_refusal(Some(ANNA), at), needs_line_bet);
    put(&mut table, ANNA, "field", at);
    assert_eq!(table.roll_refusal(Some(ANNA), at), needs_line_bet);
    put(&mut table, ANNA, "dont_pass", at);
    roll(&mut table, Some(ANNA), 2, 3, at);
    table.take_down(ANNA, Round(2), Bet::DontPass, None).unwrap();
    assert_eq!(table.roll_refusal(Some(ANNA), at), None, "with a point the hand goes on");
}

#[test]
fn the_shooter_may_throw_without_a_line_bet_when_only_contract_bets_wait() {
    let mut table = three();
    let at = moment(200, 50_000);
    put(&mut table, ANNA, "pass", at);
    roll(&mut table, Some(ANNA), 3, 3, at);
    put(&mut table, ANNA, "come", at);
    roll(&mut table, Some(ANNA), 2, 2, at);
    roll(&mut table, Some(ANNA), 3, 3, at);
    assert_eq!((table.point(), table.bets().count()), (None, 1));
    assert_eq!(table.roll_refusal(Some(ANNA), at), None);
    put(&mut table, ANNA, "field", at);
    assert_eq!(table.roll_refusal(Some(ANNA), at), Some(Refusal::ShooterNeedsLineBet));
}

#[test]
fn a_seven_out_passes_the_dice_round_the_table_and_nothing_else_does() {
    let mut table = three();
    let at = moment(200, 50_000);
    for shooter in [ANNA, BERT, CARA, ANNA] {
        assert_eq!(table.shooter(), Some(shooter));
        put(&mut table, shooter, "pass", at);
        let natural = roll(&mut table, Some(shooter), 3, 4, at);
        assert_eq!((natural.seven_out, natural.shooter), (false, Some(shooter)));
        put(&mut table, shooter, "pass", at);
        roll(&mut table, Some(shooter), 2, 2, at);
        let made = roll(&mut table, Some(shooter), 1, 3, at);
        assert_eq!((made.seven_out, made.shooter), (false, Some(shooter)));
        put(&mut table, shooter, "pass", at);
        roll(&mut table, Some(shooter), 2, 2, at);
        assert!(roll(&mut table, Some(shooter), 3, 4, at).seven_out);
    }
}

#[test]
fn a_timeout_moves_the_dice_and_never_the_bets() {
    let mut table = three();
    put(&mut table, BERT, "pass", moment(200, 50_000));
    assert_eq!(table.deadline(), Some(BlockTime(110_000)));
    let has_time = Some(Refusal::ShooterHasTime { until: BlockTime(110_000) });
    assert_eq!(table.roll_refusal(None, moment(300, 109_999)), has_time);
    assert!(!table.system_roll_due(moment(201, 110_000)), "the window is blocks, too");
    assert!(table.system_roll_due(moment(300, 110_000)));
    let settlement = roll(&mut table, None, 3, 3, moment(300, 110_000));
    assert_eq!(settlement.shooter, Some(BERT));
    assert_eq!(table.bets().collect::<Vec<_>>(), [(BERT, Bet::Pass, Chips(10))]);
    assert_eq!(table.deadline(), Some(BlockTime(170_000)));
    let settlement = roll(&mut table, None, 3, 4, moment(400, 170_000));
    assert_eq!((settlement.seven_out, settlement.shooter), (true, Some(CARA)), "passed once");
}

#[test]
fn the_shooter_passes_the_dice_after_any_roll_and_nothing_else_moves() {
    let mut table = three();
    let at = moment(200, 50_000);
    put(&mut table, ANNA, "pass", at);
    roll(&mut table, Some(ANNA), 2, 2, at);
    let later = moment(201, 60_000);
    assert_eq!(table.pass_dice(BERT, Round(2), later), Err(Refusal::NotTheShooter));
    assert_eq!(table.pass_dice(OWNER, Round(2), later), Err(Refusal::NotSeated));
    let wrong = Err(Refusal::WrongRound { current: Round(2) });
    assert_eq!(table.pass_dice(ANNA, Round(1), later), wrong);
    assert_eq!(table.pass_dice(ANNA, Round(2), later), Ok(()));
    assert_eq!((table.shooter(), table.point()), (Some(BERT), dice(2, 2).number()));
    assert_eq!(table.bets().collect::<Vec<_>>(), [(ANNA, Bet::Pass, Chips(10))]);
    assert_eq!(table.deadline(), Some(BlockTime(120_000)), "the next has the full time");
    assert_eq!(table.pass_dice(BERT, Round(2), later), Ok(()), "and may decline");
    assert_eq!(table.roll_refusal(Some(CARA), moment(300, 90_000)), None, "the point is on");
    table.stand(ANNA, later).unwrap();
    table.stand(BERT, later).unwrap();
    assert_eq!(table.pass_dice(CARA, Round(2), later), Err(Refusal::NobodyElse));
    assert_eq!(roll(&mut table, Some(CARA), 1, 3, moment(300, 90_000)).payouts[&ANNA], Chips(20));
}

#[test]
fn dice_that_are_passed_round_and_round_do_not_hold_up_a_round_for_ever() {
    let mut table = three();
    put(&mut table, CARA, "pass", moment(200, 100_000));
    for second in 0..200 {
        let shooter = table.shooter().unwrap();
        table.pass_dice(shooter, Round(1), moment(200, 100_000 + second * 1000)).unwrap();
    }
    assert_eq!(table.deadline(), Some(BlockTime(220_000)));
}

#[test]
fn a_spectator_sees_everything_and_touches_nothing() {
    let mut table = three();
    let at = moment(200, 50_000);
    put(&mut table, ANNA, "pass", at);
    let seen = table.clone();
    let (round, spectator) = (Round(1), OWNER);
    let not_seated = Err(Refusal::NotSeated);
    assert_eq!(table.bet(spectator, round, Bet::Field, Chips(1), at), not_seated);
    assert_eq!(table.ready(spectator, round), not_seated);
    assert_eq!(table.roll(Some(spectator), round, at, TICKET), not_seated);
    assert_eq!(table.stand(spectator, at), Err(Refusal::NotSeated));
    let no_bet = Refusal::NoSuchBet { bet: Bet::Pass };
    assert_eq!(table.take_down(spectator, round, Bet::Pass, None), Err(no_bet));
    assert_eq!(table.set_working(spectator, round, Bet::Pass, false), Err(no_bet));
    assert_eq!(table, seen);
    assert_eq!(seen.bets().collect::<Vec<_>>(), [(ANNA, Bet::Pass, Chips(10))]);
}

#[test]
fn an_idle_table_owes_nobody_a_roll() {
    let table = three();
    let late = moment(10_000, 1_000_000_000);
    assert_eq!((table.deadline(), table.system_roll_due(late)), (None, false));
    assert_eq!(table.roll_refusal(None, late), Some(Refusal::NothingToRoll));
}

#[test]
fn who_leaves_takes_removable_bets_and_waits_for_the_others() {
    let mut table = three();
    let at = moment(200, 50_000);
    for key in ["pass", "dont_pass", "field"] {
        put(&mut table, ANNA, key, at);
    }
    put(&mut table, BERT, "pass", at);
    table.ready(BERT, Round(1)).unwrap();
    roll(&mut table, Some(ANNA), 2, 2, at);
    for key in ["come", "odds:pass", "odds:dont_pass", "hard:4"] {
        put(&mut table, ANNA, key, at);
    }
    assert_eq!(table.stand(ANNA, at), Ok(Chips(50)));
    assert_eq!(table.shooter(), Some(BERT));
    assert_eq!(table.seats()[0], Seat { player: ANNA, ready: false, leaving: true });
    assert_eq!(table.stand(ANNA, at), Err(Refusal::NotSeated));
    assert_eq!(table.bet(ANNA, Round(2), Bet::Field, Chips(1), at), Err(Refusal::NotSeated));
    assert_eq!(table.roll_refusal(Some(BERT), at), None, "nobody waits for who has left");
    let settlement = roll(&mut table, Some(BERT), 1, 3, at);
    assert_eq!(settlement.payouts, [(ANNA, Chips(20)), (BERT, Chips(20))].into());
    assert_eq!(settlement.left, [ANNA]);
    assert_eq!(table.seats().iter().map(|seat| seat.player).collect::<Vec<_>>(), [BERT, CARA]);
}

#[test]
fn who_leaves_without_contract_bets_is_gone_at_once_and_may_come_back() {
    let mut table = three();
    let at = moment(200, 50_000);
    put(&mut table, BERT, "pass", at);
    assert_eq!(table.stand(BERT, at), Ok(Chips(10)));
    assert_eq!(table.seats().len(), 2);
    table.sit(BERT).unwrap();
    assert_eq!(table.sit(BERT), Err(Refusal::AlreadySeated));
    let order: Vec<Player> = table.seats().iter().map(|seat| seat.player).collect();
    assert_eq!(order, [ANNA, CARA, BERT]);
}

#[test]
fn who_sits_down_again_before_the_decision_has_the_old_seat() {
    let mut table = three();
    let at = moment(200, 50_000);
    put(&mut table, ANNA, "pass", at);
    roll(&mut table, Some(ANNA), 2, 2, at);
    assert_eq!(table.stand(ANNA, at), Ok(Chips(0)));
    table.sit(ANNA).unwrap();
    assert_eq!(table.seats()[0], Seat { player: ANNA, ready: false, leaving: false });
    assert_eq!(table.shooter(), Some(BERT), "the dice have been passed");
    put(&mut table, ANNA, "odds:pass", at);
}

#[test]
fn an_empty_table_with_contract_bets_rolls_by_itself_until_they_are_decided() {
    let mut table = three();
    let at = moment(200, 50_000);
    put(&mut table, ANNA, "pass", at);
    roll(&mut table, Some(ANNA), 2, 2, at);
    for player in [BERT, ANNA, CARA] {
        table.stand(player, at).unwrap();
    }
    assert_eq!((table.shooter(), table.deadline()), (None, Some(BlockTime(50_000))));
    assert!(table.system_roll_due(at));
    assert_eq!(roll(&mut table, None, 1, 1, at).payouts, [].into());
    let settlement = roll(&mut table, None, 1, 3, at);
    assert_eq!(settlement.payouts, [(ANNA, Chips(20))].into());
    assert_eq!((settlement.left, settlement.shooter), (std::vec![ANNA], None));
    assert!(table.seats().is_empty());
    assert_eq!(table.roll_refusal(None, at), Some(Refusal::NothingToRoll));
    table.sit(CARA).unwrap();
    assert_eq!(table.shooter(), Some(CARA));
}

#[test]
fn shooters_who_leave_one_after_the_other_cannot_hold_up_a_round_for_ever() {
    let mut table = three();
    put(&mut table, CARA, "pass", moment(200, 100_000));
    table.stand(ANNA, moment(210, 150_000)).unwrap();
    assert_eq!((table.shooter(), table.deadline()), (Some(BERT), Some(BlockTime(210_000))));
    table.sit(ANNA).unwrap();
    table.stand(BERT, moment(220, 200_000)).unwrap();
    assert_eq!((table.shooter(), table.deadline()), (Some(CARA), Some(BlockTime(220_000))));
}

#[test]
fn a_full_table_counts_those_who_wait_for_a_decision() {
    let rules = Rules { max_seats: 1, ..Rules::default() };
    let mut table = Table::open(rules, OWNER, Chips(1000), moment(0, 0)).unwrap();
    let at = moment(1, 1);
    table.sit(ANNA).unwrap();
    put(&mut table, ANNA, "pass", at);
    roll(&mut table, Some(ANNA), 2, 2, at);
    table.stand(ANNA, at).unwrap();
    assert_eq!(table.sit(BERT), Err(Refusal::TableFull { seats: 1 }));
    roll(&mut table, None, 3, 4, at);
    assert_eq!(table.sit(BERT), Ok(()));
}

#[test]
#[should_panic(expected = "only a roll in the air is settled")]
fn settling_without_a_roll_is_our_own_bug() {
    three().settle(dice(1, 1), moment(1, 1));
}
