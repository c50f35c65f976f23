//! `bitcraps table stats`: whether the dice of a table look like dice. Which tests are made, and
//! when they fail, is said in the help, before anybody looks.

use std::fmt::Write as _;

use anyhow::Context as _;
use bitcraps_protocol::chain::TableId;
use bitcraps_protocol::craps::Dice;
use bitcraps_tokio::client::Client;
use serde::Serialize;

use crate::exit::No;
use crate::output::{Output, grouped};

/// How often fair dice may exceed a statistic before its test fails.
const ALPHA: f64 = 0.001;
/// Fewest rolls for the test of the faces: five for each of 36.
const FACES_FROM: u64 = 180;
/// Fewest rolls for the test of the sevens.
const SEVENS_FROM: u64 = 36;
/// Fewest gaps between sevens for their test.
const GAPS_FROM: u64 = 60;
/// How often the rarest gap of the test must be expected.
const EXPECTED: f64 = 5.0;
/// Longest gap that is counted apart.
const LONGEST_GAP: usize = 64;

/// The rolls of a table, counted.
#[derive(Debug)]
struct Counts {
    faces: [u64; 36],
    rolls: u64,
    sevens: u64,
    /// How often so many rolls lay between two sevens; the last counts all longer ones.
    gaps: [u64; LONGEST_GAP + 1],
    since_seven: Option<usize>,
}

/// What is tested, and what came of it.
#[derive(Debug, PartialEq, Serialize)]
struct Stats {
    table: u32,
    /// The blocks that were read.
    from_height: u64,
    to_height: u64,
    rolls: u64,
    /// How often each outcome came, by the first die and then the second.
    faces: Vec<u64>,
    sevens: u64,
    sevens_ratio: f64,
    alpha: f64,
    tests: Vec<Test>,
}

/// One test.
#[derive(Debug, PartialEq, Serialize)]
struct Test {
    name: &'static str,
    /// What is tested, stated in advance.
    what: String,
    /// `None` if there are too few rolls.
    result: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Outcome {
    statistic: f64,
    /// How often fair dice exceed it.
    p: f64,
    passed: bool,
}

/// `bitcraps table stats`.
pub(crate) async fn run(client: &Client, table: u32, output: Output) -> anyhow::Result<()> {
    let (mut counts, mut from, mut first, mut last) = (Counts::new(), 1, None, 0);
    let mut history = None;
    loop {
        let page = client.blocks(from).await?;
        let history = history.get_or_insert_with(|| page.history());
        let blocks = page.read(history).context("the node's blocks make no sense")?;
        for (header, body) in blocks {
            first.get_or_insert(header.height.0);
            last = header.height.0;
            for (at, _, dice) in history.note(&header, &body) {
                if at == TableId(table) {
                    counts.add(dice);
                }
            }
        }
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    let stats = counts.stats(table, first.unwrap_or(0), last);
    output.answer(&stats, || words(&stats))?;
    let failed = stats.tests.iter().filter(|test| test.result.is_some_and(|it| !it.passed));
    let failed: Vec<&str> = failed.map(|test| test.name).collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(No(format!("not fair: {}", failed.join(", "))).into())
    }
}

impl Counts {
    fn new() -> Self {
        Self { faces: [0; 36], rolls: 0, sevens: 0, gaps: [0; LONGEST_GAP + 1], since_seven: None }
    }

    fn add(&mut self, dice: Dice) {
        let (first, second) = dice.faces();
        self.faces[usize::from(first - 1) * 6 + usize::from(second - 1)] += 1;
        self.rolls += 1;
        if dice.total() == 7 {
            self.sevens += 1;
            if let Some(gap) = self.since_seven {
                self.gaps[gap.min(LONGEST_GAP)] += 1;
            }
            self.since_seven = Some(0);
        } else if let Some(gap) = &mut self.since_seven {
            *gap += 1;
        }
    }

    fn stats(&self, table: u32, from_height: u64, to_height: u64) -> Stats {
        let ratio = if self.rolls == 0 { 0.0 } else { self.sevens as f64 / self.rolls as f64 };
        Stats {
            table,
            from_height,
            to_height,
            rolls: self.rolls,
            faces: self.faces.to_vec(),
            sevens: self.sevens,
            sevens_ratio: ratio,
            alpha: ALPHA,
            tests: vec![self.test_faces(), self.test_sevens(), self.test_gaps()],
        }
    }

    fn test_faces(&self) -> Test {
        let expected = self.rolls as f64 / 36.0;
        let result = (self.rolls >= FACES_FROM).then(|| {
            let cells = self.faces.iter().map(|count| (*count as f64, expected));
            judge(chi_square(cells), 35)
        });
        let what = "chi-square over the 36 outcomes, 35 degrees of freedom".into();
        Test { name: "faces", what, result }
    }

    fn test_sevens(&self) -> Test {
        let rolls = self.rolls as f64;
        let result = (self.rolls >= SEVENS_FROM).then(|| {
            let z = (self.sevens as f64 - rolls / 6.0) / (rolls * 5.0 / 36.0).sqrt();
            // The square of a standard normal variable is chi-square with one degree of freedom.
            let Outcome { p, passed, .. } = judge(z * z, 1);
            Outcome { statistic: z, p, passed }
        });
        let what = "share of sevens against 1/6, normal, two-sided".into();
        Test { name: "sevens", what, result }
    }

    fn test_gaps(&self) -> Test {
        let gaps: u64 = self.gaps.iter().sum();
        let probability = |gap: usize| (5.0f64 / 6.0).powi(gap as i32) / 6.0;
        // The bins depend on how many gaps there are, never on how long they are.
        let is_frequent = |gap: &usize| gaps as f64 * probability(*gap) >= EXPECTED;
        let bins = (0..LONGEST_GAP).take_while(is_frequent).count();
        let result = (gaps >= GAPS_FROM).then(|| {
            let single =
                (0..bins).map(|gap| (self.gaps[gap] as f64, gaps as f64 * probability(gap)));
            let rest: u64 = self.gaps[bins..].iter().sum();
            let tail = gaps as f64 * (5.0f64 / 6.0).powi(bins as i32);
            judge(chi_square(single.chain([(rest as f64, tail)])), bins)
        });
        let what = format!(
            "chi-square over gaps 0 to {} between sevens and the longer ones, {bins} degrees of \
             freedom",
            bins.saturating_sub(1)
        );
        Test { name: "gaps", what, result }
    }
}

fn chi_square(cells: impl Iterator<Item = (f64, f64)>) -> f64 {
    cells.map(|(count, expected)| (count - expected).powi(2) / expected).sum()
}

fn judge(statistic: f64, degrees: usize) -> Outcome {
    let p = upper_tail(statistic, degrees);
    Outcome { statistic, p, passed: p >= ALPHA }
}

/// How often a chi-square variable of so many degrees of freedom exceeds `x`: the closed sums of
/// Abramowitz & Stegun 26.4.4 and 26.4.5, in logarithms where terms are small.
fn upper_tail(x: f64, degrees: usize) -> f64 {
    let half = x / 2.0;
    if half <= 0.0 {
        return 1.0;
    }
    let odd = degrees % 2 == 1;
    // The logarithm of the first term; each further one is the one before times x over 3, 5, 7 …
    // where the degrees are odd, and over 2, 4, 6 … where they are even.
    let (mut sum, mut term, mut over) = match odd {
        true => (erfc(half.sqrt()), (2.0 * x / std::f64::consts::PI).ln() / 2.0 - half, 1),
        false => (0.0, -half, 0),
    };
    while over < degrees - usize::from(odd) {
        sum += term.exp();
        over += 2;
        term += (x / over as f64).ln();
    }
    sum.min(1.0)
}

/// The complementary error function of a number that is not negative, to about nine digits, by the
/// continued fraction of Abramowitz & Stegun 7.1.14 or, near zero, the series 7.1.6.
fn erfc(x: f64) -> f64 {
    let root_pi = std::f64::consts::PI.sqrt();
    if x < 2.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return 1.0 - 2.0 / root_pi * (-x * x).exp() * sum;
    }
    let fraction = (1..=60).rev().fold(x, |below, k| x + f64::from(k) / 2.0 / below);
    (-x * x).exp() / root_pi / fraction
}

fn words(stats: &Stats) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        writeln!(text, "{line}").expect("writing to a string cannot fail");
    };
    line(format!(
        "table {}: {} rolls in blocks {} to {}",
        stats.table,
        grouped(stats.rolls),
        grouped(stats.from_height),
        grouped(stats.to_height)
    ));
    line("        1     2     3     4     5     6".into());
    for (first, row) in stats.faces.chunks(6).enumerate() {
        let cells: String = row.iter().map(|count| format!("{count:>6}")).collect();
        line(format!("  {}{cells}", first + 1));
    }
    let share = stats.sevens_ratio;
    line(format!("sevens  {} ({share:.5}; fair: {:.5})", grouped(stats.sevens), 1.0 / 6.0));
    line(format!("each test fails where fair dice would once in {:.0}:", 1.0 / stats.alpha));
    for test in &stats.tests {
        let result = match test.result {
            None => "too few rolls".into(),
            Some(Outcome { statistic, p, passed }) => {
                let verdict = if passed { "ok" } else { "FAILS" };
                format!("{statistic:.3}, p = {p:.4}: {verdict}")
            }
        };
        line(format!("{:<7} {}: {result}", test.name, test.what));
    }
    text
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::rng::Rng;

    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 2e-4 * expected, "{found} instead of {expected}");
    }

    #[test]
    fn tails_are_those_of_the_published_table() {
        // Abramowitz & Stegun, table 26.8.
        for (degrees, x, p) in [
            (1, 3.84146, 0.05),
            (1, 10.8276, 0.001),
            (2, 5.99146, 0.05),
            (3, 16.2662, 0.001),
            (10, 18.3070, 0.05),
            (11, 31.2641, 0.001),
            (30, 59.7031, 0.001),
            (35, 66.619, 0.001),
        ] {
            close(upper_tail(x, degrees), p);
        }
        assert_eq!(upper_tail(0.0, 35), 1.0);
    }

    fn thrown(rolls: u64, mut dice: impl FnMut(u64) -> Dice) -> Stats {
        let mut counts = Counts::new();
        (0..rolls).for_each(|roll| counts.add(dice(roll)));
        counts.stats(1, 1, 9)
    }

    fn verdicts(stats: &Stats) -> Vec<Option<bool>> {
        stats.tests.iter().map(|test| test.result.map(|it| it.passed)).collect()
    }

    #[test]
    fn fair_dice_pass_and_others_fail_the_test_that_is_for_them() {
        let mut rng = Rng::new([7; 32]);
        let mut fair = move |_| {
            let mut face = || u8::try_from(rng.below(6)).unwrap() + 1;
            Dice::new(face(), face()).unwrap()
        };
        let stats = thrown(10_000, &mut fair);
        assert_eq!(verdicts(&stats), [Some(true); 3], "{stats:?}");
        assert_eq!(verdicts(&thrown(35, &mut fair)), [None; 3]);

        // Every outcome in turn: the faces are too even to fail, the sevens come like clockwork.
        let in_turn = |roll: u64| {
            let outcome = u8::try_from(roll * 7 % 36).unwrap();
            Dice::new(outcome / 6 + 1, outcome % 6 + 1).unwrap()
        };
        assert_eq!(verdicts(&thrown(3600, in_turn)), [Some(true), Some(true), Some(false)]);

        let loaded = |roll: u64| match roll % 5 {
            0 => Dice::new(6, 6).unwrap(),
            _ => fair(roll),
        };
        let stats = thrown(3600, loaded);
        assert_eq!(verdicts(&stats)[..2], [Some(false), Some(false)]);
    }
}
