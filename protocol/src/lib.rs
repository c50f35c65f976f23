#![no_std]
#![deny(clippy::float_arithmetic)]
//! BitCraps' core: consensus, dice, ledger, craps and mesh as one pure, deterministic machine.
//!
//! A [`Node`](node::Node) owns no socket, clock, thread, file or source of entropy; it is
//! `no_std`, so it cannot even name them. A *driver* turns what happened into
//! [`Event`](event::Event)s and carries out [`Action`](event::Action)s:
//!
//! ```text
//!            Event                                  Action
//!  links ──► LinkUp/LinkDown/Received/Sent ─┐  ┌─► Send / Close / Dial
//!  disk  ──► Persisted / Loaded ────────────┤  ├─► Persist / Load
//!  time  ──► Tick / WallClock ──────────────┴► Node ┤
//!  player ─► submit(Command) ────────────────►      └─► Notify(Notice)
//! ```
//!
//! ```text
//! loop {
//!     while let Some(action) = node.poll() { execute(action) }
//!     let event = next_event(until: node.deadline());   // Event::Tick when it has passed
//!     node.handle(clock.now(), event);
//! }
//! ```
//!
//! Every stateful machine, from `Node` down, has the same three methods and no other verbs for
//! them: `handle(now, input)`, `poll() -> Option<Output>`, `deadline() -> Option<Time>`. After
//! `handle(now, _)` a deadline lies ahead of `now`. The same seed and the same timed events give
//! the same actions, on any machine, on any day.
//!
//! # Where things are
//!
//! * The whole boundary is one file: [`event`]. What a node is made of: [`node`].
//! * A vote is judged in `consensus/ballot.rs`, counted in `consensus/round.rs`, cast in
//!   `consensus/voting.rs`, and leaves once it is durable: [`consensus`], [`journal`].
//! * A chip moves in [`ledger`] (between accounts), in `chain/execute.rs` (between an account and a
//!   table) and in `craps/settle.rs` (between a table's bank and its bets). Nowhere else.
//! * The dice come from [`beacon`]: a threshold coin whose shares leave with the finalize votes.
//!   `craps/dice.rs` maps its bytes to two dice.
//! * What a roll was, and that it was fair, is proved to anybody by a [`receipt`].
//! * Who follows headers and proofs only judges them in [`light`].
//! * A link is made safe in [`session`]; messages reach everybody through [`mesh`], and one peer far
//!   away through [`mesh::post`]. What people say to one another is [`chat`].
//! * What members of a private network say is sealed under a key in [`keyring`].
//! * What the simulator may change about a node is asked in `hooks.rs` and, without the feature
//!   `simulation`, is nothing.
//! * [`wire`] knows formats and limits, [`identity`] keys, proofs of work and signatures.
//!
//! # What depends on what
//!
//! `time`, `rng`, `wire`, `identity` ← `session` ← `mesh`; `craps` ← `ledger` ← `chain`;
//! `consensus` and `beacon` stand beside the chain, not on it, and share with it only the
//! vocabulary of [`block`]. [`receipt`] and [`light`] read what all of them leave behind. [`node`] alone knows them all, and only routes. [`craps`] can be
//! reviewed by somebody who has never seen a network, [`consensus`] by somebody who has never seen
//! a casino.
//!
//! # Whose fault it is
//!
//! A peer's mistake is a [`Fault`](event::Fault) and costs its link; the local player's is a
//! [`Refusal`](event::Refusal) and changes nothing; a bug of ours is an `assert!` that stays on in
//! release builds.

extern crate alloc;
#[cfg(any(test, feature = "fuzzing"))]
extern crate std;

pub mod beacon;
pub mod block;
pub mod chain;
pub mod chat;
pub mod consensus;
#[cfg(test)]
mod cpu_time;
pub mod craps;
pub mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod hooks;
pub mod identity;
pub mod journal;
pub mod keyring;
pub mod ledger;
pub mod light;
pub mod mesh;
pub mod node;
pub mod receipt;
pub mod rng;
pub mod session;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod time;
pub mod wire;
