//! `bitcraps odds`: what bets are worth, computed when asked.

use bitcraps_host::api::{OddsView, Share};
use bitcraps_protocol::craps::Bet;

use crate::cli;
use crate::exit::Usage;
use crate::hand;
use crate::output::Output;

/// Prints the odds of one bet or, without one, of all that such a table offers.
pub(crate) fn run(arguments: &cli::Odds, output: Output) -> anyhow::Result<()> {
    let rules = hand::rules(arguments.rules.as_deref())?;
    let Some(key) = &arguments.bet else {
        let views = OddsView::all(&rules);
        output.answer(&views, || sheet(&views))?;
        return Ok(());
    };
    let bet: Bet = key.parse().map_err(|error| Usage(format!("{key:?}: {error}")))?;
    let not_offered = || Usage(format!("a table with these rules has no {bet} to bet on"));
    let view = OddsView::of(bet, &rules).ok_or_else(not_offered)?;
    output.answer(&view, || in_words(&view))?;
    Ok(())
}

/// One line a bet, the house's edge in percent.
fn sheet(views: &[OddsView]) -> String {
    let mut text = format!(
        "{:<18} {:>6} {:>6} {:>10} {:>10} {:>10}  {}\n",
        "bet", "unit", "stake", "% made", "% resolved", "% per roll", "what it is"
    );
    for view in views {
        let line = format!(
            "{:<18} {:>6} {:>6} {:>10} {:>10} {:>10}  {}\n",
            view.bet,
            view.unit,
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

/// The edges of a table's bets: those of one kind and one edge in one line.
pub(crate) fn edges(views: &[OddsView]) -> String {
    let mut lines: Vec<(&OddsView, Vec<&str>)> = Vec::new();
    for view in views {
        let alike = |other: &OddsView| {
            other.help == view.help && other.per_bet_resolved == view.per_bet_resolved
        };
        match lines.iter_mut().find(|(first, _)| alike(first)) {
            Some((_, bets)) => bets.push(&view.bet),
            None => lines.push((view, vec![&view.bet])),
        }
    }
    let mut text = String::from("the house's edge per bet resolved\n");
    for (view, bets) in lines {
        let Share { fraction, percent } = &view.per_bet_resolved;
        // Those of hand-long bets are fractions of many digits: `bitcraps odds BET` prints them.
        let fraction = if fraction.len() > 16 { "" } else { fraction };
        text.push_str(&format!("{percent:>9} %  {fraction:<16}  {}\n", bets.join(" ")));
    }
    text
}

fn in_words(view: &OddsView) -> String {
    let share = |share: &Share| format!("{} % = {}", share.percent, share.fraction);
    let mut lines = vec![
        format!("{}: {}", view.bet, view.help),
        format!("made {}, in units of {}", view.when, view.unit),
        format!("a stake of {} costs {}", view.stake, view.price),
        format!("house edge per bet made      {}", share(&view.per_bet_made)),
        format!("house edge per bet resolved  {}", share(&view.per_bet_resolved)),
        format!("house edge per roll          {}", share(&view.per_roll)),
        format!("wins                         {}", share(&view.wins)),
        format!("is returned                  {}", share(&view.pushes)),
        format!("rolls until then             {}", view.rolls),
    ];
    if view.minimum != view.stake {
        let edge = share(&view.minimum_per_bet_made);
        lines.push(format!("with a stake of only {}: edge per bet made {edge}", view.minimum));
    }
    lines.join("\n")
}
