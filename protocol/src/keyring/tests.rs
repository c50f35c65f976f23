use alloc::vec;

use proptest::prelude::{ProptestConfig, prop_assert_ne, proptest};

use super::*;
use crate::identity::Epoch;

const CONTEXT: Context = Context { network: Hash([1; 32]), epoch: Epoch(0) };
const NOW: Time = Time::ZERO;
const PLACE: &[u8] = b"here";

fn keypair(index: usize) -> Keypair {
    Keypair::from_seed([index as u8 + 1; 32])
}

fn first_key() -> NetworkKey {
    NetworkKey::first(&mut Rng::new([9; 32]))
}

/// Four validators are the first of them; all have the first key.
fn ring(index: usize) -> Keyring {
    let validators = (0..4).map(|index| keypair(index).peer()).collect();
    Keyring::new(Kept::of(first_key()), keypair(index), CONTEXT, validators, 1)
}

fn members(count: usize) -> BTreeSet<PeerId> {
    (0..count).map(|index| keypair(index).peer()).collect()
}

fn propose(ring: &mut Keyring, seed: u8, count: usize) -> Endorsed {
    let rng = &mut Rng::new([seed; 32]);
    let (endorsed, heard) = ring.propose(NOW, rng, &members(count)).unwrap();
    assert_eq!(heard, Heard::Pending);
    endorsed
}

/// A rotation by which two stand.
fn endorsed(seed: u8, count: usize) -> Endorsed {
    let (mut one, mut other) = (ring(0), ring(1));
    let rotation = propose(&mut one, seed, count);
    assert_eq!(other.hear(NOW, &rotation), Ok(Heard::Pending));
    let (both, heard) = other.endorse(NOW, rotation.id()).unwrap();
    assert_eq!(heard, Heard::Changed);
    both
}

#[test]
fn two_of_four_bring_a_key_into_use_for_all_who_are_named() {
    let both = endorsed(1, 6);
    let mut versions = vec![];
    for index in 0..8 {
        let mut ring = ring(index);
        let heard = ring.hear(NOW, &both).unwrap();
        assert_eq!(heard, if index < 6 { Heard::Changed } else { Heard::LeftOut });
        assert_eq!(ring.hear(NOW, &both), Ok(Heard::Known));
        assert_eq!(ring.is_left_out(), index >= 6);
        versions.push(ring.key().unwrap().version());
        let again = Keyring::new(ring.kept(), keypair(index), CONTEXT, vec![], 1);
        assert_eq!(again.kept(), ring.kept());
        assert_eq!(Kept::decode(&ring.kept().encode()), Ok(ring.kept()));
    }
    assert_eq!(versions, [1, 1, 1, 1, 1, 1, 0, 0]);
}

#[test]
fn the_former_key_is_heard_for_a_while_and_then_only_known() {
    let (mut ring, old) = (ring(2), ring(3));
    let sealed = old.seal(None, PLACE, b"said").unwrap();
    let said = Bytes::from_static(b"said");
    assert_eq!(ring.open(NOW, PLACE, &sealed), Opened::Message(said.clone()));
    ring.hear(NOW, &endorsed(1, 4)).unwrap();
    assert_eq!(ring.open(NOW, PLACE, &sealed), Opened::Message(said.clone()));
    assert_eq!(ring.open(NOW + GRACE, PLACE, &sealed), Opened::Late(said));
    let new = ring.seal(None, PLACE, b"said").unwrap();
    assert_eq!(old.open(NOW, PLACE, &new), Opened::Foreign);
    assert_eq!(ring.seal(Some(sealed.key), PLACE, b"said").unwrap(), sealed);
    assert_eq!(ring.open(NOW, b"there", &new), Opened::Forged);
}

#[test]
fn of_two_keys_of_one_version_everybody_chooses_the_same() {
    let (one, other) = (endorsed(1, 4), endorsed(2, 4));
    let chosen = |order: [&Endorsed; 2]| {
        let mut ring = ring(2);
        for endorsed in order {
            ring.hear(NOW, endorsed).unwrap();
        }
        ring.key().unwrap().id(CONTEXT.network)
    };
    assert_eq!(chosen([&one, &other]), chosen([&other, &one]));
}

#[test]
fn no_validator_stands_by_copies_that_somebody_could_not_open() {
    for spoilt in 0..5 {
        let (mut one, mut other) = (ring(0), ring(1));
        let mut bytes = encode(&propose(&mut one, 1, 5).rotation);
        // Version, one-time key, number of copies; then a member, a ciphertext and a tag each.
        let flipped = 1 + 32 + 1 + spoilt * 80 + 32;
        bytes[flipped] ^= 1;
        let rotation: Rotation = decode(&bytes, bytes.len()).unwrap();
        let mut bad = Endorsed::new(rotation);
        bad.endorse(ValidatorIndex(0), &keypair(0), &CONTEXT);
        assert_eq!(other.hear(NOW, &bad), Ok(Heard::Pending));
        assert_eq!(other.endorse(NOW, bad.id()).unwrap_err(), NoRotation::Unsound);
    }
}

#[test]
fn what_is_not_signed_or_names_too_few_is_the_neighbours_fault() {
    let good = endorsed(1, 5);
    let mut forged = Endorsed::new(good.rotation.clone());
    forged.endorse(ValidatorIndex(2), &keypair(3), &CONTEXT);
    assert_eq!(ring(2).hear(NOW, &forged), Err(Fault::BadSignature));
    let mut stranger = Endorsed::new(good.rotation.clone());
    stranger.endorse(ValidatorIndex(9), &keypair(9), &CONTEXT);
    assert_eq!(ring(2).hear(NOW, &stranger), Err(Fault::BadSignature));
    let key = first_key().next(&mut Rng::new([1; 32]));
    let few = Rotation::make(&key, CONTEXT.network, &members(3)).unwrap();
    assert_eq!(ring(2).hear(NOW, &Endorsed::new(few)), Err(Fault::Malformed));
    let nobody = Endorsed::new(good.rotation);
    assert_eq!(ring(2).hear(NOW, &nobody), Ok(Heard::Known), "nobody stands by it");
}

#[test]
fn one_validator_that_makes_key_after_key_fills_nobodys_memory() {
    let mut other = ring(1);
    for seed in 0..20 {
        let rotation = propose(&mut ring(0), seed, 4);
        assert_eq!(other.hear(NOW, &rotation), Ok(Heard::Pending));
        assert_eq!(other.pending().count(), 1);
    }
    let early = first_key().next(&mut Rng::new([1; 32])).next(&mut Rng::new([2; 32]));
    let early = Rotation::make(&early, CONTEXT.network, &members(4)).unwrap();
    let mut early = Endorsed::new(early);
    early.endorse(ValidatorIndex(2), &keypair(2), &CONTEXT);
    assert_eq!(other.hear(NOW, &early), Ok(Heard::Known), "it is not the next one");
    assert_eq!(other.pending().count(), 1);
}

#[test]
fn nothing_is_sealed_to_what_is_no_key() {
    let mut all = members(4);
    let mut identity = [0; 32];
    identity[0] = 1;
    for nobody in [PeerId(identity), PeerId([2; 32])] {
        all.insert(nobody);
        let outcome = ring(0).propose(NOW, &mut Rng::new([1; 32]), &all);
        assert_eq!(outcome.unwrap_err(), NoRotation::NoKey(nobody));
        all.remove(&nobody);
    }
}

#[test]
fn only_so_many_keys_are_remembered() {
    let mut ring = ring(0);
    let alone = Keyring { needed: 1, ..ring };
    ring = alone;
    for seed in 0..20 {
        let rng = &mut Rng::new([seed; 32]);
        assert_eq!(ring.propose(NOW, rng, &members(4)).unwrap().1, Heard::Changed);
    }
    assert_eq!(ring.key().unwrap().version(), 20);
    assert_eq!(ring.kept().keys.len(), KEYS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_rotation_changes_no_key(position in 0usize..600, bit in 0u32..8) {
        let mut bytes = encode(&endorsed(1, 4));
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        let Ok(changed) = decode::<Endorsed>(&bytes, bytes.len()) else { return Ok(()) };
        prop_assert_ne!(ring(2).hear(NOW, &changed), Ok(Heard::Changed));
    }
}
