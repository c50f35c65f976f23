//! A hostile validator: an honest node whose messages pass through the rules of a
//! strategy, or two of them with one key ([`Scenario`]).
//!
//! It sees what its node sees, changes what it says, and signs with its own key only. Every
//! chance it takes is a [decision](crate::decision), so that a run can be done again and shortened.

mod dealing;
mod forge;
mod scheme;
mod spending;
mod strategies;
mod twins;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bitcraps_protocol::beacon::generation::{Kind, Participant, Step};
use bitcraps_protocol::block::View;
use bitcraps_protocol::chain::Operation;
use bitcraps_protocol::consensus::{Message, Statement, ValidatorSet};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::event::{Action, Command, CommandId, Event, LinkId, Record, Refusal};
use bitcraps_protocol::identity::{Context, Epoch, Keypair, PeerId};
use bitcraps_protocol::mesh::Attempt;
use bitcraps_protocol::node::{CannotStart, Node, Setup};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::simulation::{
    Heard, Incoming, Observation, Outgoing, Packet, Simulation, To,
};
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use crate::config::Config;
use crate::decision::Decisions;
pub use dealing::read;
use forge::Forger;
pub use scheme::Scheme;
pub use strategies::{
    Act, Audience, How, Mutation, On, Rule, STRATEGIES, Strategy, named, playable,
};
pub use twins::{Round, Scenario, scenarios, twins};

/// Messages remembered to be replayed and to make up lies from; the oldest are forgotten first.
const HISTORY: usize = 128;

/// Messages that wait to be said late; when there are more, they are said at once.
const WAITING: usize = 1_024;

/// The strategy of two nodes with one key.
const TWINS: &str = "equivocate";

/// The pause between two attempts to say something about a dice key.
const WORK_PAUSE: Duration = Duration::from_millis(300);

/// Who a hostile process is and what it does.
#[derive(Clone, Debug)]
pub struct Part {
    place: u16,
    strategies: Vec<&'static Strategy>,
    scenario: Option<Scenario>,
}

impl Part {
    /// The part of a place, the `nth` hostile one: with at least as many hostile nodes as
    /// strategies each follows those that fall to it in turn, else all share them out. Without any
    /// strategy it is silent.
    pub fn of(config: &Config, place: usize, nth: usize) -> Self {
        let names = &config.strategies;
        let hostile = usize::from(config.byzantine).max(1);
        let mine = |index: usize| match names.len() > hostile {
            true => index % hostile == nth % hostile,
            false => nth % names.len() == index,
        };
        let strategies = names.iter().enumerate().filter(|(index, _)| mine(*index));
        let strategies = strategies.filter_map(|(_, name)| named(name)).collect();
        let scenario = config.twins.clone().map(Scenario::Listed);
        Self { place: place as u16, strategies, scenario }
    }
}

/// A hostile process: the same four verbs as a node, and where its decisions come from.
#[derive(Debug)]
pub struct Hostile {
    place: u16,
    /// The node with the links; and, as a twin, one that shares its key and its ears.
    inner: Vec<Node>,
    forger: Forger,
    /// What it does when, and by which of its strategies.
    rules: Vec<(&'static str, Rule)>,
    /// Whether it has no strategy, and says nothing at all.
    is_silent: bool,
    scenario: Option<Scenario>,
    /// Whom the twins talk to in a view, once that is decided.
    rounds: BTreeMap<View, Round>,
    rng: Rng,
    links: BTreeMap<LinkId, PeerId>,
    history: VecDeque<Packet>,
    waiting: BTreeMap<(Time, u64), Outgoing>,
    /// Counts what waited, and what was said again.
    sequence: u64,
    attempt: Attempt,
    /// Its own part in making a dice key, if its strategies are about that; then the nodes in it
    /// have none.
    participant: Option<Participant>,
    /// When it works on the key next.
    works_at: Time,
    /// The strategy that it follows just now.
    following: &'static str,
    /// How often it did what by which strategy.
    followed: BTreeMap<(&'static str, &'static str), u64>,
}

impl Hostile {
    /// The hostile process that plays this part.
    ///
    /// # Errors
    ///
    /// As for [`Node::simulated`].
    pub fn new(
        part: Part,
        setup: impl Fn() -> Setup,
        simulation: &Simulation,
        rng: Rng,
        now: Time,
        records: Vec<Record>,
    ) -> Result<Self, CannotStart> {
        let Part { place, strategies, scenario } = part;
        let parts = setup();
        let deals = !parts.genesis.is_insecure() && strategies.iter().any(|it| it.makes_keys());
        let simulation = Simulation {
            holds_outgoing: true,
            holds_incoming: true,
            makes_no_key: deals,
            ..simulation.clone()
        };
        let context = Context { network: parts.genesis.network(), epoch: Epoch(0) };
        let members = parts.genesis.validators.iter().map(|card| card.address.peer).collect();
        let validators = ValidatorSet::new(members, &context);
        let keypair: Keypair = simulation.signatures.equip(&parts.keypair);
        let index = validators.index(&keypair.peer()).unwrap_or_default();
        let participant = deals.then(|| Participant::new(context.network, index, &parts.keypair));
        let twins = strategies.iter().any(|strategy| strategy.how == How::Twins);
        let scenario = scenario.or_else(|| twins.then_some(Scenario::Drawn));
        let rules = strategies.iter().flat_map(|strategy| {
            let rules: &[Rule] = match strategy.how {
                How::Rules(rules) => rules,
                How::Twins | How::Faults(_) | How::Absent(_) => &[],
            };
            rules.iter().map(|rule| (strategy.name, *rule))
        });
        let count = if scenario.is_some() { 2 } else { 1 };
        let inner = (0..count)
            .map(|_| Node::simulated(setup(), &simulation, now, records.iter().cloned()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            place,
            inner,
            forger: Forger { keypair, index, context, validators },
            rules: rules.collect(),
            is_silent: strategies.is_empty() && scenario.is_none(),
            scenario,
            rounds: BTreeMap::new(),
            rng,
            links: BTreeMap::new(),
            history: VecDeque::new(),
            waiting: BTreeMap::new(),
            sequence: 0,
            attempt: Attempt(128),
            participant,
            works_at: now + WORK_PAUSE,
            following: TWINS,
            followed: BTreeMap::new(),
        })
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Time, event: Event, decisions: &mut Decisions) {
        if let (Event::WallClock { .. } | Event::Tick, Some(twin)) = (&event, self.inner.get_mut(1))
        {
            twin.handle(now, event.clone());
        }
        self.inner[0].handle(now, event);
        self.settle(now, decisions);
    }

    /// Says what it has to say since it was started.
    pub fn settle(&mut self, now: Time, decisions: &mut Decisions) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            let outgoing = entry.remove();
            self.inner[0].release(now, outgoing);
        }
        if self.works_at <= now {
            self.works_at = now + WORK_PAUSE;
            self.work_on_key(now, decisions);
        }
        loop {
            let mut quiet = true;
            while let Some(incoming) = self.inner[0].incoming() {
                quiet = false;
                self.hear(now, incoming, decisions);
            }
            for copy in 0..self.inner.len() {
                while let Some(outgoing) = self.inner[copy].outgoing() {
                    quiet = false;
                    self.say(now, copy, outgoing, decisions);
                }
            }
            if let Some(twin) = self.inner.get_mut(1) {
                while let Some(action) = twin.poll() {
                    quiet = false;
                    carry_out(twin, now, action);
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.inner[0].poll()
    }

    /// When to come back.
    pub fn deadline(&self) -> Option<Time> {
        let inner = self.inner.iter().filter_map(Node::deadline);
        let works = self.participant.is_some().then_some(self.works_at);
        inner.chain(self.waiting.keys().next().map(|(at, _)| *at)).chain(works).min()
    }

    /// What its player wants.
    pub fn submit(
        &mut self,
        now: Time,
        command: Command,
        decisions: &mut Decisions,
    ) -> Result<CommandId, Refusal> {
        let outcome = self.inner[0].submit(now, command);
        self.settle(now, decisions);
        outcome
    }

    /// The honest node in it, which has the links.
    pub fn node(&self) -> &Node {
        &self.inner[0]
    }

    /// How often it did what since it was last asked, by strategy and by what it did.
    pub fn take_followed(&mut self) -> BTreeMap<(&'static str, &'static str), u64> {
        std::mem::take(&mut self.followed)
    }

    /// What the honest nodes in it would do, whatever becomes of it.
    pub fn observation(&mut self) -> Option<Observation> {
        self.inner.iter_mut().find_map(Node::observation)
    }

    fn hear(&mut self, now: Time, incoming: Incoming, decisions: &mut Decisions) {
        let mut heard = None;
        match incoming.heard() {
            Heard::PeerUp(link, peer) => {
                self.links.insert(link, peer);
            }
            Heard::PeerDown(link, _) => {
                self.links.remove(&link);
            }
            Heard::Message(_, message) => heard = Packet::decode(message).ok(),
        }
        if let Some(packet) = heard {
            let is_transaction = matches!(packet, Packet::Transaction(_));
            let matching =
                |on: On| on == On::Heard || (on == On::HeardTransaction && is_transaction);
            self.remember(packet);
            if let Some((Rule { act: Act::Drop, .. }, _)) = self.chance(matching, decisions) {
                return self.followed("heard nothing");
            }
        }
        if let Some(twin) = self.inner.get_mut(1) {
            twin.take(now, incoming.clone());
        }
        self.inner[0].take(now, incoming);
    }

    /// Says its part in making a key, again and again until it is on the chain.
    fn work_on_key(&mut self, now: Time, decisions: &mut Decisions) {
        let said = loop {
            let (Some(participant), state) = (&mut self.participant, self.inner[0].state()) else {
                return;
            };
            let Some(generation) = state.generation() else { return };
            let deals = |version, dealer| state.deal(version, dealer);
            match participant.step(generation, &deals, |_| false) {
                Step::Say(signed) => break signed,
                Step::Opened | Step::Share(..) => {}
                Step::Idle => return,
            }
        };
        self.attempt = self.attempt.next();
        let to = To::Everybody { attempt: self.attempt };
        let outgoing = Outgoing::new(to, &Packet::KeyGeneration(said));
        self.say(now, 0, outgoing, decisions);
    }

    fn say(&mut self, now: Time, copy: usize, outgoing: Outgoing, decisions: &mut Decisions) {
        if self.is_silent {
            return self.followed("kept silent");
        }
        let Ok(packet) = outgoing.packet() else { return };
        let own = matches!(outgoing.to, To::Everybody { .. } | To::Reminder { .. });
        if own {
            self.remember(packet.clone());
        }
        if self.scenario.is_some() {
            return self.say_as_twin(now, copy, outgoing, &packet, decisions);
        }
        let relayed = matches!(outgoing.to, To::Others { .. });
        let matching = |on: On| is_about(on, &packet, relayed);
        match self.chance(matching, decisions) {
            Some((rule, rng)) => self.act(now, rule.act, outgoing, &packet, rng),
            None => self.inner[0].release(now, outgoing),
        }
    }

    /// The first rule that matches and that chance wills, with the randomness to carry it out.
    fn chance(
        &mut self,
        matching: impl Fn(On) -> bool,
        decisions: &mut Decisions,
    ) -> Option<(Rule, Rng)> {
        let rules = &self.rules;
        if !rules.iter().any(|(_, rule)| matching(rule.on)) {
            return None;
        }
        let choice = decisions.choose(self.place, &mut self.rng, |rng| {
            let taken = (1..).zip(rules).find(|(_, (_, rule))| {
                matching(rule.on) && rng.below(1_000) < u64::from(rule.permille)
            });
            taken.map_or(0, |(number, _)| number | (rng.below(1 << 24) as u32) << 8)
        });
        let (strategy, rule) = *rules.get((choice as usize & 0xff).checked_sub(1)?)?;
        if !matching(rule.on) {
            return None;
        }
        self.following = strategy;
        Some((rule, details(choice)))
    }

    fn act(&mut self, now: Time, act: Act, outgoing: Outgoing, packet: &Packet, mut rng: Rng) {
        let rng = &mut rng;
        match act {
            Act::Drop => self.followed("kept silent"),
            Act::Late { least_ms, most_ms } => {
                let ms = u64::from(least_ms) + rng.below(u64::from(most_ms - least_ms) + 1);
                self.followed("spoke late");
                self.wait(now, Duration::from_millis(ms), outgoing);
            }
            Act::Repeat => {
                self.followed("repeated itself");
                self.inner[0].release(now, outgoing.clone());
                for _ in 0..4 {
                    let again = self.again(&outgoing);
                    self.inner[0].release(now, again);
                }
            }
            Act::OnlyTo(audience) => {
                self.followed("spoke to some");
                for link in self.audience(audience, packet, rng) {
                    self.whisper(now, link, outgoing.message.clone());
                }
            }
            Act::Instead(mutation) => {
                match self.mutate(packet, mutation, rng) {
                    Some(message) => {
                        self.inner[0].release(now, Outgoing { to: outgoing.to, message });
                    }
                    // What it deals instead, it may have to wait for: it is asked again.
                    None if dealing::kind_of(packet).is_some() => self.followed("kept silent"),
                    None => self.inner[0].release(now, outgoing),
                }
            }
            Act::Also(mutation) => {
                let other = self.mutate(packet, mutation, rng);
                self.inner[0].release(now, outgoing.clone());
                if let Some(message) = other {
                    self.tell_all(now, Attempt::default(), message);
                }
            }
            Act::Split(mutation) => {
                let Some(other) = self.mutate(packet, mutation, rng) else {
                    return self.inner[0].release(now, outgoing);
                };
                let first = self.audience(Audience::Some, packet, rng);
                for link in self.links.keys().copied().collect::<Vec<_>>() {
                    let message = if first.contains(&link) { &outgoing.message } else { &other };
                    self.whisper(now, link, message.clone());
                }
            }
            Act::EachItsOwn(mutation) => {
                for link in self.links.keys().copied().collect::<Vec<_>>() {
                    let other = self.mutate(packet, mutation, rng);
                    self.whisper(now, link, other.unwrap_or_else(|| outgoing.message.clone()));
                }
            }
            Act::Replay { count } => {
                self.followed("replayed");
                self.inner[0].release(now, outgoing);
                for _ in 0..count {
                    let index = rng.below(self.history.len().max(1) as u64) as usize;
                    let Some(old) = self.history.get(index) else { break };
                    self.attempt = self.attempt.next();
                    let to = To::Everybody { attempt: self.attempt };
                    let again = Outgoing::new(to, old).message;
                    self.tell_all(now, self.attempt, again);
                }
            }
            Act::Garbage => {
                self.followed("spoke nonsense");
                self.inner[0].release(now, outgoing.clone());
                let mut bytes = vec![0; rng.below(4_096) as usize];
                rng.fill(&mut bytes);
                if rng.below(2) == 0 {
                    // A right beginning, so that it is read further.
                    bytes.splice(0..0, outgoing.message[..outgoing.message.len() / 2].to_vec());
                }
                let to = To::Everybody { attempt: Attempt::default() };
                self.inner[0].release(now, Outgoing { to, message: Bytes::from(bytes) });
            }
            Act::DoubleSpend => {
                self.inner[0].release(now, outgoing);
                self.double_spend(now, rng);
            }
            Act::LateBet => {
                self.inner[0].release(now, outgoing);
                self.bet_late(now, rng);
            }
        }
    }

    /// Says what a twin wants to say to those who hear this twin in this view.
    fn say_as_twin(
        &mut self,
        now: Time,
        copy: usize,
        outgoing: Outgoing,
        packet: &Packet,
        decisions: &mut Decisions,
    ) {
        match outgoing.to {
            To::Everybody { .. } => {}
            // Each twin keeps what waits to itself.
            To::Reminder { .. } => return,
            To::Others { .. } if copy == 1 => return,
            To::Link(_) if copy == 1 && matches!(packet, Packet::Consensus(Message::Status(_))) => {
                return;
            }
            To::Others { .. } | To::Link(_) | To::Whisper { .. } => {
                return self.inner[0].release(now, outgoing);
            }
        }
        let view = match packet {
            Packet::Consensus(Message::Certificate(certificate)) => certificate.view(),
            Packet::Share { view, .. } => *view,
            _ => match forge::vote_of(packet) {
                Some(vote) => vote.view(),
                // A transaction: each twin keeps its own.
                None => return,
            },
        };
        let round = self.round(now, view, decisions);
        if round == Round::ONE {
            if copy == 0 {
                self.inner[0].release(now, outgoing);
            }
            return;
        }
        self.following = TWINS;
        self.followed("spoke as twins");
        for (nth, link) in self.links.keys().copied().enumerate().collect::<Vec<_>>() {
            if round.hears(copy, nth) {
                self.whisper(now, link, outgoing.message.clone());
            }
        }
    }

    fn round(&mut self, now: Time, view: View, decisions: &mut Decisions) -> Round {
        if let Some(round) = self.rounds.get(&view) {
            return *round;
        }
        let round = match self.scenario.as_ref() {
            Some(Scenario::Listed(rounds)) => {
                let nth = view.0.saturating_sub(1) as usize;
                rounds.get(nth).copied().unwrap_or(Round::ONE)
            }
            Some(Scenario::Drawn) | None => {
                let choice = decisions.choose(self.place, &mut self.rng, |rng| {
                    if rng.below(4) == 0 { 0 } else { 1 + rng.below(u64::from(u32::MAX)) as u32 }
                });
                if choice == 0 { Round::ONE } else { Round::drawn(&mut details(choice)) }
            }
        };
        if round != Round::ONE
            && let Some(twin) = self.inner.get_mut(1)
        {
            // Something of its own to order, so that the twins' blocks differ; if it may.
            let operation = Operation::Transfer { to: twin.address(), amount: Chips(1) };
            let _ = twin.submit(now, Command::Operate(operation));
        }
        self.rounds.insert(view, round);
        self.rounds = self.rounds.split_off(&View(view.0.saturating_sub(HISTORY as u64)));
        round
    }

    fn mutate(&mut self, packet: &Packet, mutation: Mutation, rng: &mut Rng) -> Option<Bytes> {
        let history = self.history.make_contiguous();
        let state = self.inner[0].state();
        let message = self.forger.mutate(packet, mutation, history, state, rng)?;
        self.followed("forged");
        Some(message)
    }

    fn audience(&self, audience: Audience, packet: &Packet, rng: &mut Rng) -> Vec<LinkId> {
        let mut links: Vec<LinkId> = self.links.keys().copied().collect();
        crate::plan::shuffle(&mut links, rng);
        let count = match audience {
            Audience::One => 1,
            Audience::Some => rng.below(links.len() as u64 + 1) as usize,
            // One's own vote counts too.
            Audience::QuorumLessOne => self.forger.validators.quorum().saturating_sub(2),
            Audience::AllButNextLeader => {
                let view = forge::vote_of(packet).map(|vote| vote.view()).unwrap_or_default();
                let leader = self.forger.validators.leader(view.next());
                let leader = self.forger.validators.peer(leader);
                links.retain(|link| self.links.get(link).copied() != leader);
                links.len()
            }
        };
        links.truncate(count);
        links
    }

    /// To everybody, or to all neighbours what nobody takes from a broadcast.
    fn tell_all(&mut self, now: Time, attempt: Attempt, message: Bytes) {
        if Packet::decode(&message).is_ok_and(|packet| !packet.is_gossip()) {
            for link in self.links.keys().copied().collect::<Vec<_>>() {
                let (to, message) = (To::Link(link), message.clone());
                self.inner[0].release(now, Outgoing { to, message });
            }
            return;
        }
        let to = To::Everybody { attempt };
        self.inner[0].release(now, Outgoing { to, message });
    }

    fn whisper(&mut self, now: Time, link: LinkId, message: Bytes) {
        let to = To::Whisper { link, attempt: Attempt::default() };
        self.inner[0].release(now, Outgoing { to, message });
    }

    fn wait(&mut self, now: Time, delay: Duration, outgoing: Outgoing) {
        if self.waiting.len() >= WAITING {
            return self.inner[0].release(now, outgoing);
        }
        self.sequence += 1;
        self.waiting.insert((now + delay, self.sequence), outgoing);
    }

    /// The same once more, so that it is not taken for an echo.
    fn again(&mut self, outgoing: &Outgoing) -> Outgoing {
        self.attempt = self.attempt.next();
        let attempt = self.attempt;
        let to = match outgoing.to {
            To::Everybody { .. } | To::Reminder { .. } => To::Everybody { attempt },
            To::Others { link, author, .. } => To::Others { link, attempt, author },
            To::Link(link) => To::Link(link),
            To::Whisper { link, .. } => To::Whisper { link, attempt },
        };
        Outgoing { to, message: outgoing.message.clone() }
    }

    fn remember(&mut self, packet: Packet) {
        if !matches!(packet, Packet::Genesis(_) | Packet::AskGenesis) {
            self.history.push_back(packet);
        }
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    fn followed(&mut self, what: &'static str) {
        *self.followed.entry((self.following, what)).or_default() += 1;
    }
}

/// The randomness behind one choice: a shortened list of choices keeps what each one meant.
fn details(choice: u32) -> Rng {
    Rng::new(blake3::derive_key("bitcraps-sim 2026 choice", &choice.to_le_bytes()))
}

/// A twin has no disk of its own: what it writes is durable at once, and lost in a crash.
fn carry_out(twin: &mut Node, now: Time, action: Action) {
    match action {
        Action::Persist { position, .. } => twin.handle(now, Event::Persisted { position }),
        Action::Load { key } => twin.handle(now, Event::Loaded { key, bytes: None }),
        Action::Send { .. }
        | Action::Dial { .. }
        | Action::Close { .. }
        | Action::KeepKeys(_)
        | Action::Notify(_) => {}
    }
}

/// Whether a rule for `on` concerns this message of one's own.
fn is_about(on: On, packet: &Packet, relayed: bool) -> bool {
    if relayed {
        return on == On::Relay;
    }
    let statement = forge::vote_of(packet).map(|vote| vote.statement);
    match on {
        On::Proposal => matches!(packet, Packet::Consensus(Message::Proposal(_))),
        On::Notarize => matches!(statement, Some(Statement::Notarize { .. })),
        On::Nullify => matches!(statement, Some(Statement::Nullify { .. })),
        On::Finalize => matches!(statement, Some(Statement::Finalize { .. })),
        On::Vote => statement.is_some(),
        On::Share => matches!(packet, Packet::Finalize { .. } | Packet::Share { .. }),
        On::Certificate => matches!(packet, Packet::Consensus(Message::Certificate(_))),
        On::Status => matches!(packet, Packet::Consensus(Message::Status(_))),
        On::Answer => {
            matches!(packet, Packet::Consensus(Message::Block(_) | Message::Decided(_)))
        }
        On::Transaction => matches!(packet, Packet::Transaction(_)),
        On::Deal => dealing::kind_of(packet) == Some(Kind::Deal),
        On::Attest => dealing::kind_of(packet) == Some(Kind::Attest),
        On::Relay | On::Heard | On::HeardTransaction => false,
    }
}
