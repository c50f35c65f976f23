//! One table: its seats, its puck, its layout and its bank, and what may be done to them when.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::reserve::Exposure;
use super::settle::{self, Settlement};
use super::terms::{Opens, Terms, Wager};
use super::{Bet, Chips, Dice, Moment, Number, Player, Refusal, Round, Rules};
use crate::block::{Height, View};
use crate::time::BlockTime;

/// A craps table. Every call either succeeds entirely or is refused without effect.
///
/// The chips that players bet are handed over with [`Table::bet`]; what the table owes them is what
/// its calls return. Between the two, [`Table::held`] accounts for every chip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    rules: Rules,
    owner: Player,
    bank: Chips,
    round: Round,
    phase: Phase,
    point: Option<Number>,
    hand: Hand,
    seats: Vec<Seat>,
    shooter: Option<Player>,
    /// When the shooter's time began to run.
    turn: BlockTime,
    /// Whether the roll in the air was thrown because the shooter did not.
    house_throws: bool,
    layout: Layout,
    history: VecDeque<Dice>,
    /// What was put into the bank while the dice rolled.
    queued: Chips,
    /// What its owner asked out of the bank while the dice rolled.
    asked: Chips,
}

/// How far the hand has come: which bets that follow it may still be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Hand {
    /// Nothing has been thrown.
    New,
    /// A 7 has just been thrown on the come-out.
    AfterSeven,
    /// Something else has.
    Underway,
}

/// Whether bets are taken or the dice are in the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Bets are taken and taken down.
    Betting {
        /// Since when: the last settlement, or the first bet on an empty layout.
        opened: Moment,
    },
    /// Everything is frozen until the dice are known.
    Rolling {
        /// What will decide them.
        ticket: RollTicket,
    },
}

/// Names the coin that decides a roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollTicket {
    /// The view whose coin it is.
    pub view: View,
    /// The version of the dice key that makes it.
    pub key_version: u32,
}

/// A player's place at the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Whose.
    pub player: Player,
    /// Whether they agree to roll before the betting window has passed.
    pub ready: bool,
    /// Whether they have left and only contract bets of theirs are still up.
    pub leaving: bool,
}

impl Table {
    /// How many rolls are remembered; the oldest is forgotten.
    pub const HISTORY: usize = 32;

    /// Opens a table on the come-out of round 1. The caller hands over `bank`.
    pub fn open(rules: Rules, owner: Player, bank: Chips, at: Moment) -> Result<Self, Refusal> {
        rules.validate()?;
        if bank == Chips::ZERO {
            return Err(Refusal::EmptyBank);
        }
        Ok(Self {
            rules,
            owner,
            bank,
            round: Round(1),
            phase: Phase::Betting { opened: at },
            point: None,
            hand: Hand::New,
            seats: Vec::new(),
            shooter: None,
            turn: at.time,
            house_throws: false,
            layout: Layout::default(),
            history: VecDeque::new(),
            queued: Chips::ZERO,
            asked: Chips::ZERO,
        })
    }

    /// Returns the bank to its owner; the table is then good for nothing and is to be dropped.
    pub fn close(&mut self, by: Player) -> Result<Chips, Refusal> {
        if by != self.owner {
            return Err(Refusal::NotTheOwner);
        }
        self.opened()?;
        if !self.layout.is_empty() {
            return Err(Refusal::BetsUp);
        }
        Ok(core::mem::take(&mut self.bank))
    }

    /// Adds to the bank; the caller hands over `amount`. While the dice roll it is put aside, and is
    /// in the bank for the next round.
    pub fn fund(&mut self, amount: Chips) -> Result<(), Refusal> {
        if amount == Chips::ZERO {
            return Err(Refusal::NoChips);
        }
        self.held().checked_add(amount).ok_or(Refusal::TooManyChips)?;
        let into = match self.phase {
            Phase::Betting { .. } => &mut self.bank,
            Phase::Rolling { .. } => &mut self.queued,
        };
        into.0 += amount.0;
        Ok(())
    }

    /// Draws chips out of the bank that no bet needs; returns them. While the dice roll nobody
    /// knows what will be free: nothing is returned, and the settlement pays out as much of it as
    /// is free then, leaving the bank at least a chip.
    pub fn draw(&mut self, by: Player, amount: Chips) -> Result<Chips, Refusal> {
        if by != self.owner {
            return Err(Refusal::NotTheOwner);
        }
        if amount == Chips::ZERO {
            return Err(Refusal::NoChips);
        }
        match self.phase {
            Phase::Betting { .. } => {
                let free = self.free();
                if amount > free {
                    return Err(Refusal::Reserved { free });
                }
                self.bank.0 -= amount.0;
                Ok(amount)
            }
            Phase::Rolling { .. } => {
                self.asked = self.asked.checked_add(amount).ok_or(Refusal::TooManyChips)?;
                Ok(Chips::ZERO)
            }
        }
    }

    /// Gives `player` a seat; whoever has left with contract bets up gets their own again. The
    /// first player to sit is the shooter.
    pub fn sit(&mut self, player: Player) -> Result<(), Refusal> {
        let seats = self.seats.len();
        match self.seats.iter_mut().find(|seat| seat.player == player) {
            Some(seat) if seat.leaving => seat.leaving = false,
            Some(_) => return Err(Refusal::AlreadySeated),
            None if seats >= usize::from(self.rules.max_seats) => {
                return Err(Refusal::TableFull { seats: self.rules.max_seats });
            }
            None => self.seats.push(Seat { player, ready: false, leaving: false }),
        }
        self.shooter.get_or_insert(player);
        Ok(())
    }

    /// Frees the player's seat. Bets that may come down do, and their stakes are returned; contract
    /// bets stay, pay later, and keep the seat marked as leaving until they are decided. A shooter
    /// who leaves passes the dice.
    pub fn stand(&mut self, player: Player, at: Moment) -> Result<Chips, Refusal> {
        self.opened()?;
        let seat = self.seat(player)?;
        let mut returned = Chips::ZERO;
        for bet in self.removable_bets_of(player) {
            returned = self.off_the_felt(player, bet, returned);
        }
        self.seats[seat] = Seat { player, ready: false, leaving: true };
        if self.shooter == Some(player) {
            self.shooter = self.player_after(player);
            self.turn = at.time;
        }
        self.free_left_seats();
        Ok(returned)
    }

    /// What putting `amount` more on a bet costs: the amount, and the commission if it is paid up
    /// front.
    pub fn price(&self, player: Player, bet: Bet, amount: Chips) -> Result<Chips, Refusal> {
        let standing = self.layout.wager(player, bet).unwrap_or_default();
        let stake = standing.stake.checked_add(amount).ok_or(Refusal::TooManyChips)?;
        let vig = self.terms(bet).vig_up_front(stake).saturating_sub(u128::from(standing.vig.0));
        let price = u64::try_from(u128::from(amount.0) + vig).map_err(|_| Refusal::TooManyChips)?;
        Ok(Chips(price))
    }

    /// Puts `amount` more on a bet. The caller hands over its [`Table::price`].
    ///
    /// A bet on an empty layout opens the betting anew, so that nobody who sat at an idle table is
    /// rushed.
    pub fn bet(
        &mut self,
        player: Player,
        round: Round,
        bet: Bet,
        amount: Chips,
        at: Moment,
    ) -> Result<(), Refusal> {
        self.expect_round(round)?;
        self.seat(player)?;
        let wager = self.acceptable_wager(player, bet, amount)?;
        self.expect_cover(player, bet, wager)?;
        if self.layout.is_empty() {
            self.phase = Phase::Betting { opened: at };
            self.turn = at.time;
        }
        self.layout.put(player, bet, wager);
        Ok(())
    }

    /// Calls a bet on or off until its player says otherwise or it comes down.
    pub fn set_working(
        &mut self,
        player: Player,
        round: Round,
        bet: Bet,
        on: bool,
    ) -> Result<(), Refusal> {
        self.expect_round(round)?;
        let wager = self.layout.wager(player, bet).ok_or(Refusal::NoSuchBet { bet })?;
        self.expect_callable(bet)?;
        self.layout.put(player, bet, Wager { called: Some(on), ..wager });
        Ok(())
    }

    /// Takes a bet down, and any odds behind it; returns their stakes, and the commission that was
    /// paid up front.
    pub fn take_down(&mut self, player: Player, round: Round, bet: Bet) -> Result<Chips, Refusal> {
        self.expect_round(round)?;
        let wager = self.layout.wager(player, bet).ok_or(Refusal::NoSuchBet { bet })?;
        if self.terms(bet).is_contract(&wager) {
            return Err(Refusal::ContractBet { bet });
        }
        let mut returned = Chips::ZERO;
        for odds in self.odds_behind(player, bet) {
            returned = self.off_the_felt(player, odds, returned);
        }
        Ok(self.off_the_felt(player, bet, returned))
    }

    /// Marks the player as ready to roll before the betting window has passed.
    pub fn ready(&mut self, player: Player, round: Round) -> Result<(), Refusal> {
        self.expect_round(round)?;
        let seat = self.seat(player)?;
        self.seats[seat].ready = true;
        Ok(())
    }

    /// Throws the dice: everything is frozen until [`Table::settle`]. `by` is the shooter, or
    /// `None` for the house, which throws when the shooter's time is up (and passes the dice), or
    /// when nobody is seated and contract bets wait.
    pub fn roll(
        &mut self,
        by: Option<Player>,
        round: Round,
        at: Moment,
        ticket: RollTicket,
    ) -> Result<(), Refusal> {
        self.expect_round(round)?;
        self.expect_roll(by, at)?;
        self.phase = Phase::Rolling { ticket };
        self.house_throws = by.is_none();
        Ok(())
    }

    /// Throws these dice and settles them, whoever has them and whatever is up.
    pub(super) fn throw(&mut self, dice: Dice) -> Settlement {
        self.phase = Phase::Rolling { ticket: RollTicket::default() };
        self.settle(dice, Moment::default())
    }

    /// Settles the roll in the air and opens betting for the next round. The caller credits the
    /// payouts.
    ///
    /// # Panics
    ///
    /// If no roll is in the air.
    pub fn settle(&mut self, dice: Dice, at: Moment) -> Settlement {
        assert!(matches!(self.phase, Phase::Rolling { .. }), "only a roll in the air is settled");
        let held = self.held();
        let settled = settle::settle(&self.layout, &self.rules, self.point, self.bank, dice);
        let (round, point_before) = (self.round, self.point);
        let seven_out = point_before.is_some() && dice.total() == 7;
        self.layout = settled.layout;
        self.bank = settled.bank;
        self.point = settled.point;
        self.hand = match dice.total() {
            7 if seven_out => Hand::New,
            7 => Hand::AfterSeven,
            _ => Hand::Underway,
        };
        if seven_out || self.house_throws {
            self.shooter = self.shooter.and_then(|shooter| self.player_after(shooter));
        }
        let left = self.free_left_seats();
        self.open_next_round(dice, at);

        let drawn = self.serve_the_bank();
        let credits = settled.resolved.iter().map(|one| (one.player, one.credited));
        let mut payouts: BTreeMap<Player, Chips> = BTreeMap::new();
        let mut paid = 0;
        for (player, credited) in credits.chain([(self.owner, drawn)]) {
            if credited > Chips::ZERO {
                let sum = payouts.entry(player).or_default();
                *sum = sum.checked_add(credited).expect("a table's chips fit");
                paid += u128::from(credited.0);
            }
        }
        assert_eq!(u128::from(held.0), u128::from(self.held().0) + paid, "chips are conserved");
        Settlement {
            round,
            dice,
            payouts,
            drawn,
            resolved: settled.resolved,
            moved: settled.moved,
            point_before,
            point_after: self.point,
            seven_out,
            left,
            shooter: self.shooter,
        }
    }
}

/// What there is to see.
impl Table {
    /// The house rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Who opened the table and owns its bank.
    pub const fn owner(&self) -> Player {
        self.owner
    }

    /// What the bank holds, reserved or not.
    pub const fn bank(&self) -> Chips {
        self.bank
    }

    /// The seats, in the order in which the dice go round.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Who has the dice; nobody if nobody is seated.
    pub const fn shooter(&self) -> Option<Player> {
        self.shooter
    }

    /// Where the puck is; `None` is off.
    pub const fn point(&self) -> Option<Number> {
        self.point
    }

    /// Whether bets are taken or the dice are in the air.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The roll that comes next, or is in the air.
    pub const fn round(&self) -> Round {
        self.round
    }

    /// Every bet that is up, in canonical order (player, then bet).
    pub fn bets(&self) -> impl Iterator<Item = (Player, Bet, Chips)> {
        self.layout.bets().map(|(player, bet, wager)| (player, bet, wager.stake))
    }

    /// Whether a bet that is up can win or lose on the next roll; `None` if there is no such bet.
    pub fn is_working(&self, player: Player, bet: Bet) -> Option<bool> {
        let wager = self.layout.wager(player, bet)?;
        Some(self.terms(bet).works(&wager))
    }

    /// The last [`Table::HISTORY`] rolls, oldest first.
    pub fn history(&self) -> impl Iterator<Item = Dice> {
        self.history.iter().copied()
    }

    /// All chips on the table: the bank, what waits to go into it, and every bet.
    pub fn held(&self) -> Chips {
        let bank = u128::from(self.bank.0) + u128::from(self.queued.0);
        let held = bank + self.layout.chips();
        Chips(u64::try_from(held).expect("no bet is accepted beyond what fits"))
    }

    /// What the bank must hold for the bets that are up; never more than it does hold.
    pub fn reserve(&self) -> Chips {
        let bets = self.layout.bets().map(|(_, bet, wager)| (bet, wager));
        let worst = Exposure::of(bets, &self.rules, self.point).worst();
        Chips(u64::try_from(worst).expect("no bet is accepted beyond the bank"))
    }

    /// The block time from which the house may throw, if there is anything to decide.
    ///
    /// A shooter who took over from one that left has the full time, but no round takes more than
    /// twice that, however many shooters leave.
    pub fn deadline(&self) -> Option<BlockTime> {
        let Phase::Betting { opened } = self.phase else { return None };
        if self.layout.is_empty() {
            return None;
        }
        if self.shooter.is_none() {
            return Some(opened.time);
        }
        let latest = opened.time.plus_millis(2 * self.rules.shooter_ms);
        Some(self.turn.plus_millis(self.rules.shooter_ms).min(latest))
    }

    /// Whether the house must throw now.
    pub fn system_roll_due(&self, at: Moment) -> bool {
        self.roll_refusal(None, at).is_none()
    }

    /// Why a roll by `by` (`None` is the house) would be refused now; `None` if it would not.
    pub fn roll_refusal(&self, by: Option<Player>, at: Moment) -> Option<Refusal> {
        self.expect_roll(by, at).err()
    }
}

/// What must hold before something is done.
impl Table {
    fn opened(&self) -> Result<Moment, Refusal> {
        match self.phase {
            Phase::Betting { opened } => Ok(opened),
            Phase::Rolling { .. } => Err(Refusal::Rolling),
        }
    }

    fn expect_round(&self, round: Round) -> Result<(), Refusal> {
        self.opened()?;
        if round == self.round { Ok(()) } else { Err(Refusal::WrongRound { current: self.round }) }
    }

    /// The place in `seats` of a player who has not left.
    fn seat(&self, player: Player) -> Result<usize, Refusal> {
        let place = |seat: &Seat| seat.player == player && !seat.leaving;
        self.seats.iter().position(place).ok_or(Refusal::NotSeated)
    }

    /// The bet that adding `amount` would make, if the rules allow it.
    fn acceptable_wager(&self, player: Player, bet: Bet, amount: Chips) -> Result<Wager, Refusal> {
        let terms = self.terms(bet);
        let cap = self.expect_open(&terms, player, bet)?;
        let unit = Chips(terms.unit());
        let standing = self.layout.wager(player, bet);
        if standing.is_some_and(|wager| wager.memory.has_started()) {
            return Err(Refusal::ContractBet { bet });
        }
        let wager = standing.unwrap_or_default();
        let stake = wager.stake.checked_add(amount).ok_or(Refusal::TooManyChips)?;
        if !amount.0.is_multiple_of(unit.0) {
            return Err(Refusal::NotAMultiple { unit });
        }
        let minimum = terms.limit.min.0.max(terms.smallest());
        if amount == Chips::ZERO || stake.0 < minimum {
            let minimum = Chips(minimum.checked_next_multiple_of(unit.0).unwrap_or(minimum));
            return Err(Refusal::UnderMinimum { minimum });
        }
        if let Some(cap) = cap.filter(|cap| u128::from(stake.0) > *cap) {
            return Err(Refusal::OverOddsCap { cap: saturated(cap) });
        }
        if stake > terms.limit.max {
            return Err(Refusal::OverMaximum { maximum: terms.limit.max });
        }
        if terms.most(stake) > u128::from(terms.limit.max_win.0) {
            return Err(Refusal::OverMaximumPayout { maximum: terms.limit.max_win });
        }
        let up = self.layout.bets_of(player).count();
        if standing.is_none() && up >= usize::from(self.rules.max_bets) {
            return Err(Refusal::TooManyBets { limit: self.rules.max_bets });
        }
        self.held().checked_add(self.price(player, bet, amount)?).ok_or(Refusal::TooManyChips)?;
        Ok(Wager { stake, vig: saturated(terms.vig_up_front(stake)), ..wager })
    }

    /// That a bet may be made now; returns what it may be at most, if its flat bet says so.
    fn expect_open(
        &self,
        terms: &Terms<'_>,
        player: Player,
        bet: Bet,
    ) -> Result<Option<u128>, Refusal> {
        match (terms.opens, self.point) {
            (Opens::NotOffered, _) => Err(Refusal::NotOffered { bet }),
            (Opens::Travels, _) => Err(Refusal::OnlyTravels { bet }),
            (Opens::PuckOff | Opens::NewHand | Opens::AfterSeven, Some(point)) => {
                Err(Refusal::PuckOn { point })
            }
            (Opens::PuckOn, None) => Err(Refusal::PuckOff),
            (Opens::NewHand, None) if self.hand != Hand::New => Err(Refusal::HandUnderway),
            (Opens::AfterSeven, None) if self.hand == Hand::Underway => Err(Refusal::NoSevenBefore),
            (Opens::Behind { flat, cap }, _) => {
                let flat_bet = self.layout.wager(player, flat);
                Ok(Some(cap.of(flat_bet.ok_or(Refusal::NoFlatBet { flat })?.stake)))
            }
            (Opens::Always | Opens::PuckOff | Opens::NewHand | Opens::AfterSeven, _)
            | (Opens::PuckOn, Some(_)) => Ok(None),
        }
    }

    /// That a bet may be called on and off.
    pub(super) fn expect_callable(&self, bet: Bet) -> Result<(), Refusal> {
        if self.terms(bet).rests.is_none() { Err(Refusal::AlwaysOn { bet }) } else { Ok(()) }
    }

    /// That the bank could pay the worst if `player` had `wager` on `bet`.
    fn expect_cover(&self, player: Player, bet: Bet, wager: Wager) -> Result<(), Refusal> {
        let others =
            self.layout.bets().filter(|(owner, other, _)| (*owner, *other) != (player, bet));
        let after = others.map(|(_, bet, wager)| (bet, wager)).chain([(bet, wager)]);
        let needed = Exposure::of(after, &self.rules, self.point).worst();
        if needed > u128::from(self.bank.0) {
            return Err(Refusal::BankCannotCover { needed: saturated(needed), bank: self.bank });
        }
        Ok(())
    }

    fn expect_roll(&self, by: Option<Player>, at: Moment) -> Result<(), Refusal> {
        let opened = self.opened()?;
        match by {
            Some(player) => self.expect_throw(player)?,
            None => self.expect_house_throw(at)?,
        }
        if self.shooter.is_none() || by.is_some_and(|shooter| self.others_are_ready(shooter)) {
            return Ok(());
        }
        let until = self.window_end(opened);
        if at.height < until.height || at.time < until.time {
            return Err(Refusal::BettingOpen { until });
        }
        Ok(())
    }

    /// The shooter needs a line bet on the come-out, unless only contract bets are left to decide.
    /// With a point on they may not be able to make one: they may have taken the dice over.
    fn expect_throw(&self, player: Player) -> Result<(), Refusal> {
        self.seat(player)?;
        if self.shooter != Some(player) {
            return Err(Refusal::NotTheShooter);
        }
        let is_line_bet = |bet| self.layout.wager(player, bet).is_some();
        let has_line_bet = is_line_bet(Bet::Pass) || is_line_bet(Bet::DontPass);
        let is_contract =
            |(_, bet, wager): (Player, Bet, Wager)| self.terms(bet).is_contract(&wager);
        let only_contracts = !self.layout.is_empty() && self.layout.bets().all(is_contract);
        if self.point.is_none() && !has_line_bet && !only_contracts {
            return Err(Refusal::ShooterNeedsLineBet);
        }
        Ok(())
    }

    fn expect_house_throw(&self, at: Moment) -> Result<(), Refusal> {
        let until = self.deadline().ok_or(Refusal::NothingToRoll)?;
        if at.time < until { Err(Refusal::ShooterHasTime { until }) } else { Ok(()) }
    }

    /// Whether everybody seated with bets up, apart from the shooter who is throwing, is ready.
    fn others_are_ready(&self, shooter: Player) -> bool {
        self.seats.iter().all(|seat| {
            seat.ready
                || seat.leaving
                || seat.player == shooter
                || !self.layout.has_bets_of(seat.player)
        })
    }

    fn window_end(&self, opened: Moment) -> Moment {
        let blocks = u64::from(self.rules.window_blocks);
        Moment {
            height: Height(opened.height.0.saturating_add(blocks)),
            time: opened.time.plus_millis(self.rules.window_ms),
        }
    }
}

/// The small moves of which the calls are made.
impl Table {
    fn terms(&self, bet: Bet) -> Terms<'_> {
        Terms::of(bet, &self.rules, self.point)
    }

    fn removable_bets_of(&self, player: Player) -> Vec<Bet> {
        let bets = self.layout.bets_of(player);
        let removable = bets.filter(|(bet, wager)| !self.terms(*bet).is_contract(wager));
        removable.map(|(bet, _)| bet).collect()
    }

    fn odds_behind(&self, player: Player, behind: Bet) -> Vec<Bet> {
        let rides = |bet: &Bet| match self.terms(*bet).opens {
            Opens::Behind { flat, .. } => flat == behind,
            Opens::Always
            | Opens::PuckOff
            | Opens::PuckOn
            | Opens::NewHand
            | Opens::AfterSeven
            | Opens::Travels
            | Opens::NotOffered => false,
        };
        self.layout.bets_of(player).map(|(bet, _)| bet).filter(rides).collect()
    }

    /// Takes a bet that is up off the felt and adds its chips to `returned`.
    fn off_the_felt(&mut self, player: Player, bet: Bet, returned: Chips) -> Chips {
        let wager = self.layout.remove(player, bet).expect("the bet was found up");
        saturated(u128::from(returned.0) + wager.chips())
    }

    /// What may be drawn out of the bank: what no bet needs, less one chip.
    fn free(&self) -> Chips {
        Chips(self.bank.0.saturating_sub(self.reserve().0.max(1)))
    }

    /// Does what was asked of the bank while the dice rolled; returns what its owner draws.
    fn serve_the_bank(&mut self) -> Chips {
        self.bank.0 += core::mem::take(&mut self.queued).0;
        let drawn = core::mem::take(&mut self.asked).min(self.free());
        self.bank.0 -= drawn.0;
        drawn
    }

    /// Who has the dice after `player`: the next round the table who has not left, perhaps the
    /// same.
    fn player_after(&self, player: Player) -> Option<Player> {
        let place = self.seats.iter().position(|seat| seat.player == player)?;
        let (before, after) = self.seats.split_at(place + 1);
        let mut round = after.iter().chain(before);
        round.find(|seat| !seat.leaving).map(|seat| seat.player)
    }

    /// Frees the seats of those who left and have no bet up any more.
    fn free_left_seats(&mut self) -> Vec<Player> {
        let is_gone = |seat: &Seat| seat.leaving && !self.layout.has_bets_of(seat.player);
        let gone = self.seats.iter().filter(|seat| is_gone(seat)).map(|seat| seat.player).collect();
        self.seats.retain(|seat| !is_gone(seat));
        gone
    }

    fn open_next_round(&mut self, dice: Dice, at: Moment) {
        if self.history.len() == Self::HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(dice);
        self.round = self.round.next();
        self.phase = Phase::Betting { opened: at };
        self.turn = at.time;
        self.house_throws = false;
        for seat in &mut self.seats {
            seat.ready = false;
        }
    }
}

fn saturated(chips: u128) -> Chips {
    Chips(u64::try_from(chips).unwrap_or(u64::MAX))
}
