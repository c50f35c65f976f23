//! A datagram link whose air does what the bytes say.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::choices::{Choices, Decisions};
use crate::mesh::air::Air;

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 200;
/// Bytes of all frames, in pieces: so many per byte of the MTU.
const PIECES: usize = 600;
/// Events within which everything arrives once the air is clear.
const PATIENCE: usize = 20_000;

/// The bytes say how large datagrams are, which frames both sides have for one another, which
/// datagrams are lost, repeated, late or overtaken, when drivers say that one has left, and what
/// somebody else puts on the link. What is held is bounded; unless somebody else speaks, frames
/// arrive whole, once and in order, and all of them do when the air is clear.
pub fn fragments(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mtu = choices.pick(&[64, 19, 20, 247, 510, 9_000]);
    let mut air = Air::new(mtu);
    let mut room = PIECES * mtu;
    for _ in 0..STEPS {
        if choices.is_over() || air.is_broken {
            break;
        }
        step(&mut air, &mut choices, mtu, &mut room);
    }
    for _ in 0..PATIENCE {
        if air.is_done() || air.is_disturbed {
            break;
        }
        // What drivers still have leaves first: full ones take nothing.
        air.all_sent();
        air.hand_over(|| vec![Duration::from_millis(10)]);
        air.all_sent();
        if !air.go_on() {
            break;
        }
    }
    assert!(air.is_done() || air.is_disturbed, "{:?} frames have arrived", air.arrived);
}

const KINDS: u64 = 12;

fn step(air: &mut Air, choices: &mut Choices<'_>, mtu: usize, room: &mut usize) {
    match choices.below(KINDS) {
        0..=4 => {
            air.hand_over(|| fate(choices));
            air.all_sent();
            air.go_on();
        }
        5 => _ = air.hand_over(|| fate(choices)),
        6 => (0..choices.below(4)).for_each(|_| air.sent(0)),
        7 => (0..choices.below(4)).for_each(|_| air.sent(1)),
        8 | 9 => {
            let side = choices.index(2);
            let length = choices.pick(&[100, 0, 1, 12, 13, 500, 2_000, 30_000, 65_544]);
            if length + mtu <= *room {
                *room -= length + mtu;
                let byte = choices.byte();
                air.say(side, Bytes::from(vec![byte; length]));
            }
        }
        10 => air.pass(choices.pick(&[1, 10, 100, 1_000, 10_000].map(Duration::from_millis))),
        _ => {
            // Not often: from then on nothing is promised but bounds.
            if choices.rarely(8) {
                air.is_disturbed = true;
                let datagram = invented(choices, mtu);
                air.arrive(choices.index(2), &datagram);
            }
        }
    }
}

/// After which times copies of a datagram arrive.
fn fate(choices: &mut Choices<'_>) -> Vec<Duration> {
    let millis: &[u64] = match choices.below(16) {
        0..=8 => &[10],
        9 => &[1],
        10 => &[10, 12],
        11 => &[400],
        12 => &[10, 3_000],
        13 => &[6_000],
        _ => &[],
    };
    millis.iter().map(|millis| Duration::from_millis(*millis)).collect()
}

/// A datagram of nobody: a kind, a number, what has come, and a piece.
fn invented(choices: &mut Choices<'_>, mtu: usize) -> Bytes {
    let mut datagram = vec![0x20 + choices.below(4) as u8];
    for _ in 0..3 {
        let word = match choices.below(3) {
            0 => choices.below(32) as u16,
            1 => choices.below(1 << 16) as u16,
            _ => u16::MAX - choices.below(32) as u16,
        };
        datagram.extend_from_slice(&word.to_le_bytes());
    }
    let length = choices.index(mtu.min(256));
    datagram.resize(datagram.len() + length, 7);
    datagram.truncate(choices.pick(&[mtu, 6, 0]));
    Bytes::from(datagram)
}

/// Frames of all lengths through air that is clear, loses, and delays.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (mtu, weather) in [(0, 0), (1, 0), (4, 14), (3, 12), (2, 13), (5, 10)] {
        let mut decisions = Decisions::default();
        decisions.put(mtu, 6);
        for frame in 0..6 {
            decisions.put(8, KINDS).put(frame % 2, 2).put(frame % 7, 9).put(frame, 256);
            for step in 0..6 {
                decisions.put(0, KINDS);
                for datagram in 0..4 {
                    decisions.put(if (step + datagram) % 5 == 0 { weather } else { 0 }, 16);
                }
            }
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
