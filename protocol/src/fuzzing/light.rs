//! A light node among neighbours that lie.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use std::sync::LazyLock;

use bytes::Bytes;

use super::choices::{Choices, Decisions};
use crate::block::{Header, Height, ValidatorIndex, View};
use crate::chain::{Entry, Key, Operation, PartId, State, TableId};
use crate::consensus::{self, Finalization, Vote};
use crate::craps::{Chips, Round};
use crate::event::{LinkId, Notice};
use crate::identity::PeerId;
use crate::ledger::Account;
use crate::light::model::{World, answer, found};
use crate::light::{Answer, Found, Lack, Proven, Question, Recent, Subject, TRAIL, Trail};
use crate::mesh::PAYLOAD_BYTES;
use crate::node::{LightAction, NoProof, Packet, QuestionId};
use crate::receipt::Receipt;
use crate::receipt::model::{Net, TABLE, address, keypair};
use crate::wire::{Hash, List, decode, encode};

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 64;
/// Neighbours at one time.
const NEIGHBOURS: usize = 4;
/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that a light node holds because of what its neighbours said, but for headers.
const HELD: usize = 4 << 20;
/// Of four validators, two sign anything: more than may, and still no quorum.
const HOSTILE: u16 = 2;

/// A network after one of its blocks.
struct Moment {
    header: Header,
    recent: Recent,
    state: State,
    receipts: BTreeMap<(Round, Option<PeerId>), Result<Box<Receipt>, Lack>>,
}

/// Two chains on one genesis: the first is the one that a quorum signs.
struct History {
    net: Net,
    true_and_false: [Vec<Moment>; 2],
    headers: BTreeSet<Hash>,
    receipts: BTreeSet<Vec<u8>>,
}

static HISTORY: LazyLock<History> = LazyLock::new(|| {
    let mut headers = BTreeSet::new();
    let (net, moments) = record(false, &mut headers);
    let (_, lies) = record(true, &mut BTreeSet::new());
    let receipts = moments.iter().flat_map(|it| it.receipts.values().flatten());
    let receipts = receipts.map(|receipt| receipt.encode()).collect();
    History { net, true_and_false: [moments, lies], headers, receipts }
});

/// Two rolls, then more blocks than one answer shows, then another roll. What is false has the
/// signatures of those who sign anything.
fn record(is_false: bool, headers: &mut BTreeSet<Hash>) -> (Net, Vec<Moment>) {
    let mut net = Net::new(4, "light");
    let signers = if is_false { HOSTILE } else { net.genesis.dice_threshold() };
    let (mut recent, mut known) = (Recent::default(), Height(0));
    let mut follow = |net: &Net| {
        let trail = net.recent.above(known).expect("every block is signed");
        for header in trail.headers.iter() {
            recent.note(header, Some(&net.sign_with(header, signers)));
            headers.insert(header.hash());
            known = header.height;
        }
        recent.clone()
    };
    let (mut moments, mut rounds) = (Vec::new(), Vec::new());
    for step in 0..6 {
        if is_false {
            let to = address(&keypair(2));
            net.act(1, Operation::Transfer { to, amount: Chips(1_000 + step) });
        }
        for _ in 0..if step == 3 { TRAIL + 4 } else { 1 } {
            net.advance();
            follow(&net);
        }
        if step % 2 == 1 {
            rounds.push(net.roll());
        }
        let recent = follow(&net);
        let newest = recent.above(net.tip.1.height).expect("every block is signed");
        let mut receipts = BTreeMap::new();
        for round in rounds.iter().copied() {
            for player in [None, Some(keypair(1).peer()), Some(keypair(2).peer())] {
                let material = net.rolls.material(TABLE, round);
                let receipt = material.and_then(|it| it.receipt(player)).map(|mut receipt| {
                    let last = receipt.trail.last().copied().unwrap_or(receipt.header);
                    receipt.finalization = net.sign_with(&last, signers);
                    Box::new(receipt)
                });
                receipts.insert((round, player), receipt.map_err(Lack::from));
            }
        }
        let (header, state) = (newest.headers[0], net.chain.state().clone());
        moments.push(Moment { header, recent, state, receipts });
    }
    (net, moments)
}

impl Moment {
    fn answer(&self, question: Question) -> Answer {
        let found = found(&self.state, &question.subject).unwrap_or_else(|| {
            let Subject::Receipt { table, round, player } = question.subject else {
                return Found::Headers;
            };
            let receipt = self.receipts.get(&(round, player)).filter(|_| table == TABLE);
            match receipt.cloned().unwrap_or(Err(Lack::Unknown)) {
                Ok(receipt) => Found::Receipt(receipt),
                Err(lack) => Found::Nothing(lack),
            }
        });
        answer(&self.recent, question, found)
    }
}

/// The bytes say who is linked with a light node, what it is asked, what an honest neighbour has
/// answered by when, and how the others bend what they answer: headers and proofs of other times,
/// of other keys and of another chain on the same genesis; certificates of two validators, of one
/// twice, and of votes for something else; and bytes that are no answer at all.
///
/// What it believes is so: every header is the quorum's, every entry and receipt what the honest
/// state held after a block that is not older than what it knew when it was asked. It never goes
/// back, never holds much, and never blames who is honest; a question has one answer, in time; and
/// when only an honest neighbour is left it proves what is so.
pub fn light(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut play = Play::new();
    for _ in 0..STEPS {
        if choices.is_over() {
            break;
        }
        play.step(&mut choices);
        play.check();
    }
    play.end();
}

struct Play {
    world: World,
    /// The moment at which the honest network is.
    newest: usize,
    honest: BTreeSet<LinkId>,
    /// What waits for an answer, with the height that was known, and until when.
    waiting: BTreeMap<QuestionId, (Subject, Height, crate::time::Time)>,
    /// The greatest height that was known.
    height: Height,
    kept: Option<Bytes>,
    proven: Vec<Proven>,
}

impl Play {
    fn new() -> Self {
        Self {
            world: World::new(HISTORY.net.genesis.clone(), None),
            newest: 0,
            honest: BTreeSet::new(),
            waiting: BTreeMap::new(),
            height: Height(0),
            kept: None,
            proven: Vec::new(),
        }
    }

    fn moments() -> &'static [Moment] {
        &HISTORY.true_and_false[0]
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(KINDS) {
            0 | 1 if self.world.neighbours.len() < NEIGHBOURS => {
                let link = self.world.link();
                if choices.rarely(3) {
                    self.honest.insert(link);
                }
            }
            0..=2 => {
                let subject = subject(choices);
                let (until, height) = (self.world.now + PATIENCE, self.height);
                if let Ok(id) = self.world.ask(subject) {
                    self.waiting.insert(id, (subject, height, until));
                }
            }
            3 => self.newest = (self.newest + 1).min(Self::moments().len() - 1),
            4 => {
                let span = choices.pick(&[100, 1_000, 5_000, 20_000]);
                self.pass(Duration::from_millis(span));
            }
            5 => {
                let links: Vec<LinkId> = self.world.neighbours.keys().copied().collect();
                if !links.is_empty() {
                    self.world.unlink(choices.pick(&links));
                }
            }
            6 => {
                let kept = self.kept.clone().map(|kept| changed(&kept, choices));
                self.waiting.clear();
                self.world.restart(kept);
                self.height = self.world.light.follower().height();
            }
            7 => self.babble(choices),
            _ => self.reply(choices),
        }
    }

    /// The oldest question has its answer.
    fn reply(&mut self, choices: &mut Choices<'_>) {
        let Some((link, question)) = self.world.asked.pop_front() else {
            return self.babble(choices);
        };
        if self.honest.contains(&link) {
            let answer = Self::moments()[self.newest].answer(question);
            return self.world.tell(link, Packet::Light(answer).encode());
        }
        self.lie(link, question, choices);
    }

    fn lie(&mut self, link: LinkId, question: Question, choices: &mut Choices<'_>) {
        let mut lie = any_moment(choices).answer(question);
        for _ in 0..choices.below(4) {
            bend(&mut lie, question, choices);
        }
        let message = Packet::Light(lie).encode();
        let message = if choices.rarely(8) { changed(&message, choices) } else { message };
        self.world.tell(link, message);
    }

    /// Somebody says what nobody asked.
    fn babble(&mut self, choices: &mut Choices<'_>) {
        let hostile = self.world.neighbours.keys().filter(|link| !self.honest.contains(link));
        let hostile: Vec<LinkId> = hostile.copied().collect();
        if hostile.is_empty() {
            return;
        }
        let link = choices.pick(&hostile);
        let question = Question { above: Height(choices.below(4)), subject: subject(choices) };
        let packet = match choices.below(4) {
            0 => {
                let status = consensus::Status { view: View(9), finalized: Height(u64::MAX) };
                Packet::Consensus(consensus::Message::Status(status))
            }
            1 => Packet::AskLight(question),
            2 => return self.lie(link, question, choices),
            _ => {
                let bytes = choices.bytes(64);
                return self.world.tell(link, bytes.into());
            }
        };
        self.world.tell(link, packet.encode());
    }

    fn pass(&mut self, span: Duration) {
        let end = self.world.now + span;
        while self.world.tick(end) {
            self.check();
        }
    }

    /// Everything that was said is so.
    fn check(&mut self) {
        for action in core::mem::take(&mut self.world.said) {
            match action {
                LightAction::Answer { question, answer } => {
                    let waited = self.waiting.remove(&question);
                    let Some((subject, height, until)) = waited else {
                        panic!("{question:?} is answered once")
                    };
                    assert!(self.world.now <= until, "{question:?} is answered in time");
                    match answer {
                        Ok(proven) => self.judge(&subject, height, proven),
                        Err(NoProof::Halted | NoProof::Full) => panic!("it goes on"),
                        Err(
                            NoProof::NoNeighbour
                            | NoProof::Lack(_)
                            | NoProof::TooSlow
                            | NoProof::Lied,
                        ) => {}
                    }
                }
                LightAction::Notify(Notice::Misbehaved { link, fault, .. }) => {
                    assert!(!self.honest.contains(&link), "an honest one is blamed: {fault:?}");
                }
                LightAction::Notify(Notice::Halted { reason }) => panic!("it halts: {reason}"),
                LightAction::Keep(bytes) => self.kept = Some(bytes),
                LightAction::KeepKeys(_) => panic!("this network is not private"),
                LightAction::Notify(_)
                | LightAction::Close { .. }
                | LightAction::Dial { .. }
                | LightAction::Send { .. } => {}
            }
        }
        let follower = self.world.light.follower();
        if let Some(tip) = follower.tip() {
            assert!(HISTORY.headers.contains(&tip.hash()), "{tip:?} is believed");
        }
        assert!(follower.height() >= self.height, "it goes back");
        self.height = follower.height();
        for (subject, _, until) in self.waiting.values() {
            assert!(self.world.now <= *until, "{subject:?} is never answered");
        }
        let held = self.world.light.held();
        assert!(held <= HELD, "{held} bytes are held");
    }

    fn judge(&mut self, subject: &Subject, known: Height, proven: Proven) {
        let at = |header: &Header| {
            assert!(HISTORY.headers.contains(&header.hash()), "{header:?} is believed");
            assert!(header.height >= known, "{header:?} is older than what was known");
            let root = header.commitments.state;
            Self::moments().iter().find(move |it| it.header.commitments.state == root)
        };
        match (subject, &proven) {
            (Subject::Headers, Proven::Headers(header)) => _ = at(header),
            (Subject::Entry(key), Proven::Entry(header, entry)) => {
                let moment = at(header).expect("whoever lies knows of no other state");
                let true_entry = moment.state.prove(key).map(|(entry, _)| entry);
                assert_eq!(entry.as_deref(), true_entry, "{key:?} at {header:?}");
            }
            (Subject::Receipt { table, round, player }, Proven::Receipt(receipt, shown)) => {
                assert!(HISTORY.receipts.contains(&receipt.encode()), "{receipt:?} is believed");
                assert_eq!((*table, *round, *player), (shown.table, shown.round, shown.player));
            }
            (Subject::Headers | Subject::Entry(_) | Subject::Receipt { .. }, _) => {
                panic!("{subject:?} is answered with {proven:?}")
            }
        }
        self.proven.push(proven);
    }

    /// Only one neighbour is left, which is honest: what it is asked is proved.
    fn end(&mut self) {
        for link in self.world.neighbours.keys().copied().collect::<Vec<_>>() {
            self.world.unlink(link);
        }
        self.pass(PATIENCE);
        assert!(self.waiting.is_empty(), "nobody is left who could answer {:?}", self.waiting);
        self.newest = Self::moments().len() - 1;
        let newest = &Self::moments()[self.newest];
        let link = self.world.link();
        self.honest.insert(link);
        self.world.asked.retain(|(asked, _)| *asked == link);
        let round = newest.receipts.keys().next().expect("there was a roll").0;
        let key = Key::Account(keypair(2).peer());
        let receipt = Subject::Receipt { table: TABLE, round, player: None };
        for subject in [Subject::Entry(key), receipt] {
            let id = self.world.ask(subject).expect("there is room");
            self.waiting.insert(id, (subject, self.height, self.world.now + PATIENCE));
            while let Some((_, question)) = self.world.asked.pop_front() {
                self.world.tell(link, Packet::Light(newest.answer(question)).encode());
            }
            let before = self.proven.len();
            self.check();
            assert_eq!(self.proven.len(), before + 1, "{subject:?} is proved");
        }
        assert_eq!(self.height, newest.header.height, "it knows what there is to know");
    }
}

const KINDS: u64 = 16;

fn any_moment(choices: &mut Choices<'_>) -> &'static Moment {
    let which = choices.pick(&[0, 0, 0, 1]);
    let moments = &HISTORY.true_and_false[which];
    &moments[choices.index(moments.len())]
}

fn key(choices: &mut Choices<'_>) -> Key {
    match choices.below(6) {
        0 | 1 => Key::Account(keypair(2).peer()),
        2 => Key::Account(keypair(choices.below(5) as u16).peer()),
        3 => Key::Table(TABLE),
        4 => Key::Table(TableId(2)),
        _ => Key::Meta,
    }
}

fn subject(choices: &mut Choices<'_>) -> Subject {
    match choices.below(6) {
        0 => Subject::Headers,
        1..=3 => Subject::Entry(key(choices)),
        _ => {
            let player = choices.pick(&[None, Some(keypair(2).peer()), Some(keypair(3).peer())]);
            Subject::Receipt { table: TABLE, round: Round(choices.below(5)), player }
        }
    }
}

/// Makes an answer another one.
fn bend(answer: &mut Answer, question: Question, choices: &mut Choices<'_>) {
    match choices.below(10) {
        0 => answer.trail = None,
        1 => answer.trail = any_moment(choices).recent.above(question.above),
        2 | 3 => {
            if let Some(trail) = &mut answer.trail {
                let headers = &trail.headers;
                if let Some(last) = headers.last().copied() {
                    trail.finalization = forged(&last, choices);
                }
            }
        }
        4 => {
            if let Some(trail) = &mut answer.trail {
                reorder(trail, choices);
            }
        }
        5 => {
            if let Some(trail) = &mut answer.trail {
                rewrite(trail, choices);
            }
        }
        6 => answer.found = any_moment(choices).answer(question).found,
        7 => {
            let subject = subject(choices);
            answer.found = any_moment(choices).answer(Question { subject, ..question }).found;
        }
        8 => enrich(&mut answer.found, choices),
        _ => {
            answer.found = match choices.below(3) {
                0 => Found::Headers,
                1 => Found::Nothing(choices.pick(&[Lack::Behind, Lack::Unknown, Lack::NoBet])),
                _ => {
                    let id = PartId::holding(&key(choices));
                    let part = any_moment(choices).state.part(id, 0);
                    Found::Absent(part.expect("one bucket is never too large").into())
                }
            }
        }
    }
}

/// What looks like a quorum's signatures: genuine ones under something, and any of those who sign
/// anything, each perhaps many times.
fn forged(header: &Header, choices: &mut Choices<'_>) -> Finalization {
    let net = &HISTORY.net;
    let genuine = any_moment(choices).recent.above(Height(u64::MAX)).map(|it| it.finalization);
    let genuine: Vec<Vote> = genuine.iter().flat_map(Finalization::votes).collect();
    let own: Vec<Vote> = net.sign_with(header, HOSTILE).votes().collect();
    let votes = (0..choices.below(5)).map(|_| {
        let vote = if choices.rarely(2) { choices.pick(&genuine) } else { choices.pick(&own) };
        let voter = match choices.below(4) {
            0 => ValidatorIndex(choices.below(5) as u16),
            _ => vote.voter,
        };
        (voter, vote.signature)
    });
    let votes: Vec<_> = votes.collect();
    decode(&encode(&(header.view, header.hash(), votes)), PAYLOAD_BYTES).expect("few enough")
}

fn reorder(trail: &mut Trail, choices: &mut Choices<'_>) {
    let mut headers = trail.headers.to_vec();
    if headers.is_empty() {
        return;
    }
    let (one, other) = (choices.index(headers.len()), choices.index(headers.len()));
    match choices.below(4) {
        0 => headers.swap(one, other),
        1 => _ = headers.remove(one),
        2 => _ = headers.drain(..one),
        _ => headers[one] = any_moment(choices).header,
    }
    trail.headers = List::new(headers).expect("no more than there were");
}

/// Changes a header, and what is above it so that each stands on the one before.
fn rewrite(trail: &mut Trail, choices: &mut Choices<'_>) {
    let mut headers = trail.headers.to_vec();
    if headers.is_empty() {
        return;
    }
    let at = choices.index(headers.len());
    let header = &mut headers[at];
    match choices.below(6) {
        0 | 1 => header.commitments.state = any_moment(choices).state.root(),
        2 => header.height = Height(choices.pick(&[0, 1, 9, u64::MAX])),
        3 => header.view = View(choices.pick(&[0, 1, 90, u64::MAX])),
        4 => header.parent.hash = Hash([choices.byte(); 32]),
        _ => header.commitments.validators = Hash([choices.byte(); 32]),
    }
    for above in at + 1..headers.len() {
        let below = headers[above - 1];
        headers[above].parent.hash = below.hash();
        headers[above].parent.view = below.view;
    }
    if let Some(last) = headers.last() {
        (trail.finalization.view, trail.finalization.block) = (last.view, last.hash());
        if choices.rarely(2) {
            trail.finalization = forged(last, choices);
        }
    }
    trail.headers = List::new(headers).expect("as many as there were");
}

/// Says that an account holds something else, or that a roll paid something else.
fn enrich(found: &mut Found, choices: &mut Choices<'_>) {
    let chips = Chips(choices.below(1 << 20));
    match found {
        Found::Entry(entry, _) => **entry = Entry::Account(Account::holding(chips)),
        Found::Receipt(receipt) => {
            let mut payouts = receipt.claim.payouts.to_vec();
            match payouts.first_mut() {
                Some((_, paid)) => *paid = chips,
                None => payouts.push((keypair(2).peer(), chips)),
            }
            receipt.claim.payouts = List::new(payouts).expect("no more than players");
        }
        Found::Nothing(_) | Found::Headers | Found::Absent(_) => {}
    }
}

fn changed(bytes: &Bytes, choices: &mut Choices<'_>) -> Bytes {
    let mut bytes = bytes.to_vec();
    for _ in 0..choices.below(3) {
        let at = choices.below(1 << 16) as usize % (bytes.len() + 1);
        match choices.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, choices.byte()),
            _ if at == bytes.len() => {}
            _ => bytes[at] ^= 1 << choices.below(8),
        }
    }
    Bytes::from(bytes)
}

/// Neighbours that answer as they should, and one that bends in each way.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for bent in 0..11 {
        for subject in [0, 1, 4] {
            let mut decisions = Decisions::default();
            for honest in [0, 0, 2] {
                decisions.put(0, KINDS).put(honest, 3);
            }
            for step in 0..5 {
                decisions.put(2, KINDS).put(subject, 6);
                match subject {
                    0 => {}
                    1 => _ = decisions.put(step % 6, 6),
                    _ => _ = decisions.put(1, 3).put(1 + step % 3, 5),
                }
                for reply in 0..3 {
                    decisions.put(8, KINDS).put(reply, 4).put(step, 6);
                    match bent {
                        0 => _ = decisions.put(0, 4),
                        bent => _ = decisions.put(1, 4).put(bent - 1, 10).put(step % 4, 4),
                    }
                    decisions.put(0, 8);
                }
                decisions.put(3, KINDS).put(4, KINDS).put(step % 4, 4);
            }
            seeds.push(decisions.into_bytes());
        }
    }
    seeds
}
