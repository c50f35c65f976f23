//! The game: one craps table as a pure state machine. It knows players (opaque), chips, dice and
//! moments agreed on by somebody else; nothing of networks, accounts or chains.
//!
//! Three promises hold after every call: no chip appears or vanishes, the bank can pay the worst
//! that the bets on the layout can still do to it, and a refused call has changed nothing.
//!
//! Where to look: [`Bet`] names the bets, `catalogue` says everything about each of them,
//! [`Rules`] holds what houses differ in, [`Table`] takes bets and throws, `settle` pays them,
//! `reserve` bounds what they can cost.

mod bet;
mod catalogue;
mod chips;
mod dice;
mod layout;
mod ratio;
mod refusal;
mod reserve;
mod rules;
mod settle;
mod table;

#[cfg(test)]
mod tests;

pub use bet::{Bet, UnknownBet};
pub use chips::{Chips, Moment, Player, Round};
pub use dice::{Dice, HardNumber, NotDice, NotNumber, Number};
pub use ratio::{NotRatio, Ratio};
pub use refusal::Refusal;
pub use rules::{
    Bar, Field, Hardways, Limit, Limits, OnComeOut, PerPoint, Props, Rules, RulesRefusal, Stays,
};
pub use settle::{Moved, Outcome, Resolved, Settlement};
pub use table::{Phase, RollTicket, Seat, Table};
