//! What holds whatever players do and dice show.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::vec;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use super::*;
use crate::craps::layout::Layout;
use crate::craps::model::{Ask, PLAYERS, any_house, play};
use crate::craps::reserve::Exposure;
use crate::craps::settle;
use crate::craps::terms::{Opens, Terms, Wager};
use crate::craps::{Faces, Number, Round, Stays};
use crate::fuzzing::Choices;
use crate::wire::{decode, encode};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn any_bet() -> impl Strategy<Value = Bet> {
    prop::sample::select(Bet::all().collect::<Vec<_>>())
}

fn any_dice() -> impl Strategy<Value = Dice> {
    (1..=6u8, 1..=6u8).prop_map(|(first, second)| dice(first, second))
}

fn any_amount() -> impl Strategy<Value = u64> {
    prop_oneof![(1..=10u64).prop_map(|units| units * 60), 0..=50u64, any::<u64>()]
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let player = 0..PLAYERS;
    prop_oneof![
        3 => player.clone().prop_map(Ask::Sit),
        1 => player.clone().prop_map(Ask::Stand),
        4 => (player.clone(), any_bet(), any_amount()).prop_map(|(p, b, a)| Ask::Bet(p, b, a)),
        30 => (player.clone(), any::<u16>(), 1..=12u64)
            .prop_map(|(player, bet, units)| Ask::OpenBet(player, bet, units)),
        1 => (player.clone(), any_bet(), prop::option::of(any_amount()))
            .prop_map(|(player, bet, amount)| Ask::TakeDown(player, bet, amount)),
        3 => (player.clone(), any::<u16>(), prop::option::of(1..=6u64))
            .prop_map(|(player, bet, units)| Ask::TakeDownOwn(player, bet, units)),
        2 => (player.clone(), any::<u16>(), any::<bool>())
            .prop_map(|(player, bet, on)| Ask::CallOwn(player, bet, on)),
        1 => (player.clone(), any_amount()).prop_map(|(player, chips)| Ask::Fund(player, chips)),
        1 => (0..=PLAYERS, any_amount()).prop_map(|(player, chips)| Ask::Draw(player, chips)),
        1 => player.clone().prop_map(Ask::Ready),
        1 => player.clone().prop_map(Ask::PassDice),
        1 => prop::option::of(player.clone()).prop_map(Ask::Roll),
        1 => any_dice().prop_map(Ask::Settle),
        14 => any_dice().prop_map(Ask::Throw),
        1 => player.prop_map(Ask::Close),
    ]
}

fn any_rules() -> impl Strategy<Value = Rules> {
    any::<[u8; 23]>().prop_map(|bytes| any_house(&mut Choices::new(&bytes)))
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn chips_are_conserved_and_the_bank_can_always_pay(
        rules in any_rules(),
        bank in prop_oneof![1..=3000u64, 1_000_000..=1_000_001u64],
        asks in prop::collection::vec(any_ask(), 1..160),
    ) {
        let played = play(&rules, bank, &asks, PLAYERS, |index| Player([index; 32]));
        let bytes = encode(&played.table);
        prop_assert_eq!(decode::<Table>(&bytes, bytes.len()), Ok(played.table));
    }

    #[test]
    fn who_is_who_does_not_matter(
        rules in any_rules(),
        bank in 1..=5000u64,
        asks in prop::collection::vec(any_ask(), 1..120),
    ) {
        let one = play(&rules, bank, &asks, PLAYERS, |index| Player([index; 32]));
        let other = play(&rules, bank, &asks, PLAYERS, |index| Player([255 - index; 32]));
        let renamed = |player: &Player| Player(player.0.map(|byte| 255 - byte));
        let expected: BTreeMap<Player, i128> =
            other.accounts.iter().map(|(player, chips)| (renamed(player), *chips)).collect();
        prop_assert_eq!(one.accounts, expected);
        prop_assert_eq!(one.table.bank(), other.table.bank());
        prop_assert_eq!(one.settlements.len(), other.settlements.len());
        for (one, other) in one.settlements.iter().zip(&other.settlements) {
            prop_assert_eq!(one.shooter, other.shooter.as_ref().map(renamed));
            prop_assert_eq!(one.point_after, other.point_after);
        }
    }

    #[test]
    fn the_order_in_which_bets_are_made_does_not_matter(
        bets in prop::collection::btree_map((0..PLAYERS, any_bet()), 1..=10u64, 1..30),
        seed in any::<Index>(),
        first in any_dice(),
        rolls in prop::collection::vec(any_dice(), 1..8),
    ) {
        let bets: Vec<((u8, Bet), u64)> = bets.into_iter().collect();
        let mut shuffled = bets.clone();
        shuffled.rotate_left(seed.index(bets.len()));
        shuffled.reverse();
        let play = |bets: &[((u8, Bet), u64)]| {
            let mut game = Game::new();
            for player in 0..PLAYERS {
                game.table.sit(Player([10 + player; 32])).unwrap();
            }
            game.bet_of(ANNA, "field", 1);
            let mut settlements = vec![game.settle(first.faces().0, first.faces().1)];
            for ((player, bet), units) in bets {
                if matches!(bet, Bet::PutOdds(_)) {
                    continue; // refused unless the put bet is made before
                }
                let player = Player([10 + player; 32]);
                let _ = game.try_bet_of(player, &bet.to_string(), units * 60);
            }
            let layout: Vec<_> = game.table.bets().collect();
            for roll in &rolls {
                if game.table.bets().next().is_some() {
                    settlements.push(game.settle(roll.faces().0, roll.faces().1));
                }
            }
            (layout, settlements, game.table)
        };
        prop_assert_eq!(play(&bets), play(&shuffled));
    }
}

/// The least bank that survives every sequence of dice from every layout that can follow, winners
/// coming down; the players may also take bets down and call them on and off at the worst time.
/// Lost stakes do refill it. `None` if there are too many layouts to look at.
fn least_bank(rules: &Rules, point: Option<Number>, layout: &Layout) -> Option<u128> {
    const STATES: usize = 4000;
    let ample = Chips(1 << 40);
    let outcomes = Faces::ALL.map(|faces| dice(faces.get().0, faces.get().1));
    type State = (Option<Number>, Layout);
    let mut states: Vec<State> = vec![(point, layout.clone())];
    let mut index: BTreeMap<Vec<u8>, usize> = [(encode(&states[0]), 0)].into();
    let mut steps: Vec<Vec<(usize, i128)>> = vec![];
    while steps.len() < states.len() {
        if states.len() > STATES {
            return None;
        }
        let (point, layout) = states[steps.len()].clone();
        let rolled = outcomes.iter().map(|dice| {
            let after = settle::settle(&layout, rules, point, ample, *dice);
            let paid = i128::from(ample.0) - i128::from(after.bank.0);
            ((after.point, after.layout), paid)
        });
        let terms = |bet| Terms::of(bet, rules, point);
        let removable = layout.bets().filter(|(_, bet, wager)| !terms(*bet).is_contract(wager));
        let taken_down = removable.map(|(player, bet, _)| {
            let mut less = layout.clone();
            less.remove(player, bet);
            ((point, less), 0)
        });
        let callable = layout.bets().filter(|(_, bet, _)| terms(*bet).rests.is_some());
        let called = callable.flat_map(|(player, bet, wager)| {
            [true, false].map(|on| {
                let mut other = layout.clone();
                other.put(player, bet, Wager { called: Some(on), ..wager });
                ((point, other), 0)
            })
        });
        let found: Vec<(State, i128)> = rolled.chain(taken_down).chain(called).collect();
        let mut next = vec![];
        for (state, paid) in found {
            let fresh = states.len();
            let known = *index.entry(encode(&state)).or_insert(fresh);
            if known == fresh {
                states.push(state);
            }
            next.push((known, paid));
        }
        steps.push(next);
    }
    let mut needs = vec![0i128; states.len()];
    loop {
        let before = needs.clone();
        for (state, next) in steps.iter().enumerate().rev() {
            for (following, paid) in next {
                needs[state] = needs[state].max(paid + needs[*following].max(0));
            }
        }
        if needs == before {
            return Some(u128::try_from(needs[0]).expect("a need is never negative"));
        }
        let bound = i128::try_from(reserve(rules, point, layout)).unwrap();
        assert!(needs[0] <= bound, "needs {} and reserves {bound}", needs[0]);
    }
}

fn reserve(rules: &Rules, point: Option<Number>, layout: &Layout) -> u128 {
    let bets = layout.bets().map(|(_, bet, wager)| (bet, wager));
    Exposure::of(bets, rules, point).worst()
}

fn laid_out(bets: &[(&str, u64)]) -> Layout {
    let mut layout = Layout::default();
    for (key, stake) in bets {
        layout.put(ANNA, bet(key), Wager { stake: Chips(*stake), ..Wager::default() });
    }
    layout
}

/// Rules under which winners come down: a bet that stays has no finite worst.
fn winners_come_down(rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    let never = false;
    rules.stays_after_win =
        Stays { place: never, buy: never, lay: never, hardways: never, big: never, yes_no: never };
    rules
}

#[test]
fn the_reserve_is_exact_for_layouts_that_a_dealer_knows() {
    let rules = winners_come_down(&Rules::default());
    let point = Some(Number::Six);
    for (point, bets, worst) in [
        (None, vec![("pass", 10)], 10),
        (None, vec![("pass", 10), ("dont_pass", 15)], 15),
        (point, vec![("pass", 10), ("odds:pass", 50)], 70),
        (point, vec![("dont_pass", 10), ("odds:dont_pass", 60)], 60),
        (point, vec![("come:4", 10), ("come:5", 10), ("dont_come:9", 25)], 45),
        (None, vec![("field", 10), ("boxcars", 1), ("two", 1)], 60),
        (None, vec![("dont_come:4", 100), ("place:4", 180)], 424),
        (point, vec![("place:6", 12), ("hard:6", 1), ("pass", 10)], 33),
    ] {
        let layout = laid_out(&bets);
        assert_eq!(reserve(&rules, point, &layout), worst, "{bets:?}");
        assert_eq!(least_bank(&rules, point, &layout), Some(worst), "{bets:?}");
    }
}

/// A point and a few bets on units of 60.
fn any_few_bets() -> impl Strategy<Value = (Option<Number>, Vec<(u8, Bet, u64)>)> {
    let point = prop::option::of(prop::sample::select(Number::POINTS.to_vec()));
    (point, prop::collection::vec((0..2u8, any_bet(), 1..=4u64), 1..=4))
}

/// Those of the bets that can be up together at such a table.
fn small_layout(rules: &Rules, point: Option<Number>, bets: &[(u8, Bet, u64)]) -> Layout {
    let mut layout = Layout::default();
    for (player, bet, units) in bets {
        let terms = Terms::of(*bet, rules, point);
        let possible = match bet {
            Bet::Come | Bet::DontCome | Bet::PassOdds | Bet::DontPassOdds => point.is_some(),
            _ => terms.opens != Opens::NotOffered,
        };
        if possible {
            let stake = Chips(units * 60 * terms.unit());
            let vig = Chips(u64::try_from(terms.vig_up_front(stake)).unwrap());
            let wager = Wager { stake, vig, ..Wager::default() };
            layout.put(Player([*player; 32]), *bet, wager);
        }
    }
    layout
}

#[test]
#[expect(clippy::print_stdout, reason = "the slack is worth reading, and nothing depends on it")]
fn no_sequence_of_dice_needs_more_than_the_reserve() {
    let mut runner = TestRunner::new(cases(96));
    let slack = RefCell::new(vec![]);
    let (mut looked_at, mut exact, mut needed, mut reserved) = (0u32, 0u32, 0u128, 0u128);
    let cases = runner.run(&(any_rules(), any_few_bets()).no_shrink(), |(rules, (point, bets))| {
        let rules = winners_come_down(&rules);
        let layout = small_layout(&rules, point, &bets);
        let Some(need) = least_bank(&rules, point, &layout) else { return Ok(()) };
        let reserve = reserve(&rules, point, &layout);
        prop_assert!(need <= reserve, "needs {need} and reserves {reserve}");
        slack.borrow_mut().push((need, reserve));
        Ok(())
    });
    cases.unwrap();
    for (need, reserve) in slack.into_inner() {
        looked_at += 1;
        exact += u32::from(need == reserve);
        needed += need;
        reserved += reserve;
    }
    std::println!(
        "{looked_at} layouts: {exact} reserved exactly, all together needed {needed} and reserved \
         {reserved}"
    );
    assert!(looked_at > 40, "most small layouts can be searched: {looked_at}");
}

#[test]
fn a_table_has_one_encoding() {
    let mut game = Game::new();
    game.bet("pass", 10).throw(3, 3);
    game.bet("odds:pass", 25).bet("place:8", 12);
    let bytes = encode(&game.table);
    let again: Table = decode(&bytes, bytes.len()).expect("canonical");
    assert_eq!(again, game.table);
    assert_eq!(again.round(), Round(2));
    assert!(bytes.len() < 1024, "{} bytes", bytes.len());
}
