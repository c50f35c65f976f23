//! Members of a private network of whom one is hostile, and two who are at times left out.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::choices::{Choices, Decisions};
use crate::block::ValidatorIndex;
use crate::identity::{Context, Epoch, Keypair, PeerId};
use crate::keyring::{Endorsed, Heard, Kept, Keyring, NetworkKey, NoRotation, Opened};
use crate::rng::Rng;
use crate::time::Time;
use crate::wire::{Hash, decode, encode};

const STEPS: usize = 48;
const VALIDATORS: usize = 4;
const MEMBERS: usize = 6;
/// Who signs anything.
const HOSTILE: usize = 0;
const CONTEXT: Context = Context { network: Hash([1; 32]), epoch: Epoch(0) };
/// What a node may hold of rotations that too few stand by.
const MOST_PENDING: usize = 8;

fn keypair(index: usize) -> Keypair {
    Keypair::from_seed([index as u8 + 1; 32])
}

struct World {
    now: Time,
    rings: Vec<Keyring>,
    /// Everything that anybody ever said.
    said: Vec<Endorsed>,
    /// For whom each rotation is that some honest node follows.
    followed: BTreeMap<Hash, BTreeSet<usize>>,
    rng: Rng,
}

/// The bytes say who makes keys for whom, who stands by which, what reaches whom, what the hostile
/// validator bends and signs, and when members restart.
///
/// No honest node ever follows a rotation of which another that is named in it has no key, none is
/// followed that fewer than two validators signed, what is sealed opens as it was or not at all, and
/// in the end all who are named in the newest rotation have one key.
pub fn keyring(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let validators: Vec<PeerId> = (0..VALIDATORS).map(|index| keypair(index).peer()).collect();
    let first = NetworkKey::first(&mut Rng::new([9; 32]));
    let ring = |index| {
        Keyring::new(Kept::of(first.clone()), keypair(index), CONTEXT, validators.clone(), 1)
    };
    let mut world = World {
        now: Time::ZERO,
        rings: (0..MEMBERS).map(ring).collect(),
        said: Vec::new(),
        followed: BTreeMap::new(),
        rng: Rng::new([7; 32]),
    };
    for _ in 0..STEPS {
        if choices.is_over() {
            break;
        }
        world.step(&mut choices, &validators);
        let most = world.rings.iter().map(|ring| ring.pending().count()).max();
        assert!(most <= Some(MOST_PENDING), "what waits is bounded");
    }
    world.settle();
}

impl World {
    fn step(&mut self, choices: &mut Choices<'_>, validators: &[PeerId]) {
        let who = choices.index(MEMBERS);
        match choices.below(9) {
            0 => self.propose(who, choices),
            1 | 2 => self.endorse(who, choices),
            3 | 4 if !self.said.is_empty() => {
                let said = self.said[choices.index(self.said.len())].clone();
                self.hear(who, &said);
            }
            5 if !self.said.is_empty() => self.forge(who, choices),
            6 => self.whisper(who, choices),
            7 => {
                let kept = Kept::decode(&self.rings[who].kept().encode()).expect("its own");
                let validators = validators.to_vec();
                self.rings[who] = Keyring::new(kept, keypair(who), CONTEXT, validators, 1);
            }
            _ => self.now = self.now + choices.millis(1 << 17),
        }
    }

    fn propose(&mut self, who: usize, choices: &mut Choices<'_>) {
        let chosen = choices.below(1 << (MEMBERS - VALIDATORS));
        let members: BTreeSet<PeerId> = (0..MEMBERS)
            .filter(|index| *index < VALIDATORS || chosen & 1 << (index - VALIDATORS) == 0)
            .map(|index| keypair(index).peer())
            .collect();
        match self.rings[who].propose(self.now, &mut self.rng, &members) {
            Ok((endorsed, heard)) => {
                assert_eq!(heard, Heard::Pending, "two must stand by it");
                self.said.push(endorsed);
            }
            Err(NoRotation::NotAValidator) => assert!(who >= VALIDATORS),
            Err(NoRotation::Full) => {}
            Err(reason) => panic!("{who} cannot make a key: {reason}"),
        }
    }

    fn endorse(&mut self, who: usize, choices: &mut Choices<'_>) {
        let pending: Vec<Hash> = self.rings[who].pending().map(|it| it.id).collect();
        if pending.is_empty() {
            return;
        }
        let id = pending[choices.index(pending.len())];
        if let Ok((endorsed, heard)) = self.rings[who].endorse(self.now, id) {
            self.note(who, &endorsed, heard);
            self.said.push(endorsed);
        }
    }

    fn hear(&mut self, who: usize, endorsed: &Endorsed) {
        if let Ok(heard) = self.rings[who].hear(self.now, endorsed) {
            self.note(who, endorsed, heard);
        }
    }

    /// What an honest node follows has a key for each honest one that it names.
    fn note(&mut self, who: usize, endorsed: &Endorsed, heard: Heard) {
        if who == HOSTILE || !matches!(heard, Heard::Changed | Heard::LeftOut) {
            return;
        }
        let named = endorsed.is_for(&keypair(who).peer());
        assert_eq!(named, heard == Heard::Changed, "{who} has the key that is for it");
        let members = (0..MEMBERS).filter(|it| endorsed.is_for(&keypair(*it).peer())).collect();
        self.followed.insert(endorsed.id(), members);
    }

    /// The hostile validator bends what was said, signs it or not, and shows it to somebody.
    fn forge(&mut self, who: usize, choices: &mut Choices<'_>) {
        let said = &self.said[choices.index(self.said.len())];
        let mut bytes = encode(said);
        for _ in 0..=choices.below(3) {
            let position = choices.index(bytes.len());
            bytes[position] ^= choices.byte();
        }
        let Ok(mut forged) = decode::<Endorsed>(&bytes, bytes.len()) else { return };
        if choices.rarely(2) {
            forged = forged.unsigned();
            forged.endorse(ValidatorIndex(HOSTILE as u16), &keypair(HOSTILE), &CONTEXT);
        }
        self.hear(who, &forged);
        self.said.push(forged);
    }

    /// A sealed message, bent or not, reaches another, here or where it should not open.
    fn whisper(&mut self, who: usize, choices: &mut Choices<'_>) {
        let (message, to) = (choices.bytes(32), choices.index(MEMBERS));
        let sealed = self.rings[who].seal(None, b"here", &message).expect("it has a key");
        let mut bytes = encode(&sealed);
        if choices.rarely(2) {
            let position = choices.index(bytes.len());
            bytes[position] ^= choices.byte();
        }
        let Ok(envelope) = decode(&bytes, bytes.len()) else { return };
        let place = choices.pick(&[b"here".as_slice(), b"there"]);
        match self.rings[to].open(self.now, place, &envelope) {
            Opened::Message(opened) | Opened::Late(opened) => {
                assert_eq!((&*opened, place), (&*message, b"here".as_slice()));
                assert_eq!(envelope, sealed, "there is one way to seal a message");
            }
            Opened::Foreign | Opened::Forged => {}
        }
    }

    /// Everything reaches everybody, and what anybody follows is given to who asks: whoever is named in the newest rotation has its key.
    fn settle(&mut self) {
        let mut said = self.said.clone();
        for round in 0..2 {
            if round > 0 {
                said = self.rings.iter().filter_map(|ring| ring.newest().cloned()).collect();
            }
            for said in &said {
                for who in 0..MEMBERS {
                    self.hear(who, said);
                }
            }
        }
        let newest = |ring: &Keyring| ring.newest().map(Endorsed::id);
        let honest = &self.rings[HOSTILE + 1..];
        let all: BTreeSet<Option<Hash>> = honest.iter().map(newest).collect();
        assert_eq!(all.len(), 1, "all follow one");
        let Some(members) = all.first().copied().flatten().and_then(|id| self.followed.get(&id))
        else {
            return;
        };
        let key = |who: usize| self.rings[who].key().map(|key| key.id(CONTEXT.network));
        let keys: BTreeSet<_> =
            members.iter().filter(|it| **it != HOSTILE).map(|it| key(*it)).collect();
        assert_eq!(keys.len(), 1, "the members of the newest have its key");
    }
}

/// Keys that come into use, one after the other, with something bent between.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let member = |decisions: &mut Decisions, who: usize, kind: u64| {
        decisions.put(who as u64, MEMBERS as u64).put(kind, 9);
    };
    let mut seeds = Vec::new();
    for left_out in 0..4 {
        let mut decisions = Decisions::default();
        for round in 0..3 {
            member(&mut decisions, 1, 0);
            decisions.put(left_out, 4);
            let newest = 2 * round + 1;
            member(&mut decisions, 2, 3);
            decisions.put(newest - 1, newest);
            member(&mut decisions, 2, 1);
            decisions.put(0, 1);
            member(&mut decisions, 4, 6);
            decisions.put(3, 33).put(7, 1 << 8).put(8, 1 << 8).put(9, 1 << 8).put(2, 6).put(0, 2);
        }
        member(&mut decisions, 3, 5);
        decisions.put(0, 6).put(0, 3).put(90, 500).put(1, 1 << 8).put(1, 2);
        member(&mut decisions, 3, 7);
        seeds.push(decisions.into_bytes());
    }
    seeds
}
