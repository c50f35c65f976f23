//! What may be bet at a table now, and how bets come down.

use alloc::vec::Vec;

use super::super::reserve::Exposure;
use super::super::terms::{Opens, Terms, Wager};
use super::super::{Bet, Chips, Moment, Player, Refusal, Round};
use super::{Hand, Phase, Table, saturated};

/// What players do with their bets.
impl Table {
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
    /// paid up front. With an `amount` below the stake only so much comes down: what stays must be
    /// a bet that could be made, and odds that it no longer carries come down with it.
    /// (craps.md section 7)
    pub fn take_down(
        &mut self,
        player: Player,
        round: Round,
        bet: Bet,
        amount: Option<Chips>,
    ) -> Result<Chips, Refusal> {
        self.expect_round(round)?;
        let wager = self.layout.wager(player, bet).ok_or(Refusal::NoSuchBet { bet })?;
        if self.terms(bet).is_contract(&wager) {
            return Err(Refusal::ContractBet { bet });
        }
        let Some(amount) = amount.filter(|amount| *amount != wager.stake) else {
            let mut returned = Chips::ZERO;
            for odds in self.odds_behind(player, bet) {
                returned = self.off_the_felt(player, odds, returned);
            }
            return Ok(self.off_the_felt(player, bet, returned));
        };
        let reduced = self.reduced_wager(bet, wager, amount)?;
        self.layout.put(player, bet, reduced);
        let mut returned = wager.chips() - reduced.chips();
        for odds in self.odds_behind(player, bet) {
            returned += self.cut_to_cap(player, odds, reduced.stake);
        }
        Ok(saturated(returned))
    }
}

/// What must hold before a bet is made.
impl Table {
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
        let others = self.layout.bets().filter(|(other, up, _)| *up == bet && *other != player);
        let of_all: u128 = others.map(|(.., wager)| terms.most(wager.stake)).sum();
        if of_all + terms.most(stake) > u128::from(terms.limit.max_win_of_all.0) {
            let maximum = terms.limit.max_win_of_all;
            return Err(Refusal::OverMaximumPayoutOfAll { maximum });
        }
        let up = self.layout.bets_of(player).count();
        if standing.is_none() && up >= usize::from(self.rules.max_bets) {
            return Err(Refusal::TooManyBets { limit: self.rules.max_bets });
        }
        self.held().checked_add(self.price(player, bet, amount)?).ok_or(Refusal::TooManyChips)?;
        Ok(Wager { stake, vig: saturated(terms.vig_up_front(stake)), ..wager })
    }

    /// What stays of a bet that is not a contract when `amount` comes down, if the rules allow it.
    fn reduced_wager(&self, bet: Bet, wager: Wager, amount: Chips) -> Result<Wager, Refusal> {
        let terms = self.terms(bet);
        let unit = Chips(terms.unit());
        if amount == Chips::ZERO {
            return Err(Refusal::NoChips);
        }
        let less = wager.stake.checked_sub(amount);
        let stake = less.ok_or(Refusal::MoreThanIsUp { stake: wager.stake })?;
        if !amount.0.is_multiple_of(unit.0) {
            return Err(Refusal::NotAMultiple { unit });
        }
        let minimum = terms.limit.min.0.max(terms.smallest());
        if stake.0 < minimum {
            return Err(Refusal::UnderMinimum { minimum: Chips(minimum) });
        }
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
    pub(in super::super) fn expect_callable(&self, bet: Bet) -> Result<(), Refusal> {
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
}

/// The small moves of which the calls are made.
impl Table {
    pub(super) fn removable_bets_of(&self, player: Player) -> Vec<Bet> {
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

    /// Takes as much of `odds` down as a flat bet of `flat` no longer carries; returns that.
    fn cut_to_cap(&mut self, player: Player, odds: Bet, flat: Chips) -> u128 {
        let wager = self.layout.wager(player, odds).expect("the odds were found up");
        let terms = self.terms(odds);
        let Opens::Behind { cap, .. } = terms.opens else { return 0 };
        let (cap, unit) = (cap.of(flat), u128::from(terms.unit()));
        if u128::from(wager.stake.0) <= cap {
            return 0;
        }
        let stake = saturated(cap / unit * unit);
        if stake == Chips::ZERO {
            self.layout.remove(player, odds);
            return wager.chips();
        }
        let cut = Wager { stake, ..wager };
        self.layout.put(player, odds, cut);
        wager.chips() - cut.chips()
    }

    /// Takes a bet that is up off the felt and adds its chips to `returned`.
    pub(super) fn off_the_felt(&mut self, player: Player, bet: Bet, returned: Chips) -> Chips {
        let wager = self.layout.remove(player, bet).expect("the bet was found up");
        saturated(u128::from(returned.0) + wager.chips())
    }
}
