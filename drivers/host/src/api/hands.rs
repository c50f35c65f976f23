//! The hands of a table as a script, so that anybody can play them again: derived from the final
//! blocks, from genesis on, by doing to a table of our own what they did to the real one.
//!
//! A hand ends with the seven-out that leaves nothing on the felt; as long as bets stay up it goes
//! on, so that every hand can be played from nothing. Where a player had chips elsewhere does not
//! matter to a settlement: everybody begins with [`BANKROLL`].

use bitcraps_protocol::beacon::{CoinProof, DiceKey};
use bitcraps_protocol::block::Header;
use bitcraps_protocol::chain::{Body, Operation, TableId};
use bitcraps_protocol::consensus::Decided;
use bitcraps_protocol::craps::hand::{Action, Name, Op, Step};
use bitcraps_protocol::craps::{
    Chips, Dice, Moment, Phase, Player, Refusal, RollTicket, Round, Rules, Table,
};
use bitcraps_protocol::identity::{Epoch, PeerId};
use bitcraps_protocol::journal::Entry;

use super::{Code, Failure};

/// What every player of an exported hand begins with: more than anybody has, and a number that
/// every JSON reader keeps exactly.
pub const BANKROLL: Chips = Chips(1 << 52);

/// Actions that wait for their roll; more of them become a step without dice.
const ACTIONS: usize = 256;

/// A part of a hand file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandLine {
    /// A hand begins.
    Begins {
        /// At which table.
        table: TableId,
        /// With which roll.
        round: Round,
        /// The table's house rules.
        rules: Box<Rules>,
        /// What every player begins with.
        bankroll: Chips,
        /// What the table's bank holds.
        bank: Chips,
    },
    /// It goes on.
    Step(Step),
}

/// Writes the hands of one table while it is shown the chain's blocks, in order.
#[derive(Debug)]
pub struct Hands {
    id: TableId,
    /// How many tables were opened so far.
    opened: u32,
    game: Option<Table>,
    /// The hand that begins with the next step, if one does: with which roll and bank.
    begins: Option<(Round, Chips)>,
    /// What was done since the last step.
    actions: Vec<Action>,
    /// What was put into the bank while the dice rolled.
    queued: Chips,
    lines: Vec<HandLine>,
}

impl Hands {
    /// For the table that is, or was, open under this number.
    pub const fn new(table: TableId) -> Self {
        Self {
            id: table,
            opened: 0,
            game: None,
            begins: None,
            actions: Vec::new(),
            queued: Chips::ZERO,
            lines: Vec::new(),
        }
    }

    /// Takes in the next block, as it was journalled; returns what became known by it. `keys` are
    /// the chain's dice keys.
    pub fn block(
        &mut self,
        record: &[u8],
        keys: &[(Epoch, DiceKey)],
    ) -> Result<Vec<HandLine>, Failure> {
        let Ok(Entry::Decided(Decided { block, .. })) = Entry::from_bytes(record) else {
            return Err(broken("a record is no final block"));
        };
        let body = Body::of(&block.header, &block.body);
        let body = body.ok_or_else(|| broken("a block has no body"))?;
        let header = &block.header;
        for proof in body.coins.iter() {
            self.coin(proof, header, keys)?;
        }
        for signed in body.transactions.iter() {
            let transaction = signed.read().map_err(broken)?;
            self.operation(transaction.sender.peer, &transaction.operation, header)
                .map_err(broken)?;
        }
        if body.rolls.contains(&self.id) {
            self.roll(None, header).map_err(broken)?;
        }
        Ok(std::mem::take(&mut self.lines))
    }

    /// What was done since the last roll, after the last block.
    pub fn finish(mut self) -> Vec<HandLine> {
        self.flush(None);
        self.lines
    }

    /// Settles the roll in the air if it waited for this coin.
    fn coin(
        &mut self,
        proof: &CoinProof,
        header: &Header,
        keys: &[(Epoch, DiceKey)],
    ) -> Result<(), Failure> {
        let Some(game) = &mut self.game else { return Ok(()) };
        match game.phase() {
            Phase::Rolling { ticket } if ticket.view == proof.view => {}
            Phase::Rolling { .. } | Phase::Betting { .. } => return Ok(()),
        }
        // The chain has accepted the proof, and it holds under one key only.
        let coin = keys
            .iter()
            .rev()
            .find_map(|(epoch, key)| proof.verify(key, header.network, *epoch).ok());
        let coin = coin.ok_or_else(|| broken("a coin has no key"))?;
        let round = game.round();
        let dice = Dice::from_bytes(coin.dice_bytes(self.id.0, round.0));
        let settlement = game.settle(dice, moment(header));
        let (is_bare, bank) = (game.bets().next().is_none(), game.bank());
        self.flush(Some(dice));
        let queued = std::mem::take(&mut self.queued);
        if settlement.seven_out && is_bare {
            self.begins = Some((round.next(), bank));
            return Ok(());
        }
        for (op, amount) in [(Op::Fund, queued), (Op::Draw, settlement.drawn)] {
            if amount > Chips::ZERO {
                self.note(Action { amount: Some(amount), ..Action::plain(op) });
            }
        }
        Ok(())
    }

    fn operation(
        &mut self,
        sender: PeerId,
        operation: &Operation,
        header: &Header,
    ) -> Result<(), Refusal> {
        let at = moment(header);
        let who = Player(sender.0);
        let own = |action: Action| Action { player: Some(Name::from(who)), ..action };
        if let Operation::OpenTable { rules, bank, .. } = operation {
            self.opened += 1;
            if self.opened == self.id.0 {
                self.game = Some(Table::open(rules.clone(), who, *bank, at)?);
                self.begins = Some((Round(1), *bank));
            }
            return Ok(());
        }
        let is_here = operation.place().is_some_and(|(table, _)| table == self.id);
        let Some(game) = self.game.as_mut().filter(|_| is_here) else { return Ok(()) };
        let is_rolling = matches!(game.phase(), Phase::Rolling { .. });
        match operation {
            Operation::Transfer { .. } | Operation::OpenTable { .. } => {}
            Operation::CloseTable { .. } => {
                self.flush(None);
                self.game = None;
            }
            Operation::Sit { .. } => game.sit(who)?,
            Operation::Stand { .. } => {
                let has_bets = game.bets().any(|(player, ..)| player == who);
                game.stand(who, at)?;
                if has_bets {
                    self.note(own(Action::plain(Op::Stand)));
                }
            }
            Operation::Bet { round, bet, amount, .. } => {
                game.bet(who, *round, *bet, *amount, at)?;
                let action = Action { amount: Some(*amount), ..Action::with(Op::Bet, *bet) };
                self.note(own(action));
            }
            Operation::TakeDown { round, bet, amount, .. } => {
                game.take_down(who, *round, *bet, *amount)?;
                self.note(own(Action { amount: *amount, ..Action::with(Op::Down, *bet) }));
            }
            Operation::SetWorking { round, bet, on, .. } => {
                game.set_working(who, *round, *bet, *on)?;
                let op = if *on { Op::On } else { Op::Off };
                self.note(own(Action::with(op, *bet)));
            }
            Operation::Ready { round, .. } => game.ready(who, *round)?,
            Operation::PassDice { round, .. } => game.pass_dice(who, *round, at)?,
            Operation::Roll { .. } => self.roll(Some(who), header)?,
            Operation::Fund { amount, .. } => {
                game.fund(*amount)?;
                if is_rolling {
                    self.queued.0 += amount.0;
                } else {
                    self.note(Action { amount: Some(*amount), ..Action::plain(Op::Fund) });
                }
            }
            Operation::Draw { amount, .. } => {
                game.draw(who, *amount)?;
                if !is_rolling {
                    self.note(Action { amount: Some(*amount), ..Action::plain(Op::Draw) });
                }
            }
        }
        Ok(())
    }

    fn roll(&mut self, by: Option<Player>, header: &Header) -> Result<(), Refusal> {
        let Some(game) = &mut self.game else { return Ok(()) };
        let ticket = RollTicket { view: header.view, ..RollTicket::default() };
        game.roll(by, game.round(), moment(header), ticket)
    }

    fn note(&mut self, action: Action) {
        self.actions.push(action);
        if self.actions.len() >= ACTIONS {
            self.flush(None);
        }
    }

    /// Makes a step of what was done, and of the dice.
    fn flush(&mut self, dice: Option<Dice>) {
        let Some(game) = &self.game else { return };
        if self.actions.is_empty() && dice.is_none() {
            return;
        }
        if let Some((round, bank)) = self.begins.take() {
            let (table, rules) = (self.id, Box::new(game.rules().clone()));
            self.lines.push(HandLine::Begins { table, round, rules, bankroll: BANKROLL, bank });
        }
        let actions = std::mem::take(&mut self.actions);
        self.lines.push(HandLine::Step(Step { actions, dice }));
    }
}

const fn moment(header: &Header) -> Moment {
    Moment { height: header.height, time: header.time }
}

fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Halted, format!("the journal's blocks do not add up: {what}"))
}
