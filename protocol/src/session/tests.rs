use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::identity::{Keypair, ProofOfWork};
use crate::rng::Rng;
use crate::wire::Hash;

const MTU: u32 = 1 << 20;
const BITS: u8 = 4;
const NETWORK: Hash = Hash([7; 32]);

fn identity(seed: u8, network: Hash) -> LocalIdentity {
    let keypair = Keypair::from_seed([seed; 32]);
    let proof = ProofOfWork::mine(keypair.peer(), BITS);
    LocalIdentity::new(&keypair, proof, network, BITS)
}

static ALICE: LazyLock<LocalIdentity> = LazyLock::new(|| identity(1, NETWORK));
static BOB: LazyLock<LocalIdentity> = LazyLock::new(|| identity(2, NETWORK));

fn initiate(identity: &LocalIdentity, mtu: u32, kind: LinkKind) -> (Session, Bytes) {
    Session::initiate(identity, Rng::new([1; 32]), mtu, kind)
}

fn accept(identity: &LocalIdentity, mtu: u32, kind: LinkKind) -> Session {
    Session::accept(identity, Rng::new([2; 32]), mtu, kind)
}

fn reply(outcomes: &[Outcome]) -> Bytes {
    match outcomes.first() {
        Some(Outcome::Reply(frame)) => frame.clone(),
        other => panic!("expected a reply, got {other:?}"),
    }
}

/// What each side's handshake came to, the initiator's first.
fn shake(
    initiator: &LocalIdentity,
    responder: &LocalIdentity,
) -> (Result<Address, Fault>, Option<Result<Address, Fault>>) {
    let (mut left, first) = initiate(initiator, MTU, LinkKind::Stream);
    let mut right = accept(responder, MTU, LinkKind::Stream);
    let second = reply(&right.handle(&first).unwrap());
    match left.handle(&second) {
        Err(fault) => (Err(fault), None),
        Ok(outcomes) => {
            let [Outcome::Reply(third), Outcome::Established(seen)] = &outcomes[..] else {
                panic!("{outcomes:?}");
            };
            let answer = right.handle(third).map(|outcomes| match outcomes[..] {
                [Outcome::Established(seen)] => seen,
                _ => panic!("{outcomes:?}"),
            });
            (Ok(*seen), Some(answer))
        }
    }
}

/// An established pair of sessions.
fn pair(mtu: u32, kind: LinkKind) -> (Session, Session) {
    let (mut left, first) = initiate(&ALICE, mtu, kind);
    let mut right = accept(&BOB, mtu, kind);
    let second = reply(&right.handle(&first).unwrap());
    let third = reply(&left.handle(&second).unwrap());
    right.handle(&third).unwrap();
    (left, right)
}

/// What `session` makes of `frames`, all together.
fn take(session: &mut Session, frames: &[Bytes]) -> Result<Vec<Outcome>, Fault> {
    let outcomes: Result<Vec<_>, _> = frames.iter().map(|frame| session.handle(frame)).collect();
    Ok(outcomes?.concat())
}

fn message(bytes: &[u8]) -> Outcome {
    Outcome::Message(Bytes::copy_from_slice(bytes))
}

#[test]
fn both_sides_learn_who_the_other_is() {
    assert_eq!(shake(&ALICE, &BOB), (Ok(BOB.address()), Some(Ok(ALICE.address()))));
}

#[test]
fn the_handshake_fits_the_smallest_frame() {
    let (mut left, mut right) = pair(Session::MIN_MTU, LinkKind::Datagram);
    let frames = left.seal(&[9; 230]).unwrap();
    assert_eq!(frames[0].len(), Session::MIN_MTU as usize);
    assert_eq!(take(&mut right, &frames), Ok(vec![message(&[9; 230])]));
    assert_eq!(left.seal(&[9; 231]), Err(TooLong { limit: 230 }));
}

#[test]
fn another_network_is_told_apart() {
    assert_eq!(shake(&ALICE, &identity(2, Hash([8; 32]))), (Err(Fault::WrongNetwork), None));
    // The responder shows itself first: for it to see a stranger, the stranger must not look.
    let elsewhere = identity(3, Hash([8; 32])).initiator;
    let mut wrong = identity(3, NETWORK);
    wrong.initiator = elsewhere;
    assert_eq!(shake(&wrong, &BOB), (Ok(BOB.address()), Some(Err(Fault::WrongNetwork))));
}

#[test]
fn too_little_work_is_refused_by_either_side() {
    let keypair = Keypair::from_seed([3; 32]);
    let proof = (0..).map(ProofOfWork).find(|proof| proof.bits(keypair.peer()) == 0).unwrap();
    let idle = LocalIdentity::new(&keypair, proof, NETWORK, 0);
    assert_eq!(shake(&ALICE, &idle), (Err(Fault::TooLittleWork), None));
    assert_eq!(shake(&idle, &BOB), (Ok(BOB.address()), Some(Err(Fault::TooLittleWork))));
}

#[test]
fn nobody_speaks_for_another_identity() {
    let mut mallory = identity(3, NETWORK);
    let own = mallory.responder.clone();
    // Alice's own words, but not over Mallory's static key.
    mallory.initiator = ALICE.initiator.clone();
    mallory.responder = ALICE.responder.clone();
    assert_eq!(shake(&mallory, &BOB), (Ok(BOB.address()), Some(Err(Fault::WrongIdentity))));
    assert_eq!(shake(&BOB, &mallory), (Err(Fault::WrongIdentity), None));
    // The right key, but signed for the other role.
    mallory.initiator = own;
    assert_eq!(shake(&mallory, &BOB), (Ok(BOB.address()), Some(Err(Fault::WrongIdentity))));
    mallory.initiator = vec![1, 2, 3];
    assert_eq!(shake(&mallory, &BOB), (Ok(BOB.address()), Some(Err(Fault::Malformed))));
}

#[test]
fn messages_of_every_size_pass_both_ways() {
    let piece = record::piece_bytes(record::HEADER_BYTES + NOISE_BYTES);
    let lengths = [0, 1, piece - 1, piece, piece + 1, 3 * piece, MESSAGE_BYTES];
    let (mut left, mut right) = pair(MTU, LinkKind::Stream);
    for length in lengths {
        let sent: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let there = left.seal(&sent).unwrap();
        assert!(there.iter().all(|frame| frame.len() <= record::HEADER_BYTES + NOISE_BYTES));
        assert_eq!(take(&mut right, &there), Ok(vec![message(&sent)]), "{length}");
        let back = right.seal(&sent).unwrap();
        assert_eq!(take(&mut left, &back), Ok(vec![message(&sent)]), "{length}");
    }
    let too_long = vec![0; MESSAGE_BYTES + 1];
    assert_eq!(left.seal(&too_long), Err(TooLong { limit: MESSAGE_BYTES }));
}

#[test]
fn a_small_mtu_splits_on_a_stream() {
    let (mut left, mut right) = pair(300, LinkKind::Stream);
    let frames = left.seal(&[5; 1000]).unwrap();
    assert_eq!(frames.iter().map(Bytes::len).collect::<Vec<_>>(), [300, 300, 300, 204]);
    assert_eq!(take(&mut right, &frames), Ok(vec![message(&[5; 1000])]));
}

#[test]
fn a_stream_refuses_a_repeated_and_a_missing_record() {
    let (mut left, mut right) = pair(MTU, LinkKind::Stream);
    let frames = left.seal(b"once").unwrap();
    assert_eq!(take(&mut right, &frames), Ok(vec![message(b"once")]));
    assert_eq!(take(&mut right, &frames), Err(Fault::Replay));
    let (mut left, mut right) = pair(MTU, LinkKind::Stream);
    left.seal(b"lost").unwrap();
    let frames = left.seal(b"next").unwrap();
    assert_eq!(take(&mut right, &frames), Err(Fault::Decryption));
}

#[test]
fn a_datagram_link_takes_each_record_once_in_any_order() {
    let (mut left, mut right) = pair(512, LinkKind::Datagram);
    let sent: Vec<Bytes> = (0..4u8).map(|index| left.seal(&[index]).unwrap().remove(0)).collect();
    let frames = [2, 0, 2, 3, 0, 1].map(|index: usize| sent[index].clone());
    let expected: Vec<Outcome> = [2, 0, 3, 1].iter().map(|index| message(&[*index])).collect();
    assert_eq!(take(&mut right, &frames), Ok(expected));
    let forged = Bytes::from([&sent[3][..1], &9u64.to_le_bytes(), &sent[3][9..]].concat());
    assert_eq!(right.handle(&forged), Err(Fault::Decryption));
}

#[test]
fn a_datagram_link_may_repeat_and_reorder_the_handshake() {
    let kind = LinkKind::Datagram;
    let (mut left, first) = initiate(&ALICE, 512, kind);
    let mut right = accept(&BOB, 512, kind);
    let second = reply(&right.handle(&first).unwrap());
    assert_eq!(right.handle(&first), Ok(vec![]));
    let third = reply(&left.handle(&second).unwrap());
    let early = left.seal(b"early").unwrap().remove(0);
    assert_eq!(right.handle(&early), Ok(vec![]));
    assert_eq!(right.handle(&third), Ok(vec![Outcome::Established(ALICE.address())]));
    assert_eq!(right.handle(&third), Ok(vec![]));
    assert_eq!(left.handle(&second), Ok(vec![]));
    let late = left.seal(b"late").unwrap();
    assert_eq!(take(&mut right, &late), Ok(vec![message(b"late")]));
}

#[test]
fn a_stream_refuses_frames_out_of_turn() {
    let (_, first) = initiate(&ALICE, MTU, LinkKind::Stream);
    let mut right = accept(&BOB, MTU, LinkKind::Stream);
    right.handle(&first).unwrap();
    assert_eq!(right.handle(&first), Err(Fault::Handshake));
    let (mut left, mut right) = pair(MTU, LinkKind::Stream);
    assert_eq!(right.handle(&first), Err(Fault::Handshake));
    let frames = left.seal(b"too late").unwrap();
    assert_eq!(take(&mut right, &frames), Err(Fault::Handshake), "a fault is final");
    let mut fresh = accept(&BOB, MTU, LinkKind::Stream);
    assert_eq!(take(&mut fresh, &frames), Err(Fault::Handshake));
}

#[test]
fn pieces_out_of_sequence_and_messages_without_end_are_refused() {
    let pieces = |flags: &[u8], piece: &[u8]| {
        let (mut left, mut right) = pair(MTU, LinkKind::Stream);
        let Phase::Open(records) = &mut left.phase else { panic!() };
        let frames: Vec<Bytes> = flags.iter().map(|f| records.seal_piece(*f, piece)).collect();
        take(&mut right, &frames)
    };
    assert_eq!(pieces(&[3, 1, 2, 1, 0, 2], b"x").unwrap().len(), 3);
    assert_eq!(pieces(&[0], b"x"), Err(Fault::Malformed));
    assert_eq!(pieces(&[2], b"x"), Err(Fault::Malformed));
    assert_eq!(pieces(&[1, 1], b"x"), Err(Fault::Malformed));
    assert_eq!(pieces(&[1, 3], b"x"), Err(Fault::Malformed));
    assert_eq!(pieces(&[4], b"x"), Err(Fault::Malformed));
    let endless = [&[1][..], &[0; 6]].concat();
    assert_eq!(pieces(&endless, &[0; 65_000]), Err(Fault::TooLarge));
}

#[test]
fn an_oversize_frame_is_refused_unread() {
    let (_, mut right) = pair(512, LinkKind::Stream);
    assert_eq!(right.handle(&Bytes::from(vec![4; 513])), Err(Fault::TooLarge));
    let mut fresh = accept(&BOB, MTU, LinkKind::Stream);
    let longest = record::HEADER_BYTES + NOISE_BYTES;
    assert_eq!(fresh.handle(&Bytes::from(vec![1; longest + 1])), Err(Fault::TooLarge));
}

#[test]
fn the_same_randomness_makes_the_same_frames() {
    let frames = || {
        let (mut left, first) = initiate(&ALICE, MTU, LinkKind::Stream);
        let mut right = accept(&BOB, MTU, LinkKind::Stream);
        let second = reply(&right.handle(&first).unwrap());
        let third = reply(&left.handle(&second).unwrap());
        let record = left.seal(b"message").unwrap().remove(0);
        [first, second, third, record]
    };
    assert_eq!(frames(), frames());
    let (_, other) = Session::initiate(&ALICE, Rng::new([3; 32]), MTU, LinkKind::Stream);
    assert_ne!(other, frames()[0]);
}

/// A session of each kind at each stage, and the genuine frame it waits for.
fn stages(kind: LinkKind) -> Vec<(Box<dyn Fn() -> Session>, Bytes)> {
    let (mut left, first) = initiate(&ALICE, 512, kind);
    let mut right = accept(&BOB, 512, kind);
    let second = reply(&right.handle(&first).unwrap());
    let third = reply(&left.handle(&second).unwrap());
    let record = left.seal(b"message").unwrap().remove(0);
    let waits_for_third = {
        let first = first.clone();
        move || {
            let mut right = accept(&BOB, 512, kind);
            right.handle(&first).unwrap();
            right
        }
    };
    let open = {
        let (waits_for_third, third) = (waits_for_third.clone(), third.clone());
        move || {
            let mut right = waits_for_third();
            right.handle(&third).unwrap();
            right
        }
    };
    vec![
        (Box::new(move || accept(&BOB, 512, kind)), first),
        (Box::new(move || initiate(&ALICE, 512, kind).0), second),
        (Box::new(waits_for_third), third),
        (Box::new(open), record),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_are_a_fault_or_nothing_at_every_stage(
        kind in prop_oneof![Just(LinkKind::Stream), Just(LinkKind::Datagram)],
        tag in 0u8..6,
        body in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let frame = Bytes::from([&[tag][..], &body].concat());
        for (index, (session, _)) in stages(kind).iter().enumerate() {
            // Any 32 bytes are somebody's ephemeral key.
            let greeting = index == 0 && tag == 1 && body.len() == 32;
            match session().handle(&frame) {
                Ok(outcomes) if kind == LinkKind::Datagram || greeting => {
                    prop_assert!(greeting || outcomes.is_empty());
                }
                Ok(outcomes) => prop_assert!(false, "{outcomes:?}"),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn a_genuine_frame_changed_or_cut_anywhere_is_never_accepted(
        kind in prop_oneof![Just(LinkKind::Stream), Just(LinkKind::Datagram)],
        at in any::<prop::sample::Index>(),
        bit in 0u32..8,
        cut in any::<bool>(),
    ) {
        for (index, (session, genuine)) in stages(kind).iter().enumerate() {
            prop_assert!(!session().handle(genuine).unwrap().is_empty());
            let at = at.index(genuine.len());
            let mut frame = genuine.to_vec();
            if cut { frame.truncate(at) } else { frame[at] ^= 1 << bit }
            // The first message is not authenticated: the second shows that it was changed.
            if index == 0 && !cut && at > 0 { continue }
            if let Ok(outcomes) = session().handle(&Bytes::from(frame)) {
                prop_assert_eq!(outcomes, vec![]);
            }
        }
    }
}

#[test]
fn a_changed_first_message_is_noticed_by_the_second() {
    let (mut left, first) = initiate(&ALICE, MTU, LinkKind::Stream);
    let mut changed = first.to_vec();
    changed[5] ^= 1;
    let second = reply(&accept(&BOB, MTU, LinkKind::Stream).handle(&Bytes::from(changed)).unwrap());
    assert_eq!(left.handle(&second), Err(Fault::Handshake));
}
