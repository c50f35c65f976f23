//! The routes: who is told what, and who does what another wants.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::packet::{self, Packet};
#[cfg(feature = "simulation")]
use super::simulated::To;
use super::{Gossip, MOST_OFFER_INTERVAL, Node, OFFER_INTERVAL, OFFERED_AT_ONCE, mesh_input};
use crate::beacon::{self, DiceKeyId};
use crate::block::{BlockHash, Header, View};
use crate::chain::{
    NotAuthentic, Rejection, SignedTransaction, Slot, SubmitRefusal, TransactionId, download,
};
use crate::consensus::{self, Block, Demand, Finalization, Message, Proposal, Statement, Vote};
use crate::event::{Action, Event, Fault, Key, LinkId, Notice, Response, Suspicion};
use crate::hooks::Flaw;
use crate::identity::PeerId;
use crate::journal::Entry;
use crate::mesh::{self, Attempt};
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
                self.consensus.handle(self.now, consensus::Input::WallClock(time));
            }
            Event::SnapshotWanted => self.snapshots.want(),
            Event::Tick => {
                self.mesh.handle(self.now, mesh::Input::Tick);
                self.consensus.handle(self.now, consensus::Input::Tick);
                self.tell_beacons(beacon::Input::Tick);
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
        due.0 || due.1 || due.2
    }

    pub(super) fn drain(&mut self) {
        loop {
            if let Some(output) = self.consensus.poll() {
                self.on_consensus(output);
            } else if let Some((key, output)) = self.poll_beacons() {
                self.on_beacon(key, output);
            } else if let Some(output) = self.mesh.poll() {
                // Whatever the last message gave rise to has been said by now.
                self.gossip = None;
                self.on_mesh(output);
            } else {
                return;
            }
        }
    }

    fn on_mesh(&mut self, output: mesh::Output) {
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
                self.notify(Notice::PeerUp { peer, link });
            }
            mesh::Output::PeerDown { link, peer } => {
                self.consensus.handle(self.now, consensus::Input::LinkDown { link });
                self.tell_download(download::Input::LinkDown { link });
                if !self.mesh.is_linked(peer) {
                    self.notify(Notice::PeerDown { peer });
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
            // The sender of a transaction is known once it is decoded; it relays itself then.
            Packet::AskShares { .. }
            | Packet::KeyGeneration(_)
            | Packet::Transaction(_)
            | Packet::AskGenesis
            | Packet::Genesis(_)
            | Packet::AskSnapshot
            | Packet::Snapshot(_)
            | Packet::AskPart { .. }
            | Packet::Part { .. } => None,
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
            Packet::AskShares { view, key } => {
                for (index, share) in self.known_shares(key, view) {
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

    /// Tells the player which of their commands no longer wait, and why.
    pub(super) fn failed(&mut self, dropped: impl IntoIterator<Item = (TransactionId, Rejection)>) {
        for (id, rejection) in dropped {
            if self.commands.remove(&id) {
                self.notify(Notice::Failed { id, rejection });
            }
        }
    }

    pub(super) fn on_consensus(&mut self, output: consensus::Output) {
        match output {
            consensus::Output::Persist(position, entry) => {
                if let Entry::Decided(decided) = &entry {
                    self.snapshots.note(decided);
                }
                let record = entry.to_record();
                self.actions.push_back(Action::Persist { position, record });
            }
            consensus::Output::Broadcast { message, attempt } => {
                let packet = self.attach(message);
                self.broadcast(&packet, Attempt(attempt));
            }
            consensus::Output::Send { link, message } => {
                self.unicast(link, &Packet::Consensus(message));
            }
            consensus::Output::Relay => self.relay(),
            consensus::Output::Blame { link, fault } => self.penalise(link, fault),
            consensus::Output::Build { parent, view, height, time, empty } => {
                let coins = self.coins.values().map(|(_, proof)| proof.clone()).collect();
                let slot = Slot { view, height, time };
                let built = self.chain.build(&parent, slot, coins, empty);
                let (body, commitments) = built.expect("consensus builds on what was executed");
                let input = consensus::Input::Built { parent, body, commitments };
                self.consensus.handle(self.now, input);
            }
            consensus::Output::Validate(block) => {
                let valid = self.chain.check(&block.header, &block.body).is_ok();
                let input = consensus::Input::Validated { block: block.hash(), valid };
                self.consensus.handle(self.now, input);
            }
            consensus::Output::Load(height) => {
                self.actions.push_back(Action::Load { key: Key::Block(height) });
            }
            consensus::Output::Decide(block, finalization) => {
                self.decide(&block, finalization.as_ref());
            }
            consensus::Output::Accuse(evidence) => {
                let (validator, what) = (evidence.validator(), evidence.what());
                self.notify(Notice::Evidence { validator, what });
                let peer = self.consensus.validators().peer(validator);
                self.suspect(Suspicion::Equivocation, peer, Response::Recorded);
            }
            consensus::Output::Suspect { validator, suspicion } => {
                let peer = self.consensus.validators().peer(validator);
                self.suspect(suspicion, peer, Response::Ignored);
            }
            consensus::Output::Entered(view) => {
                self.tell_beacons(beacon::Input::Entered { view });
                let past =
                    mesh::Input::Past { series: packet::VIEWS, below: view.0.saturating_sub(1) };
                self.mesh.handle(self.now, past);
                self.notify(Notice::Entered { view });
            }
            consensus::Output::Forgotten => {
                let reason = self.consensus.abstains().unwrap_or_default();
                self.notify(Notice::Abstains { reason });
            }
            consensus::Output::Halt(reason) => {
                self.halted = Some(reason.clone());
                self.notify(Notice::Halted { reason });
            }
        }
    }

    /// R1: one's own finalize vote for a block with rolls takes one's share of the coin along.
    fn attach(&mut self, message: Message) -> Packet {
        if self.hooks.has(Flaw::ShareOnNotarize)
            && let Message::Vote(vote) | Message::Proposal(Proposal { vote, .. }) = &message
            && let Statement::Notarize { view, block, .. } = vote.statement
        {
            self.share_early(view, block);
        }
        if let Message::Vote(vote) = &message
            && let Statement::Finalize { view, block } = vote.statement
            && let Some(header) = self.consensus.header(&block)
            && header.commitments.has_rolls
        {
            let by_height = self.hooks.has(Flaw::CoinByHeight);
            let view = if by_height { View(header.height.0) } else { view };
            if let Some((key, share)) = self.vote_for_rolls(view, &block) {
                return Packet::Finalize { vote: *vote, key, share };
            }
        }
        Packet::Consensus(message)
    }

    /// What [`Flaw::ShareOnNotarize`] does.
    fn share_early(&mut self, view: View, block: BlockHash) {
        let has_rolls = |header: &Header| header.commitments.has_rolls;
        if self.consensus.header(&block).is_some_and(has_rolls)
            && let Some(index) = self.consensus.index()
            && let Some((key, share)) = self.vote_for_rolls(view, &block)
        {
            self.broadcast(&Packet::Share { view, key, index, share }, Attempt::default());
        }
    }

    fn on_beacon(&mut self, key: DiceKeyId, output: beacon::Output) {
        match output {
            beacon::Output::Release { view, share } => {
                if let Some(index) = self.consensus.index() {
                    let packet = Packet::Share { view, key, index, share };
                    self.broadcast(&packet, Attempt::default());
                }
            }
            beacon::Output::Known { proof, coin } => {
                let view = proof.view;
                self.coins.insert(view, (coin, proof));
                self.to_follow = true;
                if self.rolling.contains_key(&view) {
                    self.show_dice(view);
                }
            }
            beacon::Output::Blame { link, fault } => self.penalise(link, fault),
            beacon::Output::Ask { view } => {
                let links: Vec<LinkId> = self.mesh.peers().map(|known| known.link).collect();
                for link in links {
                    self.unicast(link, &Packet::AskShares { view, key });
                }
            }
        }
    }

    /// A block is final: the chain moves on, and whoever waited for it hears of it.
    fn decide(&mut self, block: &Arc<Block>, finalization: Option<&Finalization>) {
        let hash = block.hash();
        let finalized = self.chain.finalize(&hash);
        self.to_follow = true;
        self.offer_pause = OFFER_INTERVAL;
        self.snapshots.keep_state(&hash, self.chain.state());
        self.rolls.note(&block.header, &block.body, finalization, self.chain.state());
        let effects = finalized.effects;
        if effects.key_generation {
            self.expect_work();
        }
        for dealer in effects.excluded {
            self.accuse(dealer, "dealt a share that does not fit");
        }
        let past = mesh::Input::Past { series: packet::FINAL_VIEWS, below: block.header.view.0 };
        self.mesh.handle(self.now, past);
        self.notify(Notice::Finalized {
            height: block.header.height,
            view: block.header.view,
            hash,
            time: block.header.time,
            transactions: effects.executed.len() as u32,
        });
        for (id, _, table) in effects.executed {
            if let Some(table) = table {
                self.count_opening(table);
            }
            if self.commands.remove(&id) {
                self.notify(Notice::Done { id, height: block.header.height, table });
            }
        }
        self.failed(finalized.dropped);
        for (table, round, dice) in effects.settled {
            self.notify(Notice::Settled { table, round, dice });
        }
    }

    /// Tells the beacon which final rolls wait for their coin, and shows dice that are known.
    fn follow_rolls(&mut self) {
        self.to_follow = false;
        let pending = self.pending();
        if pending != self.rolling {
            // A beacon that only they needed may go.
            self.to_follow = true;
            let before = core::mem::replace(&mut self.rolling, pending.clone());
            for (view, key) in before.iter().filter(|(view, _)| !pending.contains_key(view)) {
                self.tell_beacon(*key, beacon::Input::Recorded { view: *view });
            }
            for (view, key) in pending.into_iter().filter(|(view, _)| !before.contains_key(view)) {
                self.tell_beacon(key, beacon::Input::Final { view });
                self.show_dice(view);
            }
            self.drain();
        }
        let finalized = self.consensus.finalized().view;
        let rolling = &self.rolling;
        self.coins.retain(|view, _| *view > finalized || rolling.contains_key(view));
    }

    fn show_dice(&mut self, view: View) {
        let notices: Vec<Notice> = self.dice(view).collect();
        notices.into_iter().for_each(|notice| self.notify(notice));
    }

    /// What there is to order on the tip, and when a table falls due.
    fn measure_demand(&mut self) -> Demand {
        self.table_due = None;
        let tip = self.consensus.tip().hash;
        if !self.consensus.tip_is_executed() || !self.chain.knows(&tip) {
            return Demand::default();
        }
        let clock = self.wall_clock();
        if let Some(due) = self.chain.next_deadline(&tip).filter(|due| *due > clock) {
            let wait = core::time::Duration::from_millis(due.0 - clock.0);
            self.table_due = Some(self.now + wait);
        }
        let coin = !self.coins.is_empty()
            && self.chain.unrecorded(&tip).iter().any(|view| self.coins.contains_key(view));
        Demand {
            content: coin || self.chain.has_content(&tip, clock),
            brisk: self.chain.is_brisk(&tip),
        }
    }

    /// Whether anything waits that is to be said again.
    pub(super) fn has_something_to_offer(&self) -> bool {
        self.chain.mempool_len() > 0 || self.own_records().next().is_some()
    }

    /// Reminds neighbours of waiting transactions, and of one's own part in making a dice key:
    /// somebody may not have been linked when they were made. Ever more rarely until a block is
    /// final, for as long as nothing is taken off the waiting it is of no use.
    fn offer(&mut self) {
        if !self.has_something_to_offer() || self.now < self.offer_at {
            return;
        }
        self.offer_at = self.now + self.offer_pause;
        self.offer_pause = (self.offer_pause * 2).min(MOST_OFFER_INTERVAL);
        let own: Vec<_> = self.own_records().cloned().collect();
        for signed in own {
            self.remind(&Packet::KeyGeneration(signed), Some(self.address.peer));
        }
        for transaction in self.chain.offer(OFFERED_AT_ONCE) {
            let author = transaction.transaction().sender.peer;
            self.remind(&Packet::Transaction(transaction.signed().clone()), Some(author));
        }
        self.drain();
    }

    /// Passes the message that is being handled on to those who do not hear its author.
    pub(super) fn relay(&mut self) {
        if let Some(Gossip { link, attempt, author, message, lane, serial }) = self.gossip.take() {
            #[cfg(feature = "simulation")]
            let Some(message) = self.hold_outgoing(To::Others { link, attempt, author }, message)
            else {
                return;
            };
            let from = Some(link);
            let input = mesh::Input::Broadcast { lane, author, serial, attempt, message, from };
            self.mesh.handle(self.now, input);
        }
    }

    /// Does not know the message that is being handled any more: it may be good later.
    pub(super) fn forget(&mut self) {
        if let Some(Gossip { message, .. }) = self.gossip.take() {
            self.mesh.handle(self.now, mesh::Input::Forget { message });
        }
    }

    fn remind(&mut self, packet: &Packet, author: Option<PeerId>) {
        let (lane, message) = (packet.lane(), packet.encode());
        #[cfg(feature = "simulation")]
        let Some(message) = self.hold_outgoing(To::Reminder { author }, message) else { return };
        self.mesh.handle(self.now, mesh::Input::Remind { lane, author, message });
    }

    pub(super) fn broadcast(&mut self, packet: &Packet, attempt: Attempt) {
        let (lane, message) = (packet.lane(), packet.encode());
        #[cfg(feature = "simulation")]
        self.observe(packet);
        #[cfg(feature = "simulation")]
        let Some(message) = self.hold_outgoing(To::Everybody { attempt }, message) else { return };
        let author = Some(self.address.peer);
        let serial = packet.serial();
        let input = mesh::Input::Broadcast { lane, author, serial, attempt, message, from: None };
        self.mesh.handle(self.now, input);
    }

    pub(super) fn unicast(&mut self, link: LinkId, packet: &Packet) {
        let (lane, message) = (packet.lane(), packet.encode());
        #[cfg(feature = "simulation")]
        self.observe(packet);
        #[cfg(feature = "simulation")]
        let Some(message) = self.hold_outgoing(To::Link(link), message) else { return };
        self.mesh.handle(self.now, mesh::Input::Unicast { link, lane, message });
    }
}
