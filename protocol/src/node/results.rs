//! What consensus and the beacons have come to, and who does what they want.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::packet::{self, Packet};
use super::{Node, OFFER_INTERVAL};
use crate::beacon::{self, DiceKeyId};
use crate::block::{BlockHash, Header, View};
use crate::chain::{Rejection, Slot, TransactionId};
use crate::consensus::{self, Block, Demand, Finalization, Message, Proposal, Statement, Voters};
use crate::event::{Action, Key, Notice, Response, Suspicion};
use crate::hooks::Flaw;
use crate::journal::Entry;
use crate::mesh::{self, Attempt};

impl Node {
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

    pub(super) fn on_beacon(&mut self, key: DiceKeyId, output: beacon::Output) {
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
            beacon::Output::Ask { view, times } => {
                let held = self.known_shares(key, view).into_iter().map(|(index, _)| index);
                let held = Voters::of(held);
                for link in self.to_ask(view, times) {
                    self.unicast(link, &Packet::AskShares { view, key, held: held.clone() });
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
        self.recent.note(&block.header, finalization);
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
    pub(super) fn follow_rolls(&mut self) {
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
    pub(super) fn measure_demand(&mut self) -> Demand {
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
}
