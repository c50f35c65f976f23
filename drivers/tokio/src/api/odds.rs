//! `GET /v1/tables/{id}/odds`: what a table's bets are worth, worked out once for the same rules.

use std::collections::VecDeque;
use std::sync::Arc;

use bitcraps_host::api::{Failure, OddsView};
use bitcraps_protocol::craps::Rules;
use tokio::sync::Mutex;

/// Rules whose odds are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 16;

/// The odds of the rules that were asked for lately.
#[derive(Default)]
pub(super) struct OddsMemory {
    known: Mutex<VecDeque<(Rules, Arc<Vec<OddsView>>)>>,
}

impl OddsMemory {
    /// The odds under `rules`. Whoever asks meanwhile waits: it is worked out once, on a thread
    /// that may take its time.
    pub(super) async fn of(&self, rules: Rules) -> Result<Arc<Vec<OddsView>>, Failure> {
        let mut known = self.known.lock().await;
        if let Some((_, odds)) = known.iter().find(|(other, _)| *other == rules) {
            return Ok(Arc::clone(odds));
        }
        let asked = rules.clone();
        let odds = tokio::task::spawn_blocking(move || Arc::new(OddsView::all(&rules))).await;
        let odds = odds.map_err(|_| Failure::halted())?;
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back((asked, Arc::clone(&odds)));
        Ok(odds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_rules_are_worked_out_once() {
        let memory = OddsMemory::default();
        let one = memory.of(Rules::default()).await.unwrap();
        let again = memory.of(Rules::default()).await.unwrap();
        assert!(Arc::ptr_eq(&one, &again));
        let pass = one.iter().find(|view| view.bet == "pass").unwrap();
        assert_eq!(pass.per_bet_resolved.fraction, "7/495");
        assert_eq!(memory.known.lock().await.len(), 1);
    }
}
