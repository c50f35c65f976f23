//! The engine's own edges: every bet played to its end over all 36 rolls, exactly, and compared
//! with the published fractions.

use std::vec;

use super::*;
use crate::craps::{Bar, Field, Hardways, Ratio};

/// An exact fraction in lowest terms, the sign above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fraction(i128, i128);

impl Fraction {
    fn new(over: i128, under: i128) -> Self {
        let (mut a, mut b) = (over.abs(), under.abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let sign = if under < 0 { -1 } else { 1 };
        Self(sign * over / a, sign * under / a)
    }

    fn plus(self, other: Self) -> Self {
        Self::new(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
    }

    fn times(self, other: Self) -> Self {
        Self::new(self.0 * other.0, self.1 * other.1)
    }

    fn over(self, other: Self) -> Self {
        self.times(Self::new(other.1, other.0))
    }

    fn minus(self, other: Self) -> Self {
        self.plus(Self(-other.0, other.1))
    }
}

/// What one bet is worth, as craps-edges.csv counts.
#[derive(Debug, PartialEq, Eq)]
struct Worth {
    /// Expected loss per chip bet.
    per_made: Fraction,
    /// The same, leaving out bets that push.
    per_resolved: Fraction,
    /// Expected loss per chip and roll.
    per_roll: Fraction,
    /// The chance to win.
    wins: Fraction,
}

/// A point of the game from which the bet may still go on, with its chances of what comes next.
struct Node {
    table: Table,
    /// By node: in how many of 36 rolls it comes next.
    next: Vec<(usize, i128)>,
    /// In 36ths: profit times ways, wins, pushes.
    ends: [i128; 3],
}

/// Plays the bet that `is_tracked` knows until it is decided, over every sequence of dice.
fn worth(game: Game, is_tracked: impl Fn(Bet) -> bool) -> Worth {
    let tracked = |table: &Table| table.bets().find(|(_, bet, _)| is_tracked(*bet));
    let (.., stake) = tracked(&game.table).expect("the bet is up");
    let same = |a: &Table, b: &Table| a.point() == b.point() && a.bets().eq(b.bets());
    let mut nodes = vec![Node { table: game.table, next: vec![], ends: [0; 3] }];
    let mut visited = 0;
    while visited < nodes.len() {
        for roll in Dice::all() {
            let mut table = nodes[visited].table.clone();
            let at = moment(table.round().0 * 1000, table.round().0 * 3_600_000);
            table.roll(None, table.round(), at, TICKET).unwrap();
            let settlement = table.settle(roll, at);
            if let Some(end) = settlement.resolved.iter().find(|one| is_tracked(one.bet)) {
                let kept = if end.stays { stake.0 } else { 0 };
                let ends = &mut nodes[visited].ends;
                ends[0] += i128::from(end.credited.0 + kept) - i128::from(stake.0);
                ends[1] += i128::from(end.result == Outcome::Win);
                ends[2] += i128::from(end.result == Outcome::Push);
                continue;
            }
            let known = nodes.iter().position(|node| same(&node.table, &table));
            let next = known.unwrap_or_else(|| {
                nodes.push(Node { table, next: vec![], ends: [0; 3] });
                nodes.len() - 1
            });
            match nodes[visited].next.iter_mut().find(|(node, _)| *node == next) {
                Some((_, ways)) => *ways += 1,
                None => nodes[visited].next.push((next, 1)),
            }
        }
        visited += 1;
    }
    let [profit, wins, pushes, rolls] = expectations(&nodes);
    let per_made = profit.over(Fraction(-i128::from(stake.0), 1));
    Worth {
        per_made,
        per_resolved: per_made.over(Fraction(1, 1).minus(pushes)),
        per_roll: per_made.over(rolls),
        wins,
    }
}

/// Expected profit, wins, pushes and rolls from the first node, by elimination.
fn expectations(nodes: &[Node]) -> [Fraction; 4] {
    let count = nodes.len();
    let mut rows: Vec<Vec<Fraction>> = (0..count)
        .map(|node| {
            let mut row = vec![Fraction(0, 1); count];
            row[node] = Fraction(1, 1);
            for (next, ways) in &nodes[node].next {
                row[*next] = row[*next].minus(Fraction::new(*ways, 36));
            }
            row.extend(nodes[node].ends.map(|sum| Fraction::new(sum, 36)));
            row.push(Fraction(1, 1));
            row
        })
        .collect();
    for pivot in (0..count).rev() {
        let scale = rows[pivot][pivot];
        assert_ne!(scale, Fraction(0, 1), "every bet is decided some day");
        for cell in &mut rows[pivot] {
            *cell = cell.over(scale);
        }
        for row in 0..pivot {
            let factor = rows[row][pivot];
            let pivot = rows[pivot].clone();
            for (cell, of_pivot) in rows[row].iter_mut().zip(pivot) {
                *cell = cell.minus(factor.times(of_pivot));
            }
        }
    }
    [0, 1, 2, 3].map(|value| rows[0][count + value])
}

/// The worth of one bet of 60 made at a table with these rules, with the puck on 9 if it must be
/// on.
fn alone(key: &str, puck_on: bool, change: impl FnOnce(&mut Rules)) -> Worth {
    let mut game = Game::with(change);
    if puck_on {
        game.point(4, 5);
    }
    game.bet(key, 60);
    worth(game, |_| true)
}

fn published(
    per_made: (i128, i128),
    per_resolved: (i128, i128),
    per_roll: (i128, i128),
) -> [Fraction; 3] {
    [per_made, per_resolved, per_roll].map(|(over, under)| Fraction(over, under))
}

fn bases(worth: &Worth) -> [Fraction; 3] {
    [worth.per_made, worth.per_resolved, worth.per_roll]
}

#[test]
fn line_and_come_bets_have_their_published_edges() {
    for (key, puck_on) in [("pass", false), ("come", true)] {
        let worth = alone(key, puck_on, |_| {});
        assert_eq!(bases(&worth), published((7, 495), (7, 495), (7, 1671)), "{key}");
        assert_eq!(worth.wins, Fraction(244, 495));
    }
    for (key, puck_on) in [("dont_pass", false), ("dont_come", true)] {
        for bar in [Bar::Twelve, Bar::Two] {
            let worth = alone(key, puck_on, |rules| rules.bar = bar);
            assert_eq!(bases(&worth), published((3, 220), (27, 1925), (9, 2228)), "{key}");
            assert_eq!(worth.wins, Fraction(949, 1980));
        }
        let worth = alone(key, puck_on, |rules| rules.bar = Bar::Three);
        assert_eq!(bases(&worth), published((41, 990), (41, 935), (41, 3342)), "{key}");
        assert_eq!(worth.wins, Fraction(149, 330));
    }
}

#[test]
fn place_bets_have_their_published_edges() {
    for (keys, edge, per_roll, wins) in [
        (["place:4", "place:10"], (1, 15), (1, 60), (1, 3)),
        (["place:5", "place:9"], (1, 25), (1, 90), (2, 5)),
        (["place:6", "place:8"], (1, 66), (1, 216), (5, 11)),
    ] {
        for key in keys {
            let working = alone(key, false, |rules| rules.works_on_come_out.place = true);
            assert_eq!(bases(&working), published(edge, edge, per_roll), "{key}");
            assert_eq!(working.wins, Fraction(wins.0, wins.1), "{key}");
            for puck_on in [false, true] {
                let resting = alone(key, puck_on, |_| {});
                assert_eq!(resting.per_made, working.per_made, "{key}: rest costs nothing");
                assert_eq!(resting.wins, working.wins, "{key}");
            }
        }
    }
}

#[test]
fn hardways_have_their_published_edges() {
    let to = Ratio::to;
    let standard = Hardways::default();
    let four_ten = |pays| Hardways { four_ten: pays, ..standard };
    let six_eight = |pays| Hardways { six_eight: pays, ..standard };
    for (keys, hardways, edge, per_roll) in [
        (["hard:4", "hard:10"], standard, (1, 9), (1, 36)),
        (["hard:4", "hard:10"], four_ten(to(6, 1)), (2, 9), (1, 18)),
        (["hard:4", "hard:10"], four_ten(to(15, 2)), (1, 18), (1, 72)),
        (["hard:6", "hard:8"], standard, (1, 11), (1, 36)),
        (["hard:6", "hard:8"], six_eight(to(8, 1)), (2, 11), (1, 18)),
        (["hard:6", "hard:8"], six_eight(to(19, 2)), (1, 22), (1, 72)),
    ] {
        for key in keys {
            let working = alone(key, false, |rules| {
                rules.hardways = hardways;
                rules.works_on_come_out.hardways = true;
            });
            assert_eq!(bases(&working), published(edge, edge, per_roll), "{key} {hardways:?}");
            let resting = alone(key, false, |rules| rules.hardways = hardways);
            assert_eq!(resting.per_made, working.per_made, "{key}: rest costs nothing");
        }
    }
}

#[test]
fn one_roll_bets_have_their_published_edges() {
    let to = Ratio::to;
    let field = |two, twelve| {
        alone("field", false, |rules| {
            rules.field = Field { two: to(two, 1), twelve: to(twelve, 1) }
        })
    };
    let edge = |over, under| published((over, under), (over, under), (over, under));
    assert_eq!(bases(&field(2, 2)), edge(1, 18));
    assert_eq!(bases(&field(2, 3)), edge(1, 36));
    assert_eq!(bases(&field(3, 2)), edge(1, 36));
    assert_eq!(bases(&field(3, 3)), edge(0, 1));
    assert_eq!(bases(&alone("field", false, |_| {})), edge(1, 36));
    assert_eq!(bases(&alone("any7", false, |_| {})), edge(1, 6));
    assert_eq!(bases(&alone("any_craps", false, |_| {})), edge(1, 9));
    assert_eq!(bases(&alone("any_craps", true, |r| r.props.any_craps = to(6, 1))), edge(2, 9));
    for key in ["two", "boxcars"] {
        assert_eq!(bases(&alone(key, false, |_| {})), edge(5, 36));
        assert_eq!(bases(&alone(key, true, |r| r.props.two_twelve = to(29, 1))), edge(1, 6));
    }
    for key in ["three", "yo"] {
        assert_eq!(bases(&alone(key, false, |_| {})), edge(1, 9));
        assert_eq!(bases(&alone(key, true, |r| r.props.three_eleven = to(14, 1))), edge(1, 6));
        assert_eq!(bases(&alone(key, true, |r| r.props.three_eleven = to(16, 1))), edge(1, 18));
    }
}

#[test]
fn odds_have_no_edge_on_any_number() {
    for (first, second, light_wins) in [
        (2, 2, (1, 3)),
        (2, 3, (2, 5)),
        (3, 3, (5, 11)),
        (4, 4, (5, 11)),
        (4, 5, (2, 5)),
        (5, 5, (1, 3)),
    ] {
        let number = dice(first, second).total();
        for (flat, odds, wins) in [
            ("pass", "odds:pass", light_wins),
            ("dont_pass", "odds:dont_pass", (light_wins.1 - light_wins.0, light_wins.1)),
        ] {
            let mut game = Game::new();
            game.bet(flat, 60).throw(first, second);
            game.bet(odds, 60);
            let worth = worth(game, |bet| bet.to_string() == odds);
            assert_eq!(worth.per_made, Fraction(0, 1), "{odds} on {number}");
            assert_eq!(worth.wins, Fraction(wins.0, wins.1), "{odds} on {number}");
        }
        for flat in ["come", "dont_come"] {
            let odds = std::format!("odds:{flat}:{number}");
            let mut game = Game::new();
            game.point(if number == 9 { 2 } else { 4 }, if number == 9 { 2 } else { 5 });
            game.bet(flat, 60).throw(first, second);
            game.bet(&odds, 60);
            let worth = worth(game, |bet| bet.to_string() == odds);
            assert_eq!(worth.per_made, Fraction(0, 1), "{odds}");
        }
    }
}
