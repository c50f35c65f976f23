//! Letters, and relays that do with them what the bytes say.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::choices::{Choices, Decisions};
use crate::mesh::post::world::{World, peer};
use crate::mesh::post::{Input, Parcel};
use crate::wire::{decode, encode};

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 120;
/// Bytes of the longest parcel that is read.
const PARCEL_BYTES: usize = 4096;
const SECOND: Duration = Duration::from_secs(1);

/// Four posts in a ring write to one another; the bytes say what becomes of letters on the way: lost,
/// kept and brought again to anybody, changed, or made of any bytes. Nobody hears what was not
/// written to them, nor anything twice; what is said to have arrived has; and whoever is written to
/// when all is well again hears it.
pub fn post(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut world = World::ring(4);
    let mut said = Vec::new();
    for _ in 0..STEPS {
        if choices.is_over() {
            break;
        }
        step(&mut world, &mut choices, &mut said);
    }
    judge(&world, &said);
    world.black_holes.clear();
    // Until everybody's budgets are full and whatever was under way has ended.
    world.run(SECOND * 300);
    for from in 0..4 {
        let words = alloc::format!("at the end {from}");
        if world.try_to_say(from, (from + 2) % 4, &words).is_some() {
            said.push((from, (from + 2) % 4, words));
        }
    }
    world.run(SECOND * 60);
    judge(&world, &said);
    for from in 0..4 {
        let words = alloc::format!("at the end {from}");
        assert!(world.heard((from + 2) % 4).contains(&words.as_str()), "{words}");
    }
}

fn step(world: &mut World, choices: &mut Choices<'_>, said: &mut Vec<(usize, usize, String)>) {
    match choices.below(9) {
        0 => {
            let (from, to) = (choices.index(4), choices.index(4));
            let words = alloc::format!("words {}", said.len());
            if from != to && world.try_to_say(from, to, &words).is_some() {
                said.push((from, to, words));
            }
        }
        1 => world.run(choices.millis(50)),
        2 => world.run(choices.millis(5_000)),
        3 => world.lose(choices.index(16)),
        4 => _ = world.black_holes.insert(choices.index(4)),
        5 => world.black_holes.clear(),
        6 => bring(world, choices, |_, _| {}),
        7 => bring(world, choices, |bytes, choices| {
            let at = choices.below(512) as usize % bytes.len();
            bytes[at] ^= 1 << choices.below(8);
        }),
        _ => {
            let bytes = choices.bytes(200);
            if let Ok(parcel) = decode::<Parcel>(&bytes, PARCEL_BYTES) {
                give(world, choices, parcel);
            }
        }
    }
}

/// Brings a letter again that was carried before, changed.
fn bring(
    world: &mut World,
    choices: &mut Choices<'_>,
    change: impl Fn(&mut Vec<u8>, &mut Choices<'_>),
) {
    let Some(last) = world.carried.len().checked_sub(1) else { return };
    let (_, _, parcel) = &world.carried[last - choices.index(256).min(last)];
    let mut bytes = encode(parcel);
    change(&mut bytes, choices);
    if let Ok(parcel) = decode::<Parcel>(&bytes, PARCEL_BYTES) {
        assert_eq!(encode(&parcel), bytes, "a letter has one form");
        give(world, choices, parcel);
    }
}

fn give(world: &mut World, choices: &mut Choices<'_>, parcel: Parcel) {
    let (to, side) = (choices.index(4), choices.index(2));
    let mut links = world.links.iter().filter(|((one, _), _)| *one == to);
    let link = links.nth(side).map(|(_, names)| names.0);
    if let Some(link) = link {
        world.give(to, Input::Received { link, parcel });
    }
}

fn judge(world: &World, said: &[(usize, usize, String)]) {
    for (number, (by, from, words)) in world.delivered.iter().enumerate() {
        let was_said = said.iter().any(|(author, to, text)| {
            to == by && peer(*author) == *from && text.as_bytes() == words
        });
        assert!(was_said, "{by} heard what nobody said");
        let again = |it: &&(usize, _, _)| (it.0, it.1, &it.2) == (*by, *from, words);
        assert!(!world.delivered[..number].iter().any(|it| again(&it)), "{by} heard it twice");
    }
    let arrived = world.ends.iter().filter(|(.., arrived)| *arrived).count();
    assert!(arrived <= world.delivered.len(), "what has arrived was heard");
}

/// Letters that go their way, and each kind of what can happen to them.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 1..9 {
        for after in [20, 45] {
            let mut decisions = Decisions::default();
            decisions.put(0, 9).put(0, 4).put(2, 4);
            for _ in 0..4 {
                decisions.put(1, 9).put(after, 50);
                decisions.put(kind, 9).put(3, 16).put(1, 4).put(1, 2);
            }
            decisions.put(0, 9).put(3, 4).put(1, 4);
            seeds.push(decisions.into_bytes());
        }
    }
    seeds
}
