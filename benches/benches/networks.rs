//! How fast are whole networks, and how far is their agreement from the fastest possible?
//!
//! * Blocks that become final for each second of processor time, with 4, 31 and 100 validators that
//!   really sign, and with keyed hashes in place of signatures.
//! * Scenarios of four validators, one of which is two (Twins): five views in which the two are heard
//!   by some and not by others, then three more final blocks at every honest node; for each second of
//!   processor time.
//! * The time between blocks and the time to finality, in δ, the time that a message takes; and the
//!   time from a node's knowing a throw to be final to its knowing the dice.
//!
//! Every network is one of full nodes: blocks are built, executed and journalled everywhere, and every
//! check of the simulator is on.

use std::collections::BTreeMap;
use std::io::Write as _;

use bitcraps_benches::cpu_time;
use bitcraps_benches::networks::{DELTA, final_blocks, finality, network, run_until};
use bitcraps_sim::adversary;
use bitcraps_sim::recorder::Kind;
use bitcraps_sim::run::{self, Watch};
use bitcraps_sim::world::World;

fn main() {
    // `cargo bench -- WORD` asks only what has the word in its name.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let asked = |name: &str| filter.as_ref().is_none_or(|word| name.contains(word.as_str()));
    for (nodes, ms) in [(4, 20_000), (31, 2_000), (100, 400)] {
        for stand_in in [false, true] {
            let signed = if stand_in { "keyed hashes" } else { "Ed25519" };
            let name = format!("final blocks, {nodes} validators, {signed}");
            if asked(&name) {
                let done = final_blocks(nodes, stand_in, ms);
                say(&format!(
                    "{name}: {:.1} per CPU second; {:.0} frames per CPU second, {} a block",
                    done.per_second(done.blocks),
                    done.per_second(done.frames),
                    done.frames / done.blocks.max(1)
                ));
            }
        }
    }
    for stand_in in [false, true] {
        let signed = if stand_in { "keyed hashes" } else { "Ed25519" };
        let name = format!("scenarios of four, {signed}");
        if asked(&name) {
            say(&format!("{name}: {:.0} per CPU second", scenarios(stand_in)));
        }
    }
    if asked("finality") {
        let (block, finality) = finality(4, 10_000);
        say(&format!(
            "finality: {finality:.2} δ after a leader may propose, a block each {block:.2} δ"
        ));
    }
    for nodes in [4, 31] {
        let name = format!("dice, {nodes} validators");
        if asked(&name) {
            let delays = dice(nodes);
            let mean = delays.iter().sum::<f64>() / delays.len() as f64;
            let most = delays.iter().copied().fold(0., f64::max);
            say(&format!(
                "{name}: shown {mean:.2} δ after finality, {most:.2} δ at most, {} times",
                delays.len()
            ));
        }
    }
}

fn scenarios(stand_in: bool) -> f64 {
    let scenarios = adversary::scenarios(3, 5, 200);
    let (count, start) = (scenarios.len(), cpu_time());
    for rounds in scenarios {
        let mut config = adversary::twins(4, 1, rounds);
        (config.stand_in, config.link.clear) = (stand_in, true);
        // Five views, also if each of them waits for its time-out.
        (config.faulty_ms, config.stabilises_ms) = (500, 500);
        let outcome = run::run(&config, None, Watch::default());
        assert_eq!(outcome.report.violation, None);
    }
    count as f64 / (cpu_time() - start).as_secs_f64()
}

/// How long after a throw's block was final at a node the node knew the dice, in δ.
fn dice(nodes: u16) -> Vec<f64> {
    let mut world = World::new(network(nodes, true), None);
    world.recorder.keep_timeline((0, 0));
    run_until(&mut world, 5_000);
    let happenings = world.recorder.take_timeline().expect("it was kept").happenings;
    let mut decided = BTreeMap::new();
    let mut delays = Vec::new();
    for it in happenings {
        if it.kind == Kind::Finalized {
            decided.insert((it.place, it.what), it.at);
        } else if it.kind == Kind::Rolled {
            // Dice are shown of final throws only.
            delays.push((it.at - decided[&(it.place, it.what)]) as f64 / DELTA as f64);
        }
    }
    assert!(!delays.is_empty(), "nobody rolled");
    delays
}

fn say(line: &str) {
    // Who closed standard output does not want to know.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
