//! The game: one craps table as a pure state machine. It knows players (opaque), chips, dice and
//! moments agreed on by somebody else; nothing of networks, accounts or chains.
//!
//! Three promises hold after every call: no chip appears or vanishes, the bank can pay the worst
//! that the bets on the layout can still do to it, and a refused call has changed nothing.
//!
//! Where to look: [`Bet`] names the bets, `catalogue` says everything about each of them in the
//! words of `terms`, `course` follows those that remember what they have seen, [`Rules`] and its
//! pay tables hold what houses differ in, [`Table`] takes bets and throws, `settle` pays them,
//! `reserve` bounds what they can cost, [`odds`] says what they are worth, and [`hand`] plays
//! from a script.

mod bet;
mod catalogue;
mod chips;
mod course;
mod dice;
pub mod hand;
mod layout;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod model;
pub mod odds;
mod pays;
mod ratio;
mod refusal;
mod reserve;
mod rules;
mod settle;
mod table;
mod terms;

#[cfg(test)]
mod tests;

pub use bet::{Bet, UnknownBet};
pub use chips::{Chips, Moment, Player, Round};
pub use dice::{
    Dice, Faces, FieldersChoice, HardNumber, HornNumber, NotDice, NotNumber, Number, RepeaterPlus,
    Total,
};
pub use pays::{
    Field, Fire, Hardways, Hops, Ladder, Muggsy, PerNumber, Props, Repeat, Rounding, Sides,
    TwiceAsHard, TwiceOn, Vig, VigWhen,
};
pub use ratio::{NotRatio, Ratio};
pub use refusal::Refusal;
pub use rules::{Bar, Limit, Limits, OnComeOut, Rules, RulesRefusal, Stays};
pub use settle::{Moved, Outcome, Resolved, Settlement};
pub use table::{Phase, RollTicket, Seat, Table};
