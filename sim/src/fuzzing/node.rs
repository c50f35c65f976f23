//! One node among others that say, lose and forge whatever the bytes say.

use std::collections::VecDeque;
use std::time::Duration;

use bitcraps_protocol::block::{Height, ValidatorIndex, View};
use bitcraps_protocol::chain::{self, Nonce, Operation, PartId, TableId, Transaction};
use bitcraps_protocol::chat::{Line, Room, Words};
use bitcraps_protocol::consensus::{Message, Request, Statement, Status};
use bitcraps_protocol::craps::{Bet, Chips, Round, Rules};
use bitcraps_protocol::event::{Command, Direction, Endpoint, Event, LinkId};
use bitcraps_protocol::fuzzing::{Choices, Decisions};
use bitcraps_protocol::identity::{Address, Context, Epoch, PeerId};
use bitcraps_protocol::light::{Question, Subject};
use bitcraps_protocol::mesh::Attempt;
use bitcraps_protocol::simulation::{Outgoing, Packet, To};
use bitcraps_protocol::time::{BlockTime, Time};
use bitcraps_protocol::wire::{Hash, Text};
use bytes::Bytes;

use super::driver::{ALONE, Driver, FOUR, Founded, PRIVATE, SIGNATURES, START_MS, Seen};

/// More steps make inputs slower and find nothing that fewer do not.
const STEPS: usize = 96;
/// Messages of others that are remembered, to be changed and said again.
const REMEMBERED: usize = 32;
/// The node that is looked at.
const VICTIM: usize = 0;

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
    founded: &'static Founded,
    now: Time,
    places: Vec<Driver>,
    /// The present link between the victim and each other.
    links: Vec<LinkId>,
    next_link: u64,
    /// Frames under way, by the other's index: to the victim, and from it.
    inward: Vec<VecDeque<Bytes>>,
    outward: Vec<VecDeque<Bytes>>,
    said: VecDeque<Bytes>,
    /// What people said: who, where, what.
    lines: Vec<(PeerId, Room, Words)>,
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

    /// People hear what was said, not more.
    fn check_heard(&self, index: usize, room: Room, line: &Line) {
        let own = self.peer(index);
        let said_in = match room {
            Room::Peer(_) if line.from != own => Room::Peer(own),
            room => room,
        };
        let mut lines = self.lines.iter();
        let was_said = lines.any(|it| (it.0, it.1, &it.2) == (line.from, said_in, &line.words));
        assert!(was_said, "{index} hears what nobody said: {line:?} in {room:?}");
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
                let operation = self.operation(choices);
                self.submit(Command::Operate(operation));
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
            16 => self.talk(choices),
            17 => self.change_keys(choices),
            _ => self.question(other, choices),
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

    fn forged(&self, other: usize, choices: &mut Choices<'_>) -> Packet {
        let status = self.victim().node().status();
        let view = match choices.below(8) {
            0 => View(u64::MAX - choices.below(4)),
            near => View((status.view.0 + 4).saturating_sub(near)),
        };
        let block = match choices.below(4) {
            0 => status.block,
            1 => Hash([choices.byte(); 32]),
            _ => self.proposed(choices).unwrap_or(status.block),
        };
        match choices.below(8) {
            kind @ 0..=4 => {
                let statement = match kind {
                    0 | 1 => Statement::Notarize { view, block, time: BlockTime(START_MS) },
                    2 | 3 => Statement::Finalize { view, block },
                    _ => {
                        let highest = View(view.0.saturating_sub(choices.below(4)));
                        Statement::Nullify { view, highest }
                    }
                };
                // Any validator's name, even one that there is not.
                let voter = choices.index(self.founded.identities.len()).max(1);
                let key = SIGNATURES.equip(&self.founded.identities[voter].0);
                let context = Context { network: status.network, epoch: Epoch(0) };
                let vote = statement.sign(ValidatorIndex(voter as u16), &key, &context);
                Packet::Consensus(Message::Vote(vote.into_inner()))
            }
            5 => {
                let finalized = Height(choices.pick(&[5, 3_000, u64::MAX]));
                Packet::Consensus(Message::Status(Status { view, finalized }))
            }
            6 => {
                let from = Height(choices.below(16));
                Packet::Consensus(Message::Request(match choices.below(4) {
                    0 => Request::Decided { from },
                    1 => Request::Block { hash: block },
                    2 => Request::Certificate { above: view },
                    _ => Request::Notarization { at_least: view },
                }))
            }
            _ => {
                let (key, proof) = &self.founded.identities[other];
                let sender = Address { peer: key.peer(), proof: *proof };
                let transaction = Transaction {
                    sender,
                    nonce: Nonce(1 + choices.below(4)),
                    expires: Height(1_000),
                    operation: self.operation(choices),
                };
                let signed = transaction.sign(&SIGNATURES.equip(key), status.network);
                Packet::Transaction(signed.signed().clone())
            }
        }
    }

    /// A block that somebody proposed lately.
    fn proposed(&self, choices: &mut Choices<'_>) -> Option<Hash> {
        let proposals = self.said.iter().filter_map(|message| match Packet::decode(message) {
            Ok(Packet::Consensus(Message::Proposal(proposal))) => Some(proposal.block.hash()),
            _ => None,
        });
        let proposals: Vec<Hash> = proposals.collect();
        (!proposals.is_empty()).then(|| choices.pick(&proposals))
    }

    fn operation(&self, choices: &mut Choices<'_>) -> Operation {
        let table = TableId(1);
        let entry = self.victim().node().state().table(table);
        let round = entry.map_or(Round(1), |entry| entry.table.round());
        match choices.below(8) {
            0 => Operation::OpenTable {
                name: Text::new("t").expect("a short name"),
                rules: Rules { window_ms: 0, ..Rules::default() },
                bank: Chips(choices.below(1 << 14)),
            },
            1 => Operation::Sit { table },
            2 | 3 => {
                let bet = choices.pick(&[Bet::Pass, Bet::Field, Bet::AnySeven, Bet::Come]);
                let amount = Chips(1 + choices.below(256));
                Operation::Bet { table, round, bet, amount }
            }
            4 | 5 => Operation::Roll { table, round },
            6 => {
                let (key, proof) = &self.founded.identities[choices.index(2)];
                let to = Address { peer: key.peer(), proof: *proof };
                Operation::Transfer { to, amount: Chips(choices.below(1 << 14)) }
            }
            _ => Operation::Stand { table },
        }
    }

    /// Somebody says something at the table, or to somebody.
    fn talk(&mut self, choices: &mut Choices<'_>) {
        let (who, to) = (choices.index(self.places.len()), choices.index(self.places.len() + 1));
        let room = match self.founded.identities.get(to) {
            Some((key, _)) => Room::Peer(key.peer()),
            None => Room::Table(TableId(1)),
        };
        let mut words = SECRET.to_vec();
        words.extend(self.lines.len().to_string().bytes());
        let words = String::from_utf8(words).expect("letters and digits");
        let words = Words::new(&words).expect("a short line");
        self.lines.push((self.peer(who), room, words.clone()));
        self.ask(who, Command::Say { room, words });
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

    /// Asks the victim for something that neighbours seldom need.
    fn question(&mut self, other: usize, choices: &mut Choices<'_>) {
        let status = self.victim().node().status();
        let table = TableId(1);
        let ask = |subject| Packet::AskLight(Question { above: Height(0), subject });
        let packet = match choices.below(8) {
            0 => Packet::Hello,
            1 => Packet::AskRotation,
            2 => Packet::AskGenesis,
            3 => Packet::AskSnapshot,
            4 => {
                let key = choices.pick(&[chain::Key::Meta, chain::Key::Table(table)]);
                let parts = [PartId::all(0).next().expect("the whole"), PartId::holding(&key)];
                Packet::AskPart { block: status.block, part: choices.pick(&parts) }
            }
            5 => ask(Subject::Headers),
            6 => ask(Subject::Entry(chain::Key::Table(table))),
            _ => {
                let round = Round(1 + choices.below(2));
                ask(Subject::Receipt { table, round, player: None })
            }
        };
        self.say(other, packet.encode(), choices);
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
        for other in open {
            let link = self.links[other];
            self.disconnect(other, link);
        }
        others.for_each(|other| self.connect(other));
    }
}

const KINDS: u64 = 19;

fn changed(bytes: &Bytes, choices: &mut Choices<'_>) -> Bytes {
    let mut bytes = bytes.to_vec();
    for _ in 0..=choices.below(3) {
        let at = choices.below(1 << 16) as usize % (bytes.len() + 1);
        match choices.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, choices.byte()),
            _ if at == bytes.len() => {}
            2 => bytes[at] ^= 1 << choices.below(8),
            _ => bytes[at] = choices.byte(),
        }
    }
    Bytes::from(bytes)
}

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
        decisions.put(network, 3);
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
                12 => decisions.put((step / 6) % 6, 8).put(5, 256),
                5 => decisions.put(1, 4),
                15 => &mut decisions,
                16 => decisions.put(step % (others + 1), others + 1).put(step % 3, others + 2),
                17 => decisions.put(step % 4, others + 1).zeros(if step == 2 { 10 } else { 1 }),
                18 => decisions.put(step % 8, 8).put(1, 2),
                _ => decisions.put(4, 8).put(2, 4).put(step % 8, 8),
            };
        }
        seeds.push(decisions.into_bytes());
    }
    seeds
}
