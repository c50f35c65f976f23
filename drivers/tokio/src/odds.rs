//! `bitcraps odds`: what bets are worth, computed when asked.

use bitcraps_protocol::craps::odds::{Fraction, Odds};
use bitcraps_protocol::craps::{Bet, Number, Rules};
use serde::Serialize;

use crate::cli;
use crate::exit::Usage;
use crate::hand;
use crate::output::Output;

#[derive(Serialize)]
struct OddsView {
    bet: String,
    help: &'static str,
    stake: u64,
    price: u64,
    per_bet_made: Share,
    per_bet_resolved: Share,
    per_roll: Share,
    wins: Share,
    pushes: Share,
    rolls: String,
    /// The smallest stake that the bet admits, and the edge for each such bet made.
    smallest_stake: u64,
    smallest_per_bet_made: Share,
}

#[derive(Serialize)]
struct Share {
    fraction: String,
    percent: String,
}

impl Share {
    fn of(fraction: &Fraction) -> Self {
        Self { fraction: fraction.to_string(), percent: fraction.percent(3) }
    }
}

/// Prints the odds of one bet or, without one, of all that such a table offers.
pub(crate) fn run(arguments: &cli::Odds, output: Output) -> anyhow::Result<()> {
    let rules = hand::rules(arguments.rules.as_deref())?;
    let Some(key) = &arguments.bet else {
        let views: Vec<OddsView> = Bet::all().filter_map(|bet| view(bet, &rules)).collect();
        output.answer(&views, || sheet(&views))?;
        return Ok(());
    };
    let bet: Bet = key.parse().map_err(|error| Usage(format!("{key:?}: {error}")))?;
    let not_offered = || Usage(format!("a table with these rules has no {bet} to bet on"));
    let view = view(bet, &rules).ok_or_else(not_offered)?;
    output.answer(&view, || in_words(&view))?;
    Ok(())
}

fn view(bet: Bet, rules: &Rules) -> Option<OddsView> {
    let odds = Odds::of(bet, rules)?;
    let smallest_stake = Odds::smallest_stake(bet, rules);
    let smallest = if smallest_stake == odds.stake {
        odds.clone()
    } else {
        Odds::of_stake(bet, rules, Some(smallest_stake), Number::Six)?
    };
    Some(OddsView {
        bet: bet.to_string(),
        help: bet.help(),
        stake: odds.stake.0,
        price: odds.price.0,
        per_bet_made: Share::of(&odds.per_bet_made),
        per_bet_resolved: Share::of(&odds.per_bet_resolved),
        per_roll: Share::of(&odds.per_roll),
        wins: Share::of(&odds.wins),
        pushes: Share::of(&odds.pushes),
        rolls: odds.rolls.to_string(),
        smallest_stake: smallest_stake.0,
        smallest_per_bet_made: Share::of(&smallest.per_bet_made),
    })
}

/// One line a bet, the house's edge in percent.
fn sheet(views: &[OddsView]) -> String {
    let mut text = format!(
        "{:<18} {:>6} {:>10} {:>10} {:>10}  {}\n",
        "bet", "stake", "% made", "% resolved", "% per roll", "what it is"
    );
    for view in views {
        let line = format!(
            "{:<18} {:>6} {:>10} {:>10} {:>10}  {}\n",
            view.bet,
            view.stake,
            view.per_bet_made.percent,
            view.per_bet_resolved.percent,
            view.per_roll.percent,
            view.help
        );
        text.push_str(&line);
    }
    text
}

fn in_words(view: &OddsView) -> String {
    let share = |share: &Share| format!("{} % = {}", share.percent, share.fraction);
    let mut lines = vec![
        format!("{}: {}", view.bet, view.help),
        format!("a stake of {} costs {}", view.stake, view.price),
        format!("house edge per bet made      {}", share(&view.per_bet_made)),
        format!("house edge per bet resolved  {}", share(&view.per_bet_resolved)),
        format!("house edge per roll          {}", share(&view.per_roll)),
        format!("wins                         {}", share(&view.wins)),
        format!("is returned                  {}", share(&view.pushes)),
        format!("rolls until then             {}", view.rolls),
    ];
    if view.smallest_stake != view.stake {
        let edge = share(&view.smallest_per_bet_made);
        lines.push(format!(
            "with a stake of only {}: edge per bet made {edge}",
            view.smallest_stake
        ));
    }
    lines.join("\n")
}
