//! A whole simulated network, in which the bytes are what goes wrong.

use bitcraps_protocol::fuzzing::{Choices, Decisions};

use crate::adversary;
use crate::config::{Config, LinkConfig, Workload, root};
use crate::decision::{Decision, FrameFault, TimedFault};
use crate::latency::Latency;
use crate::plan::Roles;
use crate::run::{Watch, run};

/// More decisions make inputs slower and find nothing that fewer do not.
const DECISIONS: usize = 160;
/// How long things go wrong, in simulated milliseconds.
const FAULTY_MS: u64 = 2_000;
/// Who is hostile, and who plays along, depends on it; the decisions do not.
const SEED: u64 = 1;

/// The bytes are a small network and the decisions against it: which frames are lost, late or
/// repeated, who crashes when and with how much of the journal, who is cut off, whose clock jumps,
/// whose disk is lost, and what a hostile validator does with each chance. Everything the simulator
/// checks must hold, while it lasts and when all is healed.
pub fn world(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let config = network(&mut choices);
    let roles = Roles::drawn(&config, &root(config.seed));
    let mut list = Vec::new();
    while !choices.is_over() && list.len() < DECISIONS {
        list.extend(decision(&mut choices, &config, &roles));
    }
    list.sort_by_key(|decision| match decision {
        Decision::Timed { at, .. } => *at,
        Decision::Frame { .. } | Decision::Choice { .. } => 0,
    });
    let report = run(&config, Some(&list), Watch::default()).report;
    let decisions = serde_json::to_string(&list).expect("plain data");
    assert!(report.violation.is_none(), "{:?}\n{config:?}\n{decisions}", report.violation);
}

fn network(choices: &mut Choices<'_>) -> Config {
    let mut config = Config {
        seed: SEED,
        nodes: choices.pick(&[4, 4, 3, 5, 1, 2]),
        players: choices.below(2) as u16,
        stand_in: true,
        link: LinkConfig {
            latency: Latency::Constant { micros: 5_000 },
            datagram: choices.rarely(2),
            kilobits_per_second: 0,
            queue_bytes: 256 * 1024,
            clear: true,
            ..Config::default().link
        },
        snapshot_blocks: 8,
        disk: Latency::Constant { micros: 1_000 },
        workload: Workload { every_ms: 40, tables: 1, ..Workload::default() },
        faulty_ms: FAULTY_MS,
        stabilises_ms: FAULTY_MS,
        blocks: 2,
        ..Config::default()
    };
    match choices.below(4) {
        1 if config.tolerated() > 0 => config.faults.wipes = 1,
        2 | 3 if config.tolerated() > 0 => {
            let playable: Vec<_> = adversary::playable().collect();
            config.byzantine = 1;
            config.strategies = vec![playable[choices.index(playable.len())].name.to_owned()];
        }
        _ => {}
    }
    config
}

const KINDS: u64 = 12;

fn decision(choices: &mut Choices<'_>, config: &Config, roles: &Roles) -> Option<Decision> {
    let kind = choices.below(KINDS);
    let place = choices.index(config.places()) as u16;
    let choose_place = |choices: &mut Choices<'_>| choices.index(config.places()) as u16;
    let timed = |choices: &mut Choices<'_>, fault| {
        let at = choices.below(256) * (FAULTY_MS * 1_000 / 256);
        Some(Decision::Timed { at, fault })
    };
    match kind {
        0..=5 => {
            let (to, nth) = (choose_place(choices), choices.below(256));
            let fault = match choices.below(4) {
                0 | 1 => FrameFault::Lost,
                2 => FrameFault::Delayed(1 << choices.below(21)),
                // A stream repeats nothing.
                _ if config.link.datagram => FrameFault::Duplicated(1 << choices.below(21)),
                _ => FrameFault::Lost,
            };
            (place != to).then_some(Decision::Frame { from: place, to, nth, fault })
        }
        6 | 7 => {
            let place = *roles.byzantine.first()? as u16;
            let (nth, choice) = (choices.below(256), choices.below(16) as u32);
            Some(Decision::Choice { place, nth, choice })
        }
        8 => {
            let kept_permille = choices.below(5) as u32 * 250;
            timed(choices, TimedFault::Crash { place, kept_permille, lied: 0 })
        }
        9 => timed(choices, TimedFault::Restart { place }),
        10 => {
            let side = choices.below(1 << config.places());
            let (left, right) =
                (0..config.places() as u16).partition(|place| side >> place & 1 == 1);
            let id = choices.below(4) as u16;
            if choices.rarely(3) {
                return timed(choices, TimedFault::Heal { id });
            }
            let (one_way, breaks) = (choices.rarely(4), choices.rarely(2));
            timed(choices, TimedFault::Cut { id, left, right, one_way, breaks })
        }
        _ => match choices.below(4) {
            0 => timed(choices, TimedFault::Full { place }),
            1 => timed(choices, TimedFault::Unreadable { place }),
            2 => {
                let by_ms = choices.below(1 << 23) as i64 - (1 << 22);
                timed(choices, TimedFault::Jump { place, by_ms })
            }
            _ => {
                let place = *roles.wiped.first()? as u16;
                timed(choices, TimedFault::Wipe { place })
            }
        },
    }
}

/// Networks in which nothing, something and much goes wrong.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new()];
    for (nodes, datagram, enemy) in [(0, 0, 0), (0, 1, 1), (0, 0, 2), (3, 1, 3), (4, 0, 0)] {
        let mut decisions = Decisions::default();
        decisions.put(nodes, 6).put(0, 2).put(datagram, 2).put(enemy, 4);
        if enemy > 1 {
            decisions.put(enemy, adversary::playable().count() as u64);
        }
        let places = [4, 4, 3, 5, 1, 2][nodes as usize];
        for step in 0..24_u64 {
            if places > 1 {
                decisions.put(step % 6, KINDS).put(step % places, places);
                decisions.put((step + 1) % places, places).put(step * 9, 256).put(step % 2, 4);
            }
            decisions.put(8, KINDS).put(step % places, places).put(2, 5).put(step * 10, 256);
            decisions.put(9, KINDS).put(step % places, places).put(step * 10 + 9, 256);
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
