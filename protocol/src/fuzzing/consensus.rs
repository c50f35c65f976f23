//! Validators of which one may be two, on a network that does what the bytes say.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use super::choices::{Choices, Decisions};
use crate::block::{BlockHash, Height, ValidatorIndex, View};
use crate::consensus::world::{World, context, key};
use crate::consensus::{Message, Statement};
use crate::time::BlockTime;
use crate::wire::Hash;

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 48;
/// Who is hostile, if somebody is.
const TWIN: usize = 0;
const HOP: Duration = Duration::from_millis(10);
/// After a storm, how long the others may take to decide on two more blocks.
const PATIENCE: Duration = Duration::from_secs(240);

/// The bytes say how many validators there are, whether one of them runs twice and forges votes,
/// when nodes crash or lose their journals, and of every message whether it arrives and when.
///
/// At every moment: an honest validator's vote leaves when it is durable and contradicts none of
/// its others, nobody honest is blamed or accused, nobody halts, and no two honest nodes decide
/// differently. In the end the network behaves, and everybody goes on.
pub fn consensus(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let n = choices.pick(&[4, 4, 3, 1, 2, 5]);
    let has_twin = n >= 4 && choices.rarely(2);
    let twins: &[usize] = if has_twin { &[TWIN] } else { &[] };
    let choices = RefCell::new(choices);
    let mut world = World::new(n, twins, 1);
    if n == 1 {
        // It waits for nothing else, and would make thousands of blocks in a minute.
        world.disk = 5 * HOP;
    }
    world.network = Box::new(|_, _, _, _| delay(&mut choices.borrow_mut()));
    for _ in 0..STEPS {
        if choices.borrow().is_over() {
            break;
        }
        step(&mut world, &choices, n, has_twin);
    }
    world.network = Box::new(|_, _, _, _| Some(HOP));
    let height = world.greatest_height();
    let goes_on = world.run_until(PATIENCE, |world| world.least_height(twins) > height + 1);
    world.assert_agreement(twins);
    let accused: Vec<_> = world.accused.iter().collect();
    assert!(accused.iter().all(|peer| has_twin && **peer == key(TWIN).peer()), "{accused:?}");
    assert!(goes_on, "nothing is decided above {height}");
}

/// What becomes of one message.
fn delay(choices: &mut Choices<'_>) -> Option<Duration> {
    match choices.below(16) {
        0..=8 => Some(HOP),
        9 | 10 => Some(Duration::from_millis(1)),
        11 => Some(Duration::from_millis(60)),
        12 => Some(Duration::from_millis(900)),
        13 => Some(Duration::from_secs(4)),
        _ => None,
    }
}

fn step(world: &mut World<'_>, choices: &RefCell<Choices<'_>>, n: usize, has_twin: bool) {
    let kind = choices.borrow_mut().below(8);
    match kind {
        0..=2 => {
            let millis = choices.borrow_mut().pick(&[20, 5, 1, 100, 400, 1500]);
            world.run(Duration::from_millis(millis));
        }
        3 | 4 if has_twin => {
            let (to, statement) = forged(world, &mut choices.borrow_mut(), n);
            if choices.borrow_mut().rarely(4) {
                let others = choices.borrow_mut().index(3);
                let forged = world.forged_certificate(TWIN, statement, others);
                if let Some(certificate) = forged {
                    world.hear(TWIN, to, Message::Certificate(certificate));
                }
                return;
            }
            let vote = statement.sign(ValidatorIndex(TWIN as u16), &key(TWIN), &context());
            world.hear(TWIN, to, Message::Vote(vote.into_inner()));
        }
        5 if !has_twin => {
            // At most f at a time lose their journals: of four or five, one, once.
            let slot = choices.borrow_mut().index(n);
            if n >= 4 && world.wiped.is_none_or(|wiped| wiped == slot) && world.runs(slot) {
                world.crash_and_wipe(slot, HOP);
            }
        }
        _ => {
            let slot = choices.borrow_mut().index(n);
            let pause = choices.borrow_mut().millis(1 << 10);
            if world.runs(slot) {
                world.crash(slot, pause);
            }
        }
    }
}

/// A vote that the twin's owner signs, about a block that somebody has or nobody knows.
fn forged(world: &World<'_>, choices: &mut Choices<'_>, n: usize) -> (usize, Statement) {
    let to = 1 + choices.index(n - 1);
    let around = world.greatest_view().0;
    let view = View((around + 2).saturating_sub(choices.below(6)));
    let block = block(world, choices, n);
    let statement = match choices.below(3) {
        0 => Statement::Notarize { view, block, time: BlockTime(choices.below(1 << 16)) },
        1 => Statement::Finalize { view, block },
        _ => Statement::Nullify { view, highest: View(view.0.saturating_sub(choices.below(4))) },
    };
    (to, statement)
}

fn block(world: &World<'_>, choices: &mut Choices<'_>, n: usize) -> BlockHash {
    let of = choices.index(n);
    let proposed = world.proposals.len();
    match choices.below(4) {
        0 => Hash([7; 32]),
        1 => {
            let height = Height(1 + choices.below(8));
            world.decided[of].get(&height).copied().unwrap_or_default()
        }
        _ if proposed == 0 => Hash::default(),
        _ => world.proposals[proposed - 1 - choices.index(proposed.min(8))],
    }
}

/// Networks that behave, lose something, and have a twin.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (size, twin) in [(0, 0), (0, 1), (3, 0), (5, 1)] {
        let mut decisions = Decisions::default();
        decisions.put(size, 6).put(twin, 2);
        for step in 0..12_u64 {
            decisions.put(0, 8).put(step % 6, 6);
            for message in 0..24 {
                decisions.put((message * 5 + step * 3 + twin) % 16 * u64::from(step % 4 == 1), 16);
            }
            if step % 5 == 4 {
                decisions.put(7, 8).put(1, 4).put(40, 1 << 10);
            }
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
