//! The routes: what happened goes to the machine that it concerns, a message to the one that
//! understands it.

use super::packet::Packet;
use super::{Gossip, Node, mesh_input};
use crate::beacon::{self, DiceKeyId};
use crate::chain::{NotAuthentic, SignedTransaction, SubmitRefusal, download};
use crate::consensus::{self, Message, Statement, Vote};
use crate::event::{Action, Event, Fault, Key, LinkId, Notice};
use crate::identity::PeerId;
use crate::journal::Entry;
use crate::mesh::{self, Attempt, post};
use crate::time::{BlockTime, Time};

impl Node {
    /// Sends an event to the machine that it concerns.
    pub(super) fn route(&mut self, event: Event) {
        match event {
            Event::Persisted { position } => {
                self.consensus.handle(self.now, consensus::Input::Persisted(position));
            }
            Event::Loaded { key: Key::Block(height), bytes } => {
                let entry = bytes.and_then(|bytes| Entry::from_bytes(&bytes).ok());
                let decided = match entry {
                    Some(Entry::Decided(decided)) => Some(decided),
                    Some(
                        Entry::Block(_)
                        | Entry::Certificate(_)
                        | Entry::Vote(_)
                        | Entry::Barred { .. }
                        | Entry::Overridden
                        | Entry::Part { .. }
                        | Entry::Snapshot(_)
                        | Entry::Base { .. }
                        | Entry::Promises(_),
                    )
                    | None => None,
                };
                self.consensus.handle(self.now, consensus::Input::Loaded { height, decided });
            }
            Event::WallClock { unix_ms } => {
                let time = BlockTime(unix_ms);
                self.wall = Some((time, self.now));
                self.chat.wall_clock(unix_ms);
                self.tell_post(post::Input::WallClock { unix_ms });
                self.consensus.handle(self.now, consensus::Input::WallClock(time));
            }
            Event::SnapshotWanted => self.snapshots.want(),
            Event::Tick => {
                self.mesh.handle(self.now, mesh::Input::Tick);
                self.consensus.handle(self.now, consensus::Input::Tick);
                self.tell_beacons(beacon::Input::Tick);
                self.tell_post(post::Input::Tick);
            }
            Event::LinkUp { .. }
            | Event::LinkDown { .. }
            | Event::Received { .. }
            | Event::Sent { .. }
            | Event::Discovered { .. }
            | Event::Reachable { .. }
            | Event::DialFailed { .. } => {
                if let Some(input) = mesh_input(event) {
                    self.mesh.handle(self.now, input);
                }
            }
        }
    }

    /// Lets the machines answer one another until none has anything left to say.
    pub(super) fn settle_down(&mut self) {
        self.work_on_key();
        loop {
            self.drain();
            if self.to_follow {
                self.follow_keys();
            }
            if self.tick_what_is_due() {
                continue;
            }
            if self.to_follow {
                self.follow_rolls();
            }
            self.follow_snapshots();
            self.offer();
            // What was heard just now may have been that nobody has the state any more.
            let fetches = self.snapshots.deadline().is_some_and(|it| it <= self.now);
            let demand = self.measure_demand();
            if demand == self.demand && !fetches {
                break;
            }
            self.demand = demand;
            self.consensus.handle(self.now, consensus::Input::Demand(demand));
        }
        self.due = self.find_due();
        let now = self.now;
        assert!(self.deadline().is_none_or(|deadline| deadline > now), "deadlines lie ahead");
    }

    /// Hands frames of the mesh to the driver; whether the mesh had nothing else to say.
    pub(super) fn pass_frames_on(&mut self) -> bool {
        while let Some(output) = self.mesh.poll() {
            let is_frame = matches!(output, mesh::Output::Send { .. });
            self.on_mesh(output);
            if !is_frame {
                return false;
            }
        }
        true
    }

    /// Ticks the machines whose deadline has passed: an event may come late, and then reaches only
    /// one of them. Whether there was one.
    fn tick_what_is_due(&mut self) -> bool {
        let now = self.now;
        let is_due = |deadline: Option<Time>| deadline.is_some_and(|deadline| deadline <= now);
        let due = (
            is_due(self.mesh.deadline()),
            is_due(self.consensus.deadline()),
            is_due(self.beacons_deadline()),
            is_due(self.post.deadline()),
        );
        if due.0 {
            self.mesh.handle(now, mesh::Input::Tick);
        }
        if due.1 {
            self.consensus.handle(now, consensus::Input::Tick);
        }
        if due.2 {
            self.tell_beacons(beacon::Input::Tick);
        }
        if due.3 {
            self.tell_post(post::Input::Tick);
        }
        due.0 || due.1 || due.2 || due.3
    }

    pub(super) fn drain(&mut self) {
        loop {
            if let Some(output) = self.consensus.poll() {
                self.on_consensus(output);
            } else if let Some((key, output)) = self.poll_beacons() {
                self.on_beacon(key, output);
            } else if let Some(output) = self.post.poll() {
                self.on_post(output);
            } else if let Some(output) = self.mesh.poll() {
                // Whatever the last message gave rise to has been said by now.
                self.gossip = None;
                self.on_mesh(output);
            } else {
                return;
            }
        }
    }

    pub(super) fn on_mesh(&mut self, output: mesh::Output) {
        if let Some(output) = self.unseal(output) {
            self.admit(output);
        }
    }

    /// Hands what members say, and what concerns them, to the machines behind.
    pub(super) fn admit(&mut self, output: mesh::Output) {
        let output = self.fill_in(output);
        #[cfg(feature = "simulation")]
        let Some(output) = self.hold_incoming(output) else { return };
        self.take_in(output);
    }

    pub(super) fn take_in(&mut self, output: mesh::Output) {
        match output {
            mesh::Output::Send { link, frame } => {
                self.actions.push_back(Action::Send { link, frame });
            }
            mesh::Output::Dial { endpoint } => {
                self.actions.push_back(Action::Dial { endpoint });
            }
            mesh::Output::Close { link, reason } => {
                self.actions.push_back(Action::Close { link, reason });
            }
            mesh::Output::PeerUp { link, peer } => {
                let peer = peer.peer;
                self.consensus.handle(self.now, consensus::Input::LinkUp { link, peer });
                if !self.is_private() {
                    self.meet(link, peer);
                }
            }
            mesh::Output::PeerDown { link, peer } => {
                self.consensus.handle(self.now, consensus::Input::LinkDown { link });
                self.tell_download(download::Input::LinkDown { link });
                self.light_links.remove(&link);
                if !self.is_private() {
                    self.part(link, peer);
                }
            }
            mesh::Output::Misbehaved { link, peer, fault, response } => {
                self.notify(Notice::Misbehaved { link, peer, fault, response });
                if let Some(suspicion) = fault.suspicion() {
                    self.suspect(suspicion, peer, response);
                }
            }
            mesh::Output::Deliver { link, message, gossip, .. } => match Packet::decode(&message) {
                Ok(packet) if packet.is_gossip() || gossip.is_none() => {
                    // No leader says a proposal twice: those who lack it ask for the block.
                    let again = |attempt: &Attempt| *attempt != Attempt::default();
                    let goes_on = gossip.filter(|it| !(packet.is_proposal() && again(it)));
                    self.gossip = goes_on.map(|attempt| Gossip {
                        link,
                        attempt,
                        author: self.author(&packet),
                        message,
                        lane: packet.lane(),
                        serial: packet.serial(),
                        key: self.privacy.came_under,
                    });
                    self.on_packet(link, packet);
                }
                Ok(_) => self.penalise(link, Fault::Unsolicited),
                Err(malformed) => self.penalise(link, malformed.into()),
            },
        }
    }

    /// Who says so, as far as a relay is concerned.
    fn author(&self, packet: &Packet) -> Option<PeerId> {
        let validators = self.consensus.validators();
        match packet {
            Packet::Consensus(message) => validators.peer(message.author()?),
            Packet::Finalize { vote, .. } => validators.peer(vote.voter),
            Packet::Share { index, .. } => validators.peer(*index),
            Packet::Chat(line) => Some(line.author().peer),
            Packet::Compact(compact) => validators.peer(compact.headline.vote.voter),
            // The sender of a transaction is known once it is decoded; it relays itself then.
            Packet::AskShares { .. }
            | Packet::KeyGeneration(_)
            | Packet::Transaction(_)
            | Packet::AskGenesis
            | Packet::Genesis(_)
            | Packet::AskSnapshot
            | Packet::Snapshot(_)
            | Packet::AskPart { .. }
            | Packet::Part { .. }
            | Packet::AskLight(_)
            | Packet::Light(_)
            | Packet::Letter(_)
            | Packet::Sealed { .. }
            | Packet::Hello
            | Packet::Rotation(_)
            | Packet::AskRotation => None,
        }
    }

    fn on_packet(&mut self, link: LinkId, packet: Packet) {
        let work = packet.work();
        if work > 0 {
            self.spend(link, work);
        }
        #[cfg(feature = "simulation")]
        self.overhear(&packet);
        match packet {
            Packet::Consensus(message) => {
                self.consensus.handle(self.now, consensus::Input::Received { link, message });
            }
            Packet::Finalize { vote, key, share } => self.on_attachment(link, vote, key, share),
            Packet::Share { view, key, index, share } => {
                if self.is_sound(key, link, view, index, share) {
                    self.relay();
                }
            }
            Packet::AskShares { view, key, held } => {
                let known = self.known_shares(key, view).into_iter();
                for (index, share) in known.filter(|(index, _)| !held.contains(*index)) {
                    self.unicast(link, &Packet::Share { view, key, index, share });
                }
            }
            Packet::KeyGeneration(signed) => self.on_record(link, signed),
            Packet::Transaction(signed) => self.on_transaction(link, signed),
            Packet::AskGenesis => {
                let packet = Packet::Genesis(self.genesis.encode().into());
                self.unicast(link, &packet);
            }
            // Only a newcomer asks for it, and a newcomer is no node.
            Packet::Genesis(_) => self.penalise(link, Fault::Unsolicited),
            Packet::AskSnapshot => self.offer_snapshot(link),
            Packet::Snapshot(certified) => self.on_snapshot(link, certified),
            Packet::AskPart { block, part } => self.give_part(link, block, part),
            Packet::Part { block, answer } => self.on_part(link, block, answer),
            Packet::AskLight(question) => self.show(link, question),
            // Only a light node asks for it, and a light node is another machine.
            Packet::Light(_) => self.penalise(link, Fault::Unsolicited),
            Packet::Letter(parcel) => self.on_letter(link, parcel),
            Packet::Chat(line) => self.on_chat(link, &line),
            Packet::Sealed { .. } => self.on_sealed(link),
            // Its seal has said it all.
            Packet::Hello => {}
            Packet::Rotation(endorsed) => self.on_rotation(link, &endorsed),
            Packet::AskRotation => self.give_rotation(link),
            Packet::Compact(compact) => self.on_compact(link, compact),
        }
    }

    /// A finalize vote and its share are judged apart: a bad share spoils no vote, and whoever
    /// passes one on is to blame, not the voter.
    fn on_attachment(
        &mut self,
        link: LinkId,
        vote: Vote,
        key: DiceKeyId,
        share: beacon::CoinShare,
    ) {
        let Statement::Finalize { view, .. } = vote.statement else {
            return self.penalise(link, Fault::Malformed);
        };
        if !self.is_sound(key, link, view, vote.voter, share)
            && let Some(gossip) = &mut self.gossip
        {
            gossip.message = Packet::Consensus(Message::Vote(vote)).encode();
        }
        let message = Message::Vote(vote);
        self.consensus.handle(self.now, consensus::Input::Received { link, message });
    }

    fn on_transaction(&mut self, link: LinkId, signed: SignedTransaction) {
        if self.chain.vouches_for(&signed) {
            return self.relay();
        }
        let transaction = match self.chain.verify(signed) {
            Ok(transaction) => transaction,
            Err(NotAuthentic::Malformed(malformed)) => {
                return self.penalise(link, malformed.into());
            }
            Err(NotAuthentic::BadSignature) => {
                return self.penalise(link, Fault::ForgedTransaction);
            }
        };
        // Nobody is to blame, but nothing is gained: it comes again when there is room.
        if !self.may_open(&transaction) {
            self.forget();
            return self.spend(link, 1);
        }
        if let Some(gossip) = &mut self.gossip {
            gossip.author = Some(transaction.transaction().sender.peer);
        }
        match self.chain.submit(transaction) {
            Ok(displaced) => {
                self.failed(displaced);
                self.relay();
            }
            Err(SubmitRefusal::Known) => self.relay(),
            // It is stale, or this node behind: nobody's fault, and nothing to pass on.
            Err(SubmitRefusal::Rejected(rejection)) if !rejection.may_pass() => self.spend(link, 1),
            Err(SubmitRefusal::Rejected(_) | SubmitRefusal::Full) => self.forget(),
        }
    }
}
