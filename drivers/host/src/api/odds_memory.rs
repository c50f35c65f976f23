//! `GET /v1/tables/{id}/odds`: what a table's bets are worth, worked out once for the same rules.

use std::collections::VecDeque;

use bitcraps_protocol::craps::Rules;
use bytes::Bytes;

use super::OddsView;
use super::answer::json;
use crate::sync::{Mutex, lock};

/// Rules whose odds are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 16;

/// The odds of the rules that were asked for lately, as they are answered.
pub(super) struct OddsMemory {
    known: Mutex<VecDeque<(Rules, Bytes)>>,
}

impl OddsMemory {
    pub(super) fn new() -> Self {
        Self { known: Mutex::new(VecDeque::new()) }
    }

    /// The odds under `rules`. Takes its time, and whoever asks meanwhile waits: it is worked out
    /// once.
    pub(super) fn of(&self, rules: Rules) -> Bytes {
        let mut known = lock(&self.known);
        if let Some((_, odds)) = known.iter().find(|(other, _)| *other == rules) {
            return odds.clone();
        }
        let odds = json(&OddsView::all(&rules));
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back((rules, odds.clone()));
        odds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rules_are_worked_out_once() {
        let memory = OddsMemory::new();
        let one = memory.of(Rules::default());
        let again = memory.of(Rules::default());
        assert_eq!(one.as_ptr(), again.as_ptr());
        let odds: Vec<OddsView> = serde_json::from_slice(&one).unwrap();
        let pass = odds.iter().find(|view| view.bet == "pass").unwrap();
        assert_eq!(pass.per_bet_resolved.fraction, "7/495");
        assert_eq!(lock(&memory.known).len(), 1);
    }
}
