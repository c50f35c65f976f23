//! Two sessions and whoever stands between them.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use std::sync::LazyLock;

use bytes::Bytes;

use super::choices::{Choices, Decisions};
use crate::event::LinkKind;
use crate::identity::{Keypair, ProofOfWork};
use crate::rng::Rng;
use crate::session::{LocalIdentity, Outcome, Session};
use crate::wire::Hash;

const BITS: u8 = 4;
/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 128;

static IDENTITIES: LazyLock<[LocalIdentity; 2]> = LazyLock::new(|| {
    [1, 2].map(|seed| {
        let keypair = Keypair::from_seed([seed; 32]);
        let proof = ProofOfWork::mine(keypair.peer(), BITS);
        LocalIdentity::new(&keypair, proof, Hash([7; 32]), BITS)
    })
});

/// One end of a link.
struct End {
    session: Session,
    open: bool,
    failed: bool,
    /// Messages sealed here.
    sealed: Vec<Bytes>,
    /// Which of those have been delivered over there.
    delivered: BTreeSet<usize>,
    /// Frames on their way to the other end.
    flight: VecDeque<Bytes>,
    /// Frames that have been on their way.
    past: Vec<Bytes>,
}

struct Link {
    kind: LinkKind,
    ends: [End; 2],
}

/// The bytes say what the link is like, what both ends seal, and which frames arrive, changed,
/// twice, late or never. An end that is established knows the other; what arrives was sealed by
/// the other end, on a stream in order and without a gap, on a datagram link at most once; a fault
/// is final; and nobody but the wire itself brings frames that are blamed.
pub fn session(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.pick(&[LinkKind::Stream, LinkKind::Datagram]);
    let mtu = choices.pick(&[Session::MIN_MTU, 300, 512, 4096, 1 << 20]);
    let [alice, bob] = &*IDENTITIES;
    let (left, first) = Session::initiate(alice, Rng::new([1; 32]), mtu, kind);
    let right = Session::accept(bob, Rng::new([2; 32]), mtu, kind);
    let mut link = Link { kind, ends: [End::new(left, Some(first)), End::new(right, None)] };
    for _ in 0..STEPS {
        if choices.is_over() {
            break;
        }
        link.step(&mut choices);
    }
}

impl End {
    fn new(session: Session, first: Option<Bytes>) -> Self {
        let (sealed, past, delivered) = (vec![], vec![], BTreeSet::new());
        let flight = first.into_iter().collect();
        Self { session, open: false, failed: false, sealed, delivered, flight, past }
    }
}

impl Link {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.below(10);
        let from = choices.index(2);
        match kind {
            0..=2 => {
                // Whatever is next arrives as it was sent.
                if let Some(frame) = self.ends[from].flight.pop_front() {
                    self.ends[from].past.push(frame.clone());
                    self.arrive(from, frame);
                }
            }
            3 | 4 => self.seal(from, choices),
            5 => {
                // Reordered: the last first.
                self.ends[from].flight.rotate_right(1.min(self.ends[from].flight.len()));
            }
            6 => _ = self.ends[from].flight.pop_front(),
            7 => {
                let past = &self.ends[from].past;
                if !past.is_empty() {
                    let frame = past[choices.index(past.len())].clone();
                    self.arrive(from, frame);
                }
            }
            8 => {
                let flight = &self.ends[from].flight;
                let frame = flight.front().or(self.ends[from].past.last()).cloned();
                let mut frame = frame.unwrap_or_default().to_vec();
                change(&mut frame, choices);
                self.arrive(from, Bytes::from(frame));
            }
            _ => {
                let frame = choices.bytes(255);
                self.arrive(from, Bytes::from(frame));
            }
        }
    }

    fn seal(&mut self, from: usize, choices: &mut Choices<'_>) {
        let end = &mut self.ends[from];
        let length = choices.pick(&[0, 1, 7, 230, 231, 1000, 70_000]);
        // Every message is another one, so that it is known which arrived.
        let mut message = vec![choices.byte(); length];
        let number = (end.sealed.len() as u64).to_le_bytes();
        let (at, count) = (0, length.min(number.len()));
        message[at..count].copy_from_slice(&number[..count]);
        if !end.open || end.failed {
            return;
        }
        match end.session.seal(&message) {
            Ok(frames) => {
                end.flight.extend(frames);
                end.sealed.push(Bytes::from(message));
            }
            Err(too_long) => assert!(length > too_long.limit, "{length} bytes are refused"),
        }
    }

    /// A frame comes from end `from` to the other one.
    fn arrive(&mut self, from: usize, frame: Bytes) {
        let [left, right] = &mut self.ends;
        let (sender, receiver) = if from == 0 { (left, right) } else { (right, left) };
        let outcomes = match receiver.session.handle(&frame) {
            Ok(outcomes) => outcomes,
            Err(_) => {
                receiver.failed = true;
                return;
            }
        };
        assert!(!receiver.failed, "a fault is final");
        for outcome in outcomes {
            match outcome {
                Outcome::Reply(frame) => receiver.flight.push_back(frame),
                Outcome::Established(address) => {
                    assert_eq!(address, IDENTITIES[from].address());
                    assert!(!core::mem::replace(&mut receiver.open, true), "established once");
                }
                Outcome::Message(message) => {
                    assert!(receiver.open, "no message before that");
                    let next = sender.delivered.len();
                    let which = match self.kind {
                        LinkKind::Stream => Some(next),
                        LinkKind::Datagram => (0..sender.sealed.len()).find(|it| {
                            sender.sealed[*it] == message && !sender.delivered.contains(it)
                        }),
                    };
                    let sealed = which.and_then(|which| sender.sealed.get(which));
                    assert_eq!(sealed, Some(&message), "it was sealed by the other end");
                    sender.delivered.extend(which);
                }
            }
        }
    }
}

fn change(frame: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let at = choices.below(1 << 16) as usize % (frame.len() + 1);
    match choices.below(4) {
        0 => frame.truncate(at),
        1 => frame.insert(at, choices.byte()),
        _ if at == frame.len() => {}
        2 => frame[at] ^= 1 << choices.below(8),
        _ => frame[at] = choices.byte(),
    }
}

/// Handshakes, then messages of every length both ways; once with a changed frame.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (kind, mtu, disturbed) in [(0, 4, None), (1, 4, None), (0, 0, Some(8)), (1, 2, Some(7))] {
        let mut decisions = Decisions::default();
        decisions.put(kind, 2).put(mtu, 5);
        for from in [0, 1, 0] {
            decisions.put(0, 10).put(from, 2);
        }
        for message in 0..7 {
            for from in [0, 1] {
                decisions.put(3, 10).put(from, 2).put(message, 7).put(90 + message, 256);
                decisions.put(0, 10).put(from, 2).put(0, 10).put(from, 2);
            }
        }
        if let Some(step) = disturbed {
            decisions.put(3, 10).put(0, 2).put(1, 7).put(5, 256);
            decisions.put(step, 10).put(0, 2).put(9, 1 << 16).put(2, 4).put(3, 8);
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
