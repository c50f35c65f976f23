//! One node among others that say, lose and forge whatever the bytes say.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bitcraps_protocol::chain::{Operation, TableId};
use bitcraps_protocol::chat::{Line, Room, Words};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::event::{Command, Direction, Endpoint, Event, LinkId};
use bitcraps_protocol::fuzzing::{Choices, Decisions};
use bitcraps_protocol::identity::PeerId;
use bitcraps_protocol::mesh::Attempt;
use bitcraps_protocol::simulation::{Outgoing, To};
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use super::driver::{ALONE, Driver, FOUR, Founded, PRIVATE, START_MS, Seen};
use super::hostile::{changed, open_table};

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 96;
/// Messages of others that are remembered, to be changed and said again.
const REMEMBERED: usize = 32;
/// The node that is looked at.
const VICTIM: usize = 0;
/// The first table that is opened.
pub(super) const TABLE: TableId = TableId(1);

/// What everybody's lines begin with: nobody says it by accident.
const SECRET: &[u8] = b"between us: ";

/// The bytes say how large the network is and whether it is private, in which order frames,
/// completions and times come, which never do, what people want and tell one another, and what the
/// others say besides what honest nodes would: frames that are no frames, messages with bytes
/// changed, and votes about anything that are rightly signed, all the other validators being hostile
/// if need be.
///
/// The node does not panic. Each event gives a bounded number of actions and a deadline that lies
/// ahead; nothing is sent on a link that is not up, nor more than the window; votes leave when they
/// are durable; records have consecutive places; a refusal changes nothing; chips are conserved;
/// people hear what was said, by whom and where they hear it; in a private network no frame shows
/// it; and a second node that is given the same does the same.
pub fn node(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let founded: &'static Founded = match choices.below(3) {
        0 => &FOUR,
        1 => &PRIVATE,
        _ => &ALONE,
    };
    let mut net = Net::new(founded, START_MS);
    net.ordinary(4);
    if choices.rarely(2) {
        net.sit_down();
    }
    for _ in 0..STEPS {
        if choices.is_over() {
            break;
        }
        net.step(&mut choices);
    }
    net.ordinary(2);
}

/// A victim and those around it.
pub(super) struct Net {
    pub(super) founded: &'static Founded,
    now: Time,
    places: Vec<Driver>,
    /// The present link between the victim and each other.
    links: Vec<LinkId>,
    next_link: u64,
    /// Frames under way, by the other's index: to the victim, and from it.
    inward: Vec<VecDeque<Bytes>>,
    outward: Vec<VecDeque<Bytes>>,
    pub(super) said: VecDeque<Bytes>,
    /// What people said: who, where, what.
    lines: Vec<(PeerId, Room, Words)>,
    /// How often who heard each of them.
    heard: BTreeMap<(usize, usize), usize>,
    /// How often the victim was started.
    lives: usize,
}

impl Net {
    pub(super) fn new(founded: &'static Founded, unix_ms: u64) -> Self {
        let now = Time::ZERO;
        let count = founded.identities.len();
        let start = |index| {
            Driver::start(founded, index, index == VICTIM, now, Vec::new())
                .expect("there is no journal yet")
        };
        let mut net = Self {
            founded,
            now,
            places: (0..count).map(start).collect(),
            links: vec![LinkId(0); count],
            next_link: 0,
            inward: vec![VecDeque::new(); count],
            outward: vec![VecDeque::new(); count],
            said: VecDeque::new(),
            lines: Vec::new(),
            heard: BTreeMap::new(),
            lives: 1,
        };
        for index in 0..count {
            net.give(index, Event::WallClock { unix_ms });
        }
        for other in 1..count {
            net.connect(other);
        }
        net
    }

    /// The victim.
    pub(super) fn victim(&self) -> &Driver {
        &self.places[VICTIM]
    }

    fn give(&mut self, index: usize, event: Event) {
        let seen = self.places[index].give(self.now, event);
        self.note(index, seen);
    }

    /// Frames are under way, and what others say is said.
    fn note(&mut self, index: usize, seen: Seen) {
        for (room, line) in seen.heard {
            self.check_heard(index, room, &line);
        }
        for (link, frame) in seen.frames {
            if self.founded.key.is_some() {
                let shown = frame.windows(SECRET.len()).any(|it| it == SECRET);
                assert!(!shown, "what is said in private is seen by nobody else");
            }
            if index == VICTIM {
                if let Some(other) = self.links.iter().position(|it| *it == link) {
                    self.outward[other].push_back(frame);
                }
            } else if link == self.links[index] {
                self.inward[index].push_back(frame);
            }
        }
        for link in seen.closed {
            let of = self.links.iter().position(|it| *it == link).unwrap_or(index);
            self.disconnect(of, link);
        }
        while let Some(outgoing) = self.places[index].outgoing() {
            if self.said.len() == REMEMBERED {
                self.said.pop_front();
            }
            self.said.push_back(outgoing.message.clone());
            let seen = self.places[index].release(self.now, outgoing);
            self.note(index, seen);
        }
    }

    /// People hear what was said, and once in a life.
    fn check_heard(&mut self, index: usize, room: Room, line: &Line) {
        let own = self.peer(index);
        let said_in = match room {
            Room::Peer(_) if line.from != own => Room::Peer(own),
            room => room,
        };
        let mut lines = self.lines.iter();
        let number = lines.position(|it| (it.0, it.1, &it.2) == (line.from, said_in, &line.words));
        let Some(number) = number else {
            panic!("{index} hears what nobody said: {line:?} in {room:?}");
        };
        let heard = self.heard.entry((index, number)).or_default();
        *heard += 1;
        let lives = if index == VICTIM { self.lives } else { 1 };
        assert!(*heard <= lives, "{index} hears {line:?} again");
    }

    fn peer(&self, index: usize) -> PeerId {
        self.founded.identities[index].0.peer()
    }

    fn connect(&mut self, other: usize) {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        self.links[other] = link;
        self.inward[other].clear();
        self.outward[other].clear();
        let seen = self.places[other].link_up(self.now, link, Direction::Outbound);
        self.note(other, seen);
        let seen = self.places[VICTIM].link_up(self.now, link, Direction::Inbound);
        self.note(VICTIM, seen);
    }

    fn disconnect(&mut self, other: usize, link: LinkId) {
        for index in [VICTIM, other] {
            if self.places[index].has(link) {
                self.give(index, Event::LinkDown { link });
            }
        }
    }

    /// Everything happens as it should, so many times over.
    pub(super) fn ordinary(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for index in 0..self.places.len() {
                let (now, place) = (self.now, &mut self.places[index]);
                let mut seen = place.send_all(now);
                seen.add(place.persist(now, usize::MAX));
                seen.add(place.load(now, true));
                self.note(index, seen);
            }
            for other in 1..self.places.len() {
                for _ in 0..self.inward[other].len() {
                    self.deliver(other);
                }
                for _ in 0..self.outward[other].len() {
                    self.answer(other);
                }
            }
            self.pass(Duration::from_millis(1));
        }
    }

    /// The next frame of `other` reaches the victim.
    fn deliver(&mut self, other: usize) {
        let link = self.links[other];
        if let Some(frame) = self.inward[other].pop_front()
            && self.places[VICTIM].has(link)
        {
            self.give(VICTIM, Event::Received { link, frame });
        }
    }

    /// The next frame of the victim reaches `other`.
    fn answer(&mut self, other: usize) {
        let link = self.links[other];
        if let Some(frame) = self.outward[other].pop_front()
            && self.places[other].has(link)
        {
            self.give(other, Event::Received { link, frame });
        }
    }

    /// Time passes, and whoever is due is told.
    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        for index in 0..self.places.len() {
            let deadline = self.places[index].node().deadline();
            if deadline.is_some_and(|deadline| deadline <= self.now) {
                self.give(index, Event::Tick);
            }
        }
    }

    /// The player at the victim asks for something.
    pub(super) fn submit(&mut self, command: Command) {
        self.ask(VICTIM, command);
    }

    fn ask(&mut self, index: usize, command: Command) {
        let (_, seen) = self.places[index].submit(self.now, command);
        self.note(index, seen);
    }

    /// The victim opens a table, and everybody who owns chips sits down.
    fn sit_down(&mut self) {
        self.submit(Command::Operate(open_table(Chips(5_000))));
        self.ordinary(8);
        for index in 1..self.places.len() {
            self.ask(index, Command::Operate(Operation::Sit { table: TABLE }));
        }
        self.ordinary(8);
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.below(KINDS);
        let other = 1 + choices.index(self.places.len() - 1);
        match kind {
            0..=2 => self.ordinary(1 + choices.index(4)),
            3 | 4 => {
                let millis = choices.pick(&[5, 1, 100, 1_000, 3_000, 20_000, 3_600_000]);
                self.pass(Duration::from_millis(millis));
            }
            5 => {
                let most = choices.index(4);
                let seen = self.places[VICTIM].persist(self.now, most);
                self.note(VICTIM, seen);
            }
            6 => (0..choices.below(8)).for_each(|_| self.deliver(other)),
            7 => (0..choices.below(8)).for_each(|_| self.answer(other)),
            8 => self.disturb(other, choices),
            9 | 10 => self.forge(other, choices),
            11 => self.repeat(other, choices),
            12 => {
                let who = if choices.rarely(2) { other } else { VICTIM };
                let operation = self.operation(choices);
                self.ask(who, Command::Operate(operation));
            }
            13 => {
                let link = self.links[other];
                self.disconnect(other, link);
                if !choices.rarely(3) {
                    self.connect(other);
                }
            }
            14 => self.tell(choices),
            15 => self.crash(),
            16 => self.talk(other, choices),
            17 => self.change_keys(choices),
            _ => {
                let question = self.question(choices);
                self.say(other, question.encode(), choices);
            }
        }
    }

    /// Frames are lost, repeated, or no frames at all.
    fn disturb(&mut self, other: usize, choices: &mut Choices<'_>) {
        let link = self.links[other];
        match choices.below(4) {
            0 => _ = self.inward[other].pop_front(),
            1 => {
                if let Some(frame) = self.inward[other].front().cloned() {
                    self.inward[other].push_front(frame);
                }
            }
            2 => {
                if let Some(frame) = self.inward[other].front_mut() {
                    *frame = changed(frame, choices);
                }
            }
            _ => {
                let frame = Bytes::from(choices.bytes(255));
                if self.places[VICTIM].has(link) {
                    self.give(VICTIM, Event::Received { link, frame });
                }
            }
        }
    }

    /// Says something again, perhaps changed, in another's name.
    fn repeat(&mut self, other: usize, choices: &mut Choices<'_>) {
        if self.said.is_empty() {
            return;
        }
        let message = self.said[choices.index(self.said.len())].clone();
        let message = if choices.rarely(4) { message } else { changed(&message, choices) };
        self.say(other, message, choices);
    }

    fn say(&mut self, other: usize, message: Bytes, choices: &mut Choices<'_>) {
        let link = self.links[other];
        if !self.places[other].has(link) {
            return;
        }
        let to = if choices.rarely(3) {
            To::Link(link)
        } else {
            To::Whisper { link, attempt: Attempt(choices.byte()) }
        };
        let seen = self.places[other].release(self.now, Outgoing { to, message });
        self.note(other, seen);
    }

    /// Says something rightly signed that no honest node would say.
    fn forge(&mut self, other: usize, choices: &mut Choices<'_>) {
        let packet = self.forged(other, choices);
        self.say(other, packet.encode(), choices);
    }

    /// Somebody says something at the table, or to somebody; `other` may say something like it.
    fn talk(&mut self, other: usize, choices: &mut Choices<'_>) {
        let (who, to) = (choices.index(self.places.len()), choices.index(self.places.len() + 1));
        let room = match self.founded.identities.get(to) {
            Some((key, _)) => Room::Peer(key.peer()),
            None => Room::Table(TABLE),
        };
        let mut words = SECRET.to_vec();
        words.extend(self.lines.len().to_string().bytes());
        let words = String::from_utf8(words).expect("letters and digits");
        let words = Words::new(&words).expect("a short line");
        self.lines.push((self.peer(who), room, words.clone()));
        self.ask(who, Command::Say { room, words });
        if choices.rarely(4)
            && let Some(message) = self.said.back()
        {
            let message = changed(message, choices);
            self.say(other, message, choices);
        }
    }

    /// Somebody makes a new key of the network, or stands by one.
    fn change_keys(&mut self, choices: &mut Choices<'_>) {
        let who = choices.index(self.places.len());
        let private = self.places[who].node().status().private;
        let pending = private.map(|it| it.pending).unwrap_or_default();
        let command = match pending.first() {
            Some(rotation) if !choices.rarely(3) => Command::Endorse { rotation: rotation.id },
            _ => {
                let mut some = |often| {
                    let peers = (0..self.places.len()).map(|index| self.peer(index));
                    let some = peers.filter(|_| choices.rarely(often));
                    some.collect()
                };
                Command::Rotate { without: some(9), with: some(2) }
            }
        };
        self.ask(who, command);
    }

    /// The driver says something that it seldom does.
    fn tell(&mut self, choices: &mut Choices<'_>) {
        let endpoint = Endpoint { transport: 9, bytes: Bytes::from(choices.bytes(4)) };
        let event = match choices.below(5) {
            0 => Event::Tick,
            1 => Event::WallClock { unix_ms: START_MS + choices.below(1 << 24) },
            2 => Event::WallClock { unix_ms: choices.below(1 << 63) },
            3 => Event::Discovered { endpoint },
            _ => {
                let (now, found) = (self.now, choices.rarely(2));
                let seen = self.places[VICTIM].load(now, found);
                return self.note(VICTIM, seen);
            }
        };
        self.give(VICTIM, event);
    }

    /// The victim's process dies and another one starts.
    pub(super) fn crash(&mut self) {
        let others = 1..self.places.len();
        let crashed = self.places.remove(VICTIM);
        let open = others.clone().filter(|other| crashed.has(self.links[*other]));
        let open: Vec<usize> = open.collect();
        self.places.insert(VICTIM, crashed.restart(self.now));
        self.lives += 1;
        for other in open {
            let link = self.links[other];
            self.disconnect(other, link);
        }
        others.for_each(|other| self.connect(other));
    }
}

const KINDS: u64 = 19;

/// Networks that go their way; a table is opened and played at, people talk and change keys;
/// somebody forges, crashes, lies, asks.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    const FOUR: u64 = 0;
    const PRIVATE: u64 = 1;
    const ALONE: u64 = 2;
    let mut seeds = Vec::new();
    for (network, disturbed) in [
        (FOUR, None),
        (ALONE, None),
        (FOUR, Some(9)),
        (FOUR, Some(11)),
        (ALONE, Some(15)),
        (FOUR, Some(16)),
        (FOUR, Some(18)),
        (PRIVATE, None),
        (PRIVATE, Some(11)),
        (PRIVATE, Some(15)),
        (PRIVATE, Some(16)),
        (PRIVATE, Some(17)),
        (PRIVATE, Some(18)),
    ] {
        let others = if network == ALONE { 1 } else { 4 };
        let mut decisions = Decisions::default();
        let gathered = disturbed.is_some_and(|kind| kind > 15);
        decisions.put(network, 3).put(u64::from(gathered), 2);
        for step in 0..24_u64 {
            let kind = [0, 0, 3, 12, 0, 5][step as usize % 6];
            let kind = disturbed.filter(|_| step % 5 == 2).unwrap_or(kind);
            decisions.put(kind, KINDS);
            if others > 1 {
                decisions.put(step % others, others);
            }
            match kind {
                0 => decisions.put(3, 4),
                3 => decisions.put(step % 5, 7),
                12 if step == 3 && !gathered => decisions.put(0, 2).put(0, 8).put(5_000, 1 << 14),
                12 => decisions.put(0, 2).put(2, 8).put(step % 4, 4).put(5, 256),
                5 => decisions.put(1, 4),
                15 => &mut decisions,
                16 => {
                    let (who, to) = [(1, 0), (0, 2), (0, 5), (3, 5), (2, 5)][step as usize / 5];
                    decisions.put(who, others + 1).put(to, others + 2);
                    match step {
                        // In another's mouth with one bit changed.
                        17 => {
                            decisions.put(3, 4).put(0, 3).put(100, 1 << 16).put(2, 5).put(0, 8);
                            decisions.put(0, 3).put(1, 256)
                        }
                        _ => decisions.put(0, 4),
                    }
                }
                17 => decisions.put(step % 4, others + 1).zeros(if step == 2 { 10 } else { 1 }),
                18 => decisions.put(step % 8, 8).put(1, 2),
                _ => decisions.put(4, 8).put(2, 4).put(step % 8, 8),
            };
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
