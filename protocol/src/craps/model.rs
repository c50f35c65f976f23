//! A table at which anything may be asked, and everything that must hold whatever is: what the
//! property tests and the fuzz target `craps` drive.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::terms::{Opens, Terms};
use super::{
    Bar, Bet, Chips, Dice, Moment, OnComeOut, Outcome, Phase, Player, RollTicket, Rounding, Rules,
    Settlement, Stays, Table, VigWhen,
};
use crate::block::{Height, View};
use crate::fuzzing::Choices;
use crate::time::BlockTime;

/// Players who may sit; one more owns the table.
pub(crate) const PLAYERS: u8 = 4;

pub(super) const TICKET: RollTicket = RollTicket { view: View(7), key_version: 1 };

pub(super) fn moment(height: u64, millis: u64) -> Moment {
    Moment { height: Height(height), time: BlockTime(millis) }
}

/// Anything that can be asked of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Sit(u8),
    Stand(u8),
    /// Any bet, any amount: mostly refused.
    Bet(u8, Bet, u64),
    /// One of the bets that are open now, by so many units.
    OpenBet(u8, u16, u64),
    /// Any bet, up or not, or so much of it.
    TakeDown(u8, Bet, Option<u64>),
    /// One of the player's own bets, or so many units of it.
    TakeDownOwn(u8, u16, Option<u64>),
    /// One of the player's own bets, called on or off.
    CallOwn(u8, u16, bool),
    SetWorking(u8, Bet, bool),
    Fund(u8, u64),
    Draw(u8, u64),
    Ready(u8),
    PassDice(u8),
    Roll(Option<u8>),
    Settle(Dice),
    /// A roll by whoever may throw, and its settlement.
    Throw(Dice),
    Close(u8),
}

/// The rules of some house.
pub(crate) fn any_house(choices: &mut Choices<'_>) -> Rules {
    let bar = choices.pick(&[Bar::Twelve, Bar::Two, Bar::Three]);
    let mut rules = Rules { bar, window_ms: 1000, ..Rules::default() };
    rules.vig.rounding =
        choices.pick(&[Rounding::Exact, Rounding::Nearest, Rounding::Up, Rounding::Down]);
    let few_bets = choices.rarely(10);
    let mut flag = || choices.rarely(2);
    rules.works_on_come_out = OnComeOut {
        come_odds: flag(),
        dont_come_odds: flag(),
        put_odds: flag(),
        place: flag(),
        buy: flag(),
        lay: flag(),
        hardways: flag(),
        big: flag(),
        yes_no: flag(),
    };
    rules.stays_after_win = Stays {
        place: flag(),
        buy: flag(),
        lay: flag(),
        hardways: flag(),
        big: flag(),
        yes_no: flag(),
    };
    rules.crapless = flag();
    rules.put_is_contract = flag();
    rules.exact_units = flag();
    if flag() {
        rules.vig.when = VigWhen::Upfront;
    }
    if few_bets {
        (rules.max_bets, rules.max_seats) = (3, 2);
    }
    rules
}

/// A table, what its players have won or lost, and what it did at each roll.
pub(crate) struct Played {
    pub(crate) table: Table,
    opened_with: i128,
    pub(super) accounts: BTreeMap<Player, i128>,
    /// What was put into the bank while the dice rolled.
    queued: u64,
    /// Whether the owner has closed it.
    closed: bool,
    pub(super) settlements: Vec<Settlement>,
}

impl Played {
    fn debit(&mut self, player: Player, chips: Chips) {
        *self.accounts.entry(player).or_default() -= i128::from(chips.0);
    }

    fn credit(&mut self, player: Player, chips: Chips) {
        *self.accounts.entry(player).or_default() += i128::from(chips.0);
    }

    /// Asks one thing and checks everything that must hold before and after.
    fn ask(&mut self, ask: Ask, step: u64, name: impl Fn(u8) -> Player) {
        let before = self.table.clone();
        let (round, at) = (before.round(), moment(step, step * 30_000));
        let ask = self.concrete(ask, &name);
        let refused = match ask {
            Ask::Sit(player) => self.table.sit(name(player)).err(),
            Ask::Stand(player) => match self.table.stand(name(player), at) {
                Ok(returned) => {
                    self.credit(name(player), returned);
                    None
                }
                Err(refusal) => Some(refusal),
            },
            Ask::Bet(player, bet, amount) => {
                let price = self.table.price(name(player), bet, Chips(amount));
                let refused = self.table.bet(name(player), round, bet, Chips(amount), at).err();
                if refused.is_none() {
                    self.debit(name(player), price.expect("an accepted bet has a price"));
                }
                refused
            }
            Ask::SetWorking(player, bet, on) => {
                let reserve = self.table.reserve();
                let refused = self.table.set_working(name(player), round, bet, on).err();
                assert_eq!(self.table.reserve(), reserve, "calling bets costs the bank nothing");
                refused
            }
            Ask::Fund(player, amount) => {
                let refused = self.table.fund(Chips(amount)).err();
                if refused.is_none() {
                    self.debit(name(player), Chips(amount));
                    let rolling = matches!(before.phase(), Phase::Rolling { .. });
                    self.queued += if rolling { amount } else { 0 };
                }
                refused
            }
            Ask::Draw(player, amount) => match self.table.draw(name(player), Chips(amount)) {
                Ok(drawn) => {
                    self.credit(name(player), drawn);
                    None
                }
                Err(refusal) => Some(refusal),
            },
            Ask::TakeDown(player, bet, amount) => {
                let amount = amount.map(Chips);
                match self.table.take_down(name(player), round, bet, amount) {
                    Ok(returned) => {
                        self.credit(name(player), returned);
                        None
                    }
                    Err(refusal) => Some(refusal),
                }
            }
            Ask::Ready(player) => self.table.ready(name(player), round).err(),
            Ask::PassDice(player) => self.table.pass_dice(name(player), round, at).err(),
            Ask::Roll(by) => self.table.roll(by.map(&name), round, at, TICKET).err(),
            Ask::Settle(dice) => {
                if matches!(before.phase(), Phase::Rolling { .. }) {
                    self.settle(dice, at);
                }
                None
            }
            Ask::Throw(dice) => {
                let throw = |table: &mut Table, by| table.roll(by, round, at, TICKET);
                let refused = throw(&mut self.table, before.shooter())
                    .or_else(|_| throw(&mut self.table, None))
                    .err();
                if refused.is_none() {
                    self.settle(dice, at);
                }
                refused
            }
            Ask::Close(player) => match self.table.close(name(player)) {
                Ok(bank) => {
                    self.credit(name(player), bank);
                    self.closed = true;
                    None
                }
                Err(refusal) => Some(refusal),
            },
            Ask::OpenBet(..) | Ask::TakeDownOwn(..) | Ask::CallOwn(..) => None,
        };
        if refused.is_some() {
            assert_eq!(self.table, before, "a refusal changes nothing: {ask:?}");
        }
        self.check();
    }

    /// Makes an ask that depends on what is open or up into one that names a bet.
    fn concrete(&self, ask: Ask, name: impl Fn(u8) -> Player) -> Ask {
        let (rules, point) = (self.table.rules(), self.table.point());
        let up = |player| self.table.bets().filter(move |(owner, ..)| *owner == name(player));
        match ask {
            Ask::OpenBet(player, index, units) => {
                let own: Vec<Bet> = up(player).map(|(_, bet, _)| bet).collect();
                let open = Bet::all().filter(|bet| match Terms::of(*bet, rules, point).opens {
                    Opens::Always => true,
                    Opens::PuckOff | Opens::NewHand | Opens::AfterSeven => point.is_none(),
                    Opens::PuckOn => point.is_some() && !own.contains(bet),
                    Opens::Travels | Opens::NotOffered => false,
                    Opens::Behind { flat, .. } => own.contains(&flat),
                });
                let bet = pick(&open.collect::<Vec<_>>(), index);
                let unit = Terms::of(bet, rules, point).unit();
                Ask::Bet(player, bet, unit * units)
            }
            Ask::TakeDownOwn(player, index, units) => {
                let own: Vec<Bet> = up(player).map(|(_, bet, _)| bet).collect();
                if own.is_empty() {
                    return ask;
                }
                let bet = pick(&own, index);
                let unit = Terms::of(bet, rules, point).unit();
                Ask::TakeDown(player, bet, units.map(|units| unit * units))
            }
            Ask::CallOwn(player, index, on) => {
                let own: Vec<Bet> = up(player).map(|(_, bet, _)| bet).collect();
                if own.is_empty() { ask } else { Ask::SetWorking(player, pick(&own, index), on) }
            }
            other => other,
        }
    }

    fn settle(&mut self, dice: Dice, at: Moment) {
        let (reserve, bank) = (self.table.reserve(), self.table.bank());
        let settlement = self.table.settle(dice, at);
        let lost = i128::from(bank.0) - i128::from(self.table.bank().0);
        let (drawn, queued) = (settlement.drawn.0, i128::from(self.queued));
        let paid = lost - i128::from(drawn) + queued;
        assert!(paid <= i128::from(reserve.0), "a roll paid {paid} out of a reserve of {reserve}");
        for one in &settlement.resolved {
            assert!(one.result == Outcome::Win || !one.stays, "only winners stay up");
        }
        self.queued = 0;
        let mut due: BTreeMap<Player, Chips> = BTreeMap::new();
        let won = settlement.resolved.iter().map(|one| (one.player, one.credited));
        for (player, chips) in won.chain([(self.table.owner(), settlement.drawn)]) {
            due.entry(player).or_default().0 += chips.0;
        }
        due.retain(|_, chips| *chips > Chips::ZERO);
        assert_eq!(settlement.payouts, due, "everybody is paid for their own bets");
        for (player, chips) in &settlement.payouts {
            self.credit(*player, *chips);
        }
        self.settlements.push(settlement);
    }

    fn check(&self) {
        let table = &self.table;
        assert!(table.reserve() <= table.bank(), "the bank can pay the worst");
        assert!(!self.closed || table.bets().next().is_none(), "no bet is up at a closed table");
        let outside: i128 = self.accounts.values().sum();
        assert_eq!(i128::from(table.held().0) + outside, self.opened_with, "chips are conserved");
        assert!(table.seats().len() <= usize::from(table.rules().max_seats));
        assert!(table.history().count() <= Table::HISTORY);
        let present: Vec<Player> =
            table.seats().iter().filter(|seat| !seat.leaving).map(|seat| seat.player).collect();
        match table.shooter() {
            Some(shooter) => assert!(present.contains(&shooter)),
            None => assert_eq!(present, []),
        }
        for (player, bet, stake) in table.bets() {
            assert!(stake > Chips::ZERO);
            let seated = table.seats().iter().any(|seat| seat.player == player);
            assert!(seated, "every bet has a seat: {bet}");
            if let Opens::Behind { flat, cap } = Terms::of(bet, table.rules(), table.point()).opens
            {
                let own = |(owner, bet, _): &(Player, Bet, Chips)| (*owner, *bet) == (player, flat);
                let (.., flat) = table.bets().find(own).expect("odds have their flat bet");
                assert!(u128::from(stake.0) <= cap.of(flat), "{bet} is within its cap");
            }
        }
    }
}

/// Plays `asks` at a table of these rules after all players but one have sat down, checking every
/// step.
pub(crate) fn play(
    rules: &Rules,
    bank: u64,
    asks: &[Ask],
    owner: u8,
    name: impl Fn(u8) -> Player + Copy,
) -> Played {
    let table = Table::open(rules.clone(), name(owner), Chips(bank), moment(0, 0))
        .expect("the rules are sound and the bank is not empty");
    let mut played = Played {
        table,
        opened_with: i128::from(bank),
        accounts: BTreeMap::new(),
        queued: 0,
        closed: false,
        settlements: vec![],
    };
    let seated: Vec<Ask> = (0..PLAYERS - 1).map(Ask::Sit).collect();
    for (step, ask) in (1..).zip(seated.iter().chain(asks)) {
        if played.closed {
            break;
        }
        played.ask(*ask, step, name);
    }
    played
}

/// The choice `index` among `items`, of which there is at least one.
fn pick<T: Copy>(items: &[T], index: u16) -> T {
    items[usize::from(index) % items.len()]
}
