//! Craps tables, small and full, about to settle a roll.

use bitcraps_protocol::craps::{
    Bet, Chips, Dice, Moment, Player, RollTicket, Rules, Settlement, Table,
};

/// Bets of one player at a small table besides a pass bet, and their stakes.
pub const SMALL: [(&str, u64); 2] = [("odds:pass", 20), ("place:6", 12)];

/// Bets of one player at a full table, with the puck on 4, and their stakes.
pub const FULL: [(&str, u64); 24] = [
    ("come", 10),
    ("dont_come", 10),
    ("odds:pass", 20),
    ("place:5", 10),
    ("place:6", 12),
    ("place:8", 12),
    ("place:9", 10),
    ("buy:4", 20),
    ("buy:10", 20),
    ("lay:6", 24),
    ("lay:9", 30),
    ("hard:4", 2),
    ("hard:6", 2),
    ("hard:8", 2),
    ("hard:10", 2),
    ("big6", 5),
    ("field", 5),
    ("any7", 1),
    ("yo", 1),
    ("horn", 4),
    ("hop:2-3", 1),
    ("yes:8", 10),
    ("no:5", 10),
    ("next:6", 10),
];

/// A table on which the dice are about to fall, with these bets of each player besides a pass bet.
pub fn table(players: u8, bets: &[(&str, u64)]) -> Table {
    let at = Moment::default();
    let rules = Rules { window_ms: 0, ..Rules::default() };
    let owner = Player([255; 32]);
    let mut table = Table::open(rules, owner, Chips(1 << 40), at).expect("the rules are good");
    let all = (1..=players).map(|index| Player([index; 32]));
    let bet = |table: &mut Table, player, key: &str, amount| {
        let key: Bet = key.parse().expect("the key of a bet");
        let bet = table.bet(player, table.round(), key, Chips(amount), at);
        bet.expect("the bet is open");
    };
    for player in all.clone() {
        table.sit(player).expect("there is a seat");
        bet(&mut table, player, "pass", 10);
    }
    let point = roll(&mut table, Dice::new(2, 2).expect("two faces"));
    assert!(point.resolved.is_empty());
    for player in all {
        for (key, amount) in bets {
            bet(&mut table, player, key, *amount);
        }
    }
    table
}

/// When everybody's time is up, so that the house throws.
fn late() -> Moment {
    let mut at = Moment::default();
    at.height.0 = 1000;
    at.time = at.time.plus_millis(1_000_000);
    at
}

fn roll(table: &mut Table, dice: Dice) -> Settlement {
    thrown(table);
    table.settle(dice, Moment::default())
}

/// Throws the dice, which have yet to be made.
pub fn thrown(table: &mut Table) {
    let thrown = table.roll(None, table.round(), late(), RollTicket::default());
    thrown.expect("the shooter's time is up");
}
