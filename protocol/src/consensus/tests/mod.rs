//! Consensus among nodes joined by queues, and one machine driven step by step.

mod schedules;
mod steps;
mod wire;
mod world;
