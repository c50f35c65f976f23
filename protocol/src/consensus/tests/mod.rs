//! Consensus among nodes joined by queues, one machine driven step by step, and all votes there
//! can be about one view.

mod coin_lock;
mod gaps;
mod headlines;
mod rules;
mod schedules;
mod steps;
mod wire;

use super::world;
