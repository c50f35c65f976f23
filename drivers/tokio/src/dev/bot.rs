//! A bot: sits down at the table, bets a random mix, says that it is ready, and throws the dice
//! when it is its turn. It plays through a node's API like anybody else.

use std::time::{Duration, Instant};

use bitcraps_host::api::{Code, EventView, OperationRequest, TableView, TransactionState};
use bitcraps_protocol::rng::Rng;
use bitcraps_tokio::client::{Client, ClientError, Events};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::measure::Shared;

/// How long a bot waits for news before it looks again.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many bets a bot makes for one roll at most.
const BETS: u64 = 3;

#[derive(Clone)]
pub(super) struct Bot {
    pub(super) client: Client,
    pub(super) table: u32,
    pub(super) rng: Rng,
    /// How long it shakes the dice.
    pub(super) pace: Duration,
    pub(super) measurements: Shared,
}

/// Where a bot is in the game.
struct Turn {
    own: String,
    /// The round for which it has bet.
    bet_for: Option<u64>,
}

impl Bot {
    /// Plays until `stop`, or until its node no longer answers.
    pub(super) async fn play(mut self, mut stop: watch::Receiver<bool>) -> Result<(), ClientError> {
        let play = async {
            let mut events = self.client.events().await?;
            let own = self.client.status().await?.peer;
            let mut turn = Turn { own, bet_for: None };
            loop {
                self.act(&mut turn).await?;
                news(&mut events).await?;
            }
        };
        tokio::select! {
            ended = play => ended,
            _ = stop.wait_for(|stopping| *stopping) => Ok(()),
        }
    }

    async fn act(&mut self, turn: &mut Turn) -> Result<(), ClientError> {
        let table = self.table;
        // A player's node may still be catching up.
        let Some(view) = look(&self.client, table).await? else { return Ok(()) };
        let is_seated = view.seats.iter().any(|seat| seat.player == turn.own && !seat.leaving);
        if view.rolling {
            return Ok(());
        }
        if !is_seated {
            self.attempt(OperationRequest::Sit { table }).await?;
            return Ok(());
        }
        let round = view.round;
        if turn.bet_for != Some(round) {
            turn.bet_for = Some(round);
            for operation in choose(&mut self.rng, &view, &turn.own) {
                let begun = Instant::now();
                let is_bet = matches!(operation, OperationRequest::Bet { .. });
                if self.attempt(operation).await? && is_bet {
                    let mut measurements = self.measurements.lock();
                    measurements.bets += 1;
                    measurements.bet_to_final.add(begun.elapsed());
                }
            }
            self.attempt(OperationRequest::Ready { table, round }).await?;
        }
        if view.shooter.as_ref() == Some(&turn.own) {
            self.shoot(turn, round).await?;
        }
        Ok(())
    }

    /// Throws the dice as soon as all others are ready.
    async fn shoot(&self, turn: &Turn, round: u64) -> Result<(), ClientError> {
        let view = self.client.table(self.table).await?;
        let waits = view.seats.iter().any(|seat| {
            let has_bets = view.bets.iter().any(|bet| bet.player == seat.player);
            seat.player != turn.own && !seat.ready && !seat.leaving && has_bets
        });
        // After its window the table no longer waits for those who are not ready.
        let is_open = view.window_ends_ms.is_some_and(|end| end > now_ms());
        if view.round != round || view.rolling || (waits && is_open) {
            return Ok(());
        }
        sleep(self.pace).await;
        let begun = Instant::now();
        if self.attempt(OperationRequest::Roll { table: self.table, round }).await? {
            self.measurements.lock().roll_to_dice.add(begun.elapsed());
        }
        Ok(())
    }

    /// Carries an operation out; false if it was refused, which is part of the game.
    async fn attempt(&self, operation: OperationRequest) -> Result<bool, ClientError> {
        match self.client.carry_out(operation, |_| {}).await {
            Ok(view) => {
                let is_final = matches!(view.state, TransactionState::Final { .. });
                if is_final && let Some(acknowledged) = &mut self.measurements.lock().acknowledged {
                    acknowledged.push(view.id);
                }
                Ok(is_final)
            }
            Err(ClientError::Refused(failure))
                if matches!(failure.code, Code::Refused | Code::Failed | Code::Busy) =>
            {
                tracing::debug!(%failure, "a bot was refused");
                self.measurements.lock().refusals += 1;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The table as its node knows it, if it does.
pub(super) async fn look(client: &Client, table: u32) -> Result<Option<TableView>, ClientError> {
    match client.table(table).await {
        Ok(view) => Ok(Some(view)),
        Err(ClientError::Refused(failure)) if failure.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The wall clock; agreed time follows it.
fn now_ms() -> u64 {
    crate::commands::now().as_millis()
}

/// Waits until something happened at the table, or for a while.
async fn news(events: &mut Events) -> Result<(), ClientError> {
    let something = async {
        loop {
            match events.next().await? {
                Some(EventView::Finalized { transactions: 0, .. }) => {}
                Some(
                    EventView::Finalized { .. }
                    | EventView::Settled { .. }
                    | EventView::Missed { .. },
                ) => return Ok(()),
                Some(
                    EventView::PeerUp { .. }
                    | EventView::PeerDown { .. }
                    | EventView::Misbehaved { .. }
                    | EventView::Suspicious { .. }
                    | EventView::Evidence { .. }
                    | EventView::Entered { .. }
                    | EventView::Done { .. }
                    | EventView::Failed { .. }
                    | EventView::Rolled { .. }
                    | EventView::KeyProposed { .. }
                    | EventView::KeyChanged { .. }
                    | EventView::LeftOut {}
                    | EventView::Abstains { .. }
                    | EventView::Said { .. }
                    | EventView::Delivered { .. }
                    | EventView::Undelivered { .. }
                    | EventView::Halted { .. },
                ) => {}
                None => return Err(ClientError::Broken("the node has stopped".into())),
            }
        }
    };
    timeout(PATIENCE, something).await.unwrap_or(Ok(()))
}

/// A random mix of what makes sense now; the shooter's line bet first.
fn choose(rng: &mut Rng, view: &TableView, own: &str) -> Vec<OperationRequest> {
    let (table, round) = (view.id, view.round);
    let mine = view.bets.iter().filter(|bet| bet.player == own).map(|bet| bet.bet.as_str());
    let mine = mine.collect::<Vec<_>>();
    let has_line = mine.contains(&"pass") || mine.contains(&"dont_pass");
    let mut bets = Vec::new();
    if view.point.is_none() && !has_line {
        let line = if rng.below(4) == 0 { "dont_pass" } else { "pass" };
        bets.push((line.to_owned(), 10));
    }
    for _ in 0..rng.below(BETS) {
        bets.push(candidate(rng, view.point, &mine));
    }
    let bets = bets.into_iter();
    let mut operations = bets
        .map(|(bet, amount)| OperationRequest::Bet { table, round, bet, amount })
        .collect::<Vec<_>>();
    if let Some(bet) = mine.iter().find(|bet| bet.starts_with("place:"))
        && rng.below(8) == 0
    {
        operations.push(OperationRequest::TakeDown {
            table,
            round,
            bet: (*bet).to_owned(),
            amount: None,
        });
    }
    operations
}

/// One bet with a stake in its units.
fn candidate(rng: &mut Rng, point: Option<u8>, mine: &[&str]) -> (String, u64) {
    const ANY_TIME: [(&str, u64); 18] = [
        ("field", 5),
        ("any7", 1),
        ("any_craps", 1),
        ("two", 1),
        ("three", 1),
        ("yo", 1),
        ("boxcars", 1),
        ("hard:4", 2),
        ("hard:6", 2),
        ("hard:8", 2),
        ("hard:10", 2),
        ("place:4", 10),
        ("place:5", 10),
        ("place:6", 12),
        ("place:8", 12),
        ("place:9", 10),
        ("place:10", 10),
        ("field", 10),
    ];
    let flats = mine.iter().filter(|bet| {
        let is_line = point.is_some() && (**bet == "pass" || **bet == "dont_pass");
        is_line || bet.starts_with("come:") || bet.starts_with("dont_come:")
    });
    // Odds are the best bet on the table; 30 is a whole number of every unit of odds.
    let odds = flats.map(|flat| (format!("odds:{flat}"), 30)).collect::<Vec<_>>();
    match rng.below(4) {
        0 if !odds.is_empty() => {
            let index = rng.below(odds.len() as u64) as usize;
            odds.into_iter().nth(index).expect("an index below the length")
        }
        1 if point.is_some() => {
            let come = if rng.below(3) == 0 { "dont_come" } else { "come" };
            (come.to_owned(), 10)
        }
        _ => {
            let (bet, amount) = ANY_TIME[rng.below(ANY_TIME.len() as u64) as usize];
            (bet.to_owned(), amount)
        }
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::craps::Bet;

    use super::*;

    #[test]
    fn bots_know_the_names_of_bets() {
        let mut rng = Rng::new([5; 32]);
        let mine = ["pass", "come:6", "dont_come:10", "dont_pass", "field"];
        for round in 0..1000 {
            let point = if round % 2 == 0 { Some(6) } else { None };
            let (bet, _) = candidate(&mut rng, point, &mine);
            assert!(bet.parse::<Bet>().is_ok(), "{bet}");
        }
    }
}
