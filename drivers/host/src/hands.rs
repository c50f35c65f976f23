//! Hand files: one JSON object a line, answered line by line in bounded memory however long the
//! file is. (craps.md section 12)
//!
//! Beyond that section, for hands of real tables: an action may say which `player` it is of, take
//! a part of a bet `down` with an `amount`, and be the op `stand` (the player leaves), `fund` or
//! `draw` (chips go into or out of the bank). A hand may say what its `bank` holds, and, which is
//! only a note, at which `table` and from which `round` on it was played.

use std::io::{self, BufRead, Read as _, Write};

use crate::api::HandLine;
use bitcraps_protocol::craps::hand::{Action, BadAction, Hand, Step};
use bitcraps_protocol::craps::{Chips, Dice, Round, Rules};
use serde::{Deserialize, Serialize};

use crate::house::{BadField, House, parse};

/// A line is not longer than this; a longer hand goes on in lines of single steps.
pub const LINE_BYTES: u64 = 1 << 20;

/// A line that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("line {line}: {}{error}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
pub struct BadLine {
    /// Which, from 1.
    pub line: u64,
    /// Where in it, as `steps[0].do[1].bet`; empty if it is the whole line.
    pub field: String,
    /// What is wrong.
    pub error: String,
}

/// Why playing ended early.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The file cannot be read, or the answers not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line cannot be played.
    #[error(transparent)]
    Bad(#[from] BadLine),
}

/// What was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Steps that were answered.
    pub steps: u64,
    /// Lines that could not be played, or not to their end.
    pub bad_lines: u64,
}

/// A line: a hand, whose steps may go on in the lines that follow, or such a step.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<Round>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<House>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bankroll: Option<Chips>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bank: Option<Chips>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<Step>>,
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<Action>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dice: Option<Dice>,
}

/// A line of a hand file that goes on with what was played at a real table.
pub fn line(played: HandLine) -> Vec<u8> {
    let line = match played {
        HandLine::Begins { table, round, rules, bankroll, bank } => Line {
            table: Some(table.0),
            round: Some(round),
            rules: Some(House::of(&rules)),
            bankroll: Some(bankroll),
            bank: Some(bank),
            ..Line::default()
        },
        HandLine::Step(Step { actions, dice }) => {
            Line { actions: (!actions.is_empty()).then_some(actions), dice, ..Line::default() }
        }
    };
    let mut text = serde_json::to_vec(&line).expect("our own plain types have a JSON form");
    text.push(b'\n');
    text
}

/// Plays every line of `input` and writes a line for every step to `output`. Hands that name no
/// rules are played by `rules`. Bad lines end it, unless it is to keep going: they are then
/// answered with what is wrong, and steps that would go on with a hand that could not begin are
/// bad, too.
pub fn play(
    mut input: impl BufRead,
    mut output: impl Write,
    rules: &Rules,
    keep_going: bool,
) -> Result<Played, PlayError> {
    let mut player = Script { rules, hand: None };
    let (mut played, mut line) = (Played::default(), Vec::new());
    for number in 1.. {
        line.clear();
        let read = input.by_ref().take(LINE_BYTES + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let outcome = if line.len() as u64 > LINE_BYTES && !line.ends_with(b"\n") {
            input.skip_until(b'\n')?;
            Err(bad("", format!("longer than {LINE_BYTES} bytes")).into())
        } else {
            player.line(&line, &mut output, &mut played.steps)
        };
        match outcome {
            Ok(()) => {}
            Err(Stop::Io(error)) => return Err(error.into()),
            Err(Stop::Bad(BadField { field, reason })) => {
                let bad = BadLine { line: number, field, error: reason };
                if !keep_going {
                    output.flush()?;
                    return Err(bad.into());
                }
                played.bad_lines += 1;
                answer(&mut output, &bad)?;
            }
        }
    }
    output.flush()?;
    Ok(played)
}

enum Stop {
    Io(io::Error),
    Bad(BadField),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BadField> for Stop {
    fn from(bad: BadField) -> Self {
        Self::Bad(bad)
    }
}

struct Script<'r> {
    rules: &'r Rules,
    hand: Option<Hand>,
}

impl Script<'_> {
    fn line(&mut self, line: &[u8], output: &mut impl Write, steps: &mut u64) -> Result<(), Stop> {
        let Line { table, round, rules, bankroll, bank, steps: script, actions, dice } =
            match parse(line) {
                Ok(parsed) => parsed,
                Err(bad) => {
                    // Without this step, what follows would be another hand.
                    self.hand = None;
                    return Err(bad.into());
                }
            };
        let names_table = table.is_some() || round.is_some() || bank.is_some();
        let is_hand = names_table || rules.is_some() || bankroll.is_some() || script.is_some();
        let is_step = actions.is_some() || dice.is_some();
        let script = match (is_hand, is_step) {
            (true, true) => {
                self.hand = None;
                return Err(bad("", "a line is a hand or a step, not both".into()).into());
            }
            (false, false) => {
                let reason = "a line needs a bankroll and steps, or do and dice";
                return Err(bad("", reason.into()).into());
            }
            (true, false) => {
                self.hand = None;
                self.hand = Some(self.begin(rules, bankroll, bank)?);
                script.unwrap_or_default()
            }
            (false, true) => vec![Step { actions: actions.unwrap_or_default(), dice }],
        };
        for (index, step) in script.iter().enumerate() {
            if let Err(BadAction { index: action, field, reason }) = step.check() {
                self.hand = None;
                let at = if is_hand { format!("steps[{index}].") } else { String::new() };
                return Err(bad(&format!("{at}do[{action}].{field}"), reason.into()).into());
            }
            let Some(hand) = &mut self.hand else {
                let reason = "no hand to go on with: begin one with a line with a bankroll";
                return Err(bad("", reason.into()).into());
            };
            answer(output, &hand.step(step).expect("its actions were checked above"))?;
            *steps += 1;
        }
        Ok(())
    }

    fn begin(
        &self,
        house: Option<House>,
        bankroll: Option<Chips>,
        bank: Option<Chips>,
    ) -> Result<Hand, BadField> {
        let rules = match house {
            Some(house) => house.rules("rules")?,
            None => self.rules.clone(),
        };
        let bankroll = bankroll.ok_or_else(|| bad("bankroll", "a hand needs a bankroll".into()))?;
        let field = if bank == Some(Chips::ZERO) { "bank" } else { "bankroll" };
        Hand::new(rules, bankroll, bank.unwrap_or(Hand::BANK))
            .map_err(|refusal| bad(field, refusal.to_string()))
    }
}

fn bad(field: &str, reason: String) -> BadField {
    BadField { field: field.into(), reason }
}

fn answer(output: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(text: &str, keep_going: bool) -> (Result<Played, String>, String) {
        let mut answers = Vec::new();
        let played = play(text.as_bytes(), &mut answers, &Rules::default(), keep_going);
        (played.map_err(|error| error.to_string()), String::from_utf8(answers).unwrap())
    }

    #[test]
    fn a_step_is_answered_with_a_line() {
        let text = r#"{"bankroll":100,"steps":[{"do":[{"op":"bet","bet":"pass","amount":10},
            {"op":"bet","bet":"place:6","amount":5},{"op":"bet","bet":"come","amount":200}],
            "dice":[3,3]}]}"#;
        let (steps, answers) = played(&text.replace('\n', ""), false);
        assert_eq!(steps, Ok(Played { steps: 1, bad_lines: 0 }));
        assert_eq!(
            answers,
            concat!(
                r#"{"do":[{"accepted":"pass","bankroll":90},"#,
                r#"{"refused":{"NotAMultiple":{"unit":6}},"bankroll":90},"#,
                r#"{"refused":{"NotEnoughChips":{"needed":200}},"bankroll":90}],"#,
                r#""dice":[3,3],"point":6,"bankroll":90,"up":{"pass":10},"settled":[]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn several_players_are_told_apart_by_name() {
        let text = concat!(
            r#"{"bankroll":100,"bank":500}"#,
            "\n",
            r#"{"do":[{"op":"bet","bet":"pass","amount":10,"player":"anna"},"#,
            r#"{"op":"bet","bet":"dont_pass","amount":5,"player":"bert"},"#,
            r#"{"op":"bet","bet":"field","amount":5,"player":"bert"},"#,
            r#"{"op":"down","bet":"field","amount":3,"player":"bert"},"#,
            r#"{"op":"fund","amount":7},{"op":"draw","amount":900}],"dice":[1,1]}"#,
            "\n",
            r#"{"do":[{"op":"stand","player":"bert"}]}"#,
        );
        let (steps, answers) = played(text, false);
        assert_eq!(steps, Ok(Played { steps: 2, bad_lines: 0 }));
        let answers: Vec<&str> = answers.lines().collect();
        assert_eq!(
            answers[0],
            concat!(
                r#"{"do":[{"accepted":"pass","bankroll":90},{"accepted":"dont_pass","bankroll":95},"#,
                r#"{"accepted":"field","bankroll":90},{"accepted":"field","bankroll":93},"#,
                r#"{"accepted":"fund","bankroll":507},"#,
                r#"{"refused":{"Reserved":{"free":491}},"bankroll":507}],"#,
                r#""dice":[1,1],"point":0,"bankroll":100,"up":{},"#,
                r#""settled":[["pass","lose",0,"down","anna"],["dont_pass","win",10,"down","bert"],"#,
                r#"["field","win",6,"down","bert"]],"#,
                r#""players":{"anna":{"bankroll":90,"up":{}},"bert":{"bankroll":109,"up":{}}}}"#,
            )
        );
        assert_eq!(
            answers[1],
            concat!(
                r#"{"do":[{"accepted":"stand","bankroll":109}],"point":0,"bankroll":100,"#,
                r#""up":{},"settled":[],"players":{"bert":{"bankroll":109,"up":{}}}}"#,
            )
        );
    }

    #[test]
    fn steps_may_follow_line_by_line() {
        let text = r#"{"bankroll":100}
            {"do":[{"op":"bet","bet":"pass","amount":10}],"dice":[5,6]}
            {"dice":[6,6]}"#;
        let (steps, answers) = played(text, false);
        assert_eq!(steps, Ok(Played { steps: 2, bad_lines: 0 }));
        let first = answers.lines().next().unwrap();
        assert!(first.ends_with(r#""up":{},"settled":[["pass","win",20,"down"]]}"#), "{first}");
    }

    #[test]
    fn what_is_wrong_is_named_by_line_field_and_reason() {
        let wrong = |line: &str| {
            let (result, answers) = played(&format!("{{\"bankroll\":9}}\n\n{line}\n"), false);
            assert_eq!(answers, "");
            result.unwrap_err()
        };
        assert!(wrong(r#"{"dice":[3,7]}"#).starts_with("line 3: dice: not two dice"));
        let bet = wrong(r#"{"do":[{"op":"bet","bet":"passs","amount":1}]}"#);
        assert!(bet.starts_with("line 3: do[0].bet: not a bet"), "{bet}");
        let wrongs = [
            (r#"{"do":[{"op":"bet","bet":"pass"}]}"#, "do[0].amount: a bet needs an amount"),
            (
                r#"{"bankroll":1,"steps":[{},{"do":[{"op":"on","bet":"big6","amount":1}]}]}"#,
                "steps[1].do[0].amount: a bet is called on or off as a whole",
            ),
            (
                r#"{"bankroll":1,"steps":[{"do":[{"op":"down"}]}]}"#,
                "steps[0].do[0].bet: this needs the name of a bet",
            ),
            (
                r#"{"bankroll":1,"steps":[{"do":[{"op":"fund","amount":1,"player":"ann"}]}]}"#,
                "steps[0].do[0].player: the bank is its owner's",
            ),
            (r#"{"bankroll":1,"bank":0}"#, "bank: a table needs a bank: fund it when opening it"),
            (r#"{"steps":[]}"#, "bankroll: a hand needs a bankroll"),
            (r#"{"bankroll":1,"dice":[1,1]}"#, "a line is a hand or a step, not both"),
            (r#"{}"#, "a line needs a bankroll and steps, or do and dice"),
        ];
        for (line, told) in wrongs {
            let (result, _) = played(line, false);
            assert_eq!(result, Err(format!("line 1: {told}")));
        }
        assert!(wrong(r#"{"dise":[1,1]}"#).starts_with("line 3: dise: unknown field"));
        assert!(wrong("nonsense").starts_with("line 3: expected"), "{}", wrong("nonsense"));
        let long = wrong(&"9".repeat(LINE_BYTES as usize + 5));
        assert_eq!(long, "line 3: longer than 1048576 bytes");
    }

    #[test]
    fn who_keeps_going_answers_bad_lines_and_plays_the_good_ones() {
        let text = "{\"bankroll\":9}\n{\"dice\":[0,1]}\n{\"dice\":[1,1]}\n{\"bankroll\":9}\n{\"dice\":[1,1]}";
        let (steps, answers) = played(text, true);
        assert_eq!(steps, Ok(Played { steps: 1, bad_lines: 2 }));
        let answers: Vec<&str> = answers.lines().collect();
        assert!(answers[0].starts_with(r#"{"line":2,"field":"dice","error":"not two dice"#));
        assert!(answers[1].starts_with(r#"{"line":3,"field":"","error":"no hand to go on with"#));
        assert_eq!(
            answers[2],
            r#"{"do":[],"dice":[1,1],"point":0,"bankroll":9,"up":{},"settled":[]}"#
        );
    }
}
