//! Who sits at a table, who has the dice, and when they may be thrown.

use alloc::vec::Vec;

use super::super::terms::Wager;
use super::super::{Bet, Chips, Moment, Player, Refusal, Round};
use super::{Phase, RollTicket, Seat, Table};
use crate::block::Height;
use crate::time::BlockTime;

/// What players do with their seats and with the dice.
impl Table {
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

    /// Passes the dice to the next player round the table, who may pass them on. Bets, the puck and
    /// the hand stay as they are; the next shooter has the full time, within the round's bound.
    /// (craps.md section 8)
    pub fn pass_dice(&mut self, player: Player, round: Round, at: Moment) -> Result<(), Refusal> {
        self.expect_round(round)?;
        self.seat(player)?;
        if self.shooter != Some(player) {
            return Err(Refusal::NotTheShooter);
        }
        let next = self.player_after(player).filter(|next| *next != player);
        self.shooter = Some(next.ok_or(Refusal::NobodyElse)?);
        self.turn = at.time;
        Ok(())
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
}

/// When the dice may be thrown.
impl Table {
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

impl Table {
    /// The place in `seats` of a player who has not left.
    pub(super) fn seat(&self, player: Player) -> Result<usize, Refusal> {
        let place = |seat: &Seat| seat.player == player && !seat.leaving;
        self.seats.iter().position(place).ok_or(Refusal::NotSeated)
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

    /// Who has the dice after `player`: the next round the table who has not left, perhaps the
    /// same.
    pub(super) fn player_after(&self, player: Player) -> Option<Player> {
        let place = self.seats.iter().position(|seat| seat.player == player)?;
        let (before, after) = self.seats.split_at(place + 1);
        let mut round = after.iter().chain(before);
        round.find(|seat| !seat.leaving).map(|seat| seat.player)
    }

    /// Frees the seats of those who left and have no bet up any more.
    pub(super) fn free_left_seats(&mut self) -> Vec<Player> {
        let is_gone = |seat: &Seat| seat.leaving && !self.layout.has_bets_of(seat.player);
        let gone = self.seats.iter().filter(|seat| is_gone(seat)).map(|seat| seat.player).collect();
        self.seats.retain(|seat| !is_gone(seat));
        gone
    }
}
