//! Examples and explanations below the help of commands.

use std::fmt::Write as _;

use bitcraps_protocol::craps::odds::Offer;
use bitcraps_protocol::craps::{Bet, Rules};

pub(super) const EXAMPLES: &str = "\
Examples:
  bitcraps dev                          a whole network with bots on this machine, to look at
  bitcraps join ticket1…                accept a friend's invitation
  bitcraps table list                   what can be played
  bitcraps sit 1
  bitcraps bet 1 pass 10                10 chips on the pass line of table 1
  bitcraps roll 1                       throw the dice

Exit codes: 0 done, 1 refused or no, 2 wrong usage or configuration, 3 no node to talk to,
4 refused for safety, 5 the disk is full, 6 the disk failed.";

pub(super) const NETWORK_EXAMPLES: &str = "\
Example, with two validators A and B:
  bitcraps --data-dir a key card        prints A's card
  bitcraps --data-dir b key card        prints B's card
  bitcraps --data-dir a network new --name friends --validator card1AAA… --validator card1BBB…
  bitcraps --data-dir a node --listen 127.0.0.1:7711
  bitcraps --data-dir b node --listen 127.0.0.1:7712 --genesis a/genesis --peers 127.0.0.1:7711";

pub(super) const ODDS_EXAMPLES: &str = "\
Examples:
  bitcraps odds                         every bet of the standard table
  bitcraps odds place:6                 one bet, in exact fractions
  bitcraps odds buy:4 --rules house.json

A rules file names a preset and what differs from it:
  {\"preset\": \"standard\", \"overrides\": {\"vig\": {\"when\": \"upfront\"}}}
Rules with a bet that may favour the player are refused unless they say
\"allow_player_edge\": true.";

pub(super) const HAND_EXAMPLES: &str = "\
A line of the file is a hand, or a step of the hand before it:
  {\"bankroll\": 100, \"steps\": [{\"do\": [{\"op\": \"bet\", \"bet\": \"pass\", \"amount\": 10}], \"dice\": [3, 3]}]}
  {\"do\": [{\"op\": \"bet\", \"bet\": \"place:8\", \"amount\": 12, \"working\": true}], \"dice\": [4, 4]}
Each step is answered with a line: what was accepted or refused, the point, the bankroll, the bets
that are up, and what the dice settled. Ops are bet, down, on and off. With several players each
action says whose it is: \"player\": \"anna\". Hands of real tables come from `hand export`; they also
use the ops stand, fund and draw, and down with an amount.";

pub(super) const RECEIPT_EXAMPLES: &str = "\
Examples:
  bitcraps receipt 1:17                 your receipt of roll 17 of table 1
  bitcraps receipt 1:17 --anybody --out roll.receipt
  bitcraps verify roll.receipt --genesis genesis --roll 1:17

A receipt proves the throw, the bets, the dice and the payout to whoever has the network's genesis
file or one header of it, without a node. A node can make it for its newest 1,024 rolls.";

pub(super) const VERIFY_EXAMPLES: &str = "\
Examples:
  bitcraps verify table-1-roll-17.receipt                   the network of this data directory
  bitcraps verify table-1-roll-17.receipt --genesis genesis
  bitcraps verify table-1-roll-17.receipt --header 5f1c…    as `bitcraps network header` prints it

Exit code 0: every step holds. 1: the printed step does not. 2: nothing to check, or against.";

pub(super) const STATS_HELP: &str = "\
What is tested is fixed here, before anybody looks at the dice:
  faces    all 36 outcomes equally often: Pearson's chi-square, 35 degrees of freedom,
           from 180 rolls on
  sevens   one roll in six is a 7: the normal approximation, two-sided, from 36 rolls on
  gaps     rolls from one 7 to the next are geometric: Pearson's chi-square over gaps 0, 1, 2 …,
           as many as are expected 5 times at least and the rest together, from 60 gaps on
Each test fails when its statistic would be exceeded by fair dice once in 1,000 times. Of fair
tables, one in about 333 fails one of the three. Exit code 1 if one fails.";

pub(super) const CHAT_HELP: &str = "\
Examples:
  bitcraps chat 1 nice roll             everybody in the network who looks at table 1 hears it
  bitcraps chat craps1… are you there?  one peer hears it, however many links away
  bitcraps chat 1 --follow              what was said lately, then what is said, until Ctrl-C
  bitcraps chat craps1…                 what you and that peer said to one another

At a table, those who sit there and its owner speak. What is said to a peer is sealed: nodes on the
way pass it on and cannot read it. It is delivered, or reported as undelivered after half a minute;
nothing is kept for a peer that is away. A line has at most 512 bytes; after 8 lines at a time there
is one more every two seconds. A node remembers the newest 100 lines of a table or peer until it
stops. Nothing of this is on the chain.";

/// Every kind of bet, from the table's own catalogue, and how to write it.
pub(super) fn bets() -> String {
    let rules = Rules::default();
    let mut kinds: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for bet in Bet::all() {
        let Some(offer) = Offer::of(bet, &rules) else { continue };
        match kinds.last_mut() {
            Some((help, _, keys)) if *help == bet.help() => keys.push(bet.to_string()),
            _ => kinds.push((bet.help(), offer.when, vec![bet.to_string()])),
        }
    }
    let mut text = String::from("Bets, and when they can be made:\n");
    for (help, when, keys) in kinds {
        let key = match &keys[..] {
            [first, .., last] => format!("{first} … {last}"),
            _ => keys.concat(),
        };
        writeln!(text, "  {key:<32}{help} ({when})").expect("writing to a string cannot fail");
    }
    text + "\nExample: bitcraps bet 1 place:6 12"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_bet_has_every_bet_of_the_catalogue() {
        let help = bets();
        for bet in Bet::all().filter(|bet| Offer::of(*bet, &Rules::default()).is_some()) {
            assert!(help.contains(bet.help()), "{bet}");
        }
        assert!(help.contains("  pass                            The shooter wins"), "{help}");
        assert!(help.contains("  place:4 … place:10              The number before a 7"), "{help}");
    }
}
