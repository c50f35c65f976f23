//! What processes want: each action carried out, each notice taken to the checks.

use bitcraps_protocol::chain::PendingRoll;
use bitcraps_protocol::event::{Action, Event, Notice};
use bitcraps_protocol::keyring::Kept;
use bitcraps_protocol::simulation::Observation;

use super::{World, choice, links};
use crate::checks::{Check, Heard};
use crate::disk::Crash;
use crate::process::Process;
use crate::recorder::Kind;

/// How many actions one event may give rise to at a node of so many links.
pub(super) const fn most(links: usize) -> usize {
    4_096 + 64 * links
}

impl World {
    /// Does what the process in a place wants, and looks at it.
    pub(super) fn carry_out(&mut self, place: usize) {
        let mut actions = 0;
        let before = self.places[place].height;
        while let Some(action) = self.places[place].process.as_mut().and_then(Process::poll) {
            actions += 1;
            self.execute(place, action);
        }
        self.observe(place);
        if self.places[place].process.is_some() {
            self.checks.came_to_rest(self.now, place);
        }
        if actions > most(self.network.pairs_of(place).len()) {
            self.violate(Check::Bounds, place, format!("one event led to {actions} actions"));
        }
        if self.places[place].height > before
            && self.is_sound(place)
            && let Some(node) = self.places[place].process.as_ref().and_then(Process::node)
        {
            self.checks.state(self.now, place, self.places[place].height, node.state());
        }
        self.rearm(place);
    }

    /// Looks at what the process in a place did besides what it wants.
    fn observe(&mut self, place: usize) {
        match &mut self.places[place].process {
            Some(Process::Hostile(hostile)) => {
                for ((strategy, what), times) in hostile.take_followed() {
                    *self.counters.entry(what).or_default() += times;
                    *self.followed.entry(strategy).or_default() += times;
                }
                while let Some(observation) = hostile.observation() {
                    if let Observation::Vote(vote) = observation {
                        let leads = self.leaders.leader(vote.view()) == vote.voter;
                        self.recorder.vote(self.now, place, &vote, leads);
                    }
                }
            }
            Some(Process::Honest(node)) => {
                let faulty = self.roles.is_faulty(place);
                let liar = self.roles.liars.contains(&place);
                while let Some(observation) = node.observation() {
                    match observation {
                        Observation::Share { view, with, .. } if !faulty => {
                            let waits = |roll: &PendingRoll| roll.view == view;
                            if node.state().meta().pending.iter().any(waits) {
                                self.checks.rolls_in_state(place, view);
                            }
                            self.checks.shared(self.now, place, view, with);
                        }
                        Observation::Heard { vote, justification, window } if !liar => {
                            let heard = Heard { vote, justification, window };
                            self.checks.heard(self.now, place, heard);
                        }
                        Observation::Vote(vote) => {
                            let leads = self.leaders.leader(vote.view()) == vote.voter;
                            self.recorder.vote(self.now, place, &vote, leads);
                        }
                        Observation::Notarization(_)
                        | Observation::Nullification(_)
                        | Observation::Finalization(_)
                        | Observation::Share { .. }
                        | Observation::Heard { .. } => {}
                    }
                }
            }
            None => {}
        }
    }

    fn execute(&mut self, place: usize, action: Action) {
        match action {
            Action::Send { link, frame } => self.send(place, link, frame),
            Action::Persist { position, record } => self.persist(place, position, record),
            Action::Load { key } => {
                self.digest.word(6);
                let Ok(bytes) = self.places[place].disk.load(&key) else {
                    // A driver that cannot read must stop.
                    self.count("read error");
                    self.lose_unsynced(place, Crash::default());
                    return self.stop(place);
                };
                let now = self.places[place].clock.local(self.now);
                if let Some(process) = &mut self.places[place].process {
                    process.handle(now, Event::Loaded { key, bytes }, &mut self.decisions);
                }
            }
            Action::Dial { endpoint } => self.dials(place, endpoint),
            Action::Close { link, reason } => {
                self.count(choice::what_closes(reason));
                self.note(Kind::Close, place, link.0);
                self.recorder.say(self.now, place, || format!("closes a link: {reason:?}"));
                let pair = links::edge_of(link) / 2;
                if self.network.is_up(links::edge_of(link), links::generation_of(link)) {
                    self.disconnect(pair, Some(place));
                    self.dial_later(pair);
                }
            }
            Action::KeepKeys(keys) => {
                if let Ok(keys) = Kept::decode(&keys) {
                    self.places[place].keys = keys;
                }
            }
            Action::Notify(notice) => self.on_notice(place, notice),
        }
    }

    pub(super) fn on_notice(&mut self, place: usize, notice: Notice) {
        let sound = self.is_sound(place);
        match notice {
            Notice::Finalized { height, view, hash, transactions, .. } => {
                self.note(Kind::Finalized, place, view.0);
                self.digest.bytes(&hash.0);
                self.places[place].height = height;
                if sound {
                    self.checks.finalized(self.now, place, height, view, hash);
                    self.checks.tally.transactions += u64::from(transactions);
                }
            }
            Notice::Entered { view } => {
                self.note(Kind::Entered, place, view.0);
                if sound {
                    self.checks.entered(view);
                }
            }
            Notice::Evidence { validator, what } => {
                self.count("evidence found");
                self.recorder.say(self.now, place, || format!("accuses {validator}: it {what}"));
                if sound {
                    self.checks.accused(self.now, place, validator, what);
                }
            }
            Notice::Misbehaved { peer, fault, .. } => {
                self.count("peer blamed");
                self.recorder.say(self.now, place, || format!("blames {peer:?}: {fault:?}"));
                let culprit = peer
                    .and_then(|peer| self.places.iter().position(|it| it.keypair.peer() == peer));
                if sound && let Some(culprit) = culprit {
                    self.checks.blamed(self.now, place, culprit, fault);
                }
            }
            Notice::Suspicious { suspicion, peer, response, .. } => {
                self.count("suspicion");
                self.recorder
                    .say(self.now, place, || format!("{suspicion} by {peer:?}: {response}"));
                let suspect = peer
                    .and_then(|peer| self.places.iter().position(|it| it.keypair.peer() == peer));
                if sound && let Some(suspect) = suspect {
                    self.checks.suspected(self.now, place, suspect, suspicion);
                }
            }
            Notice::Done { id, .. } => {
                self.count("command done");
                self.places[place].commands.remove(&id);
            }
            Notice::Failed { id, rejection } => {
                self.count("command failed");
                self.recorder.say(self.now, place, || format!("command fails: {rejection}"));
                self.places[place].commands.remove(&id);
            }
            Notice::Rolled { table, round, dice, view } => {
                self.note(Kind::Rolled, place, view.0);
                if sound {
                    self.checks.rolled(self.now, place, table, round, dice);
                }
            }
            Notice::Settled { table, round, dice } => {
                if sound {
                    self.checks.settled(self.now, place, table, round, dice);
                }
            }
            Notice::Halted { reason } => {
                self.count("halted");
                if sound {
                    self.violate(Check::Halted, place, reason);
                }
            }
            Notice::Said { .. } => self.count("line of chat"),
            Notice::Delivered { .. } => self.count("letter delivered"),
            Notice::Undelivered { .. } => self.count("letter not delivered"),
            Notice::RotationProposed { .. } => self.count("new key proposed"),
            Notice::KeyChanged { .. } => self.count("network key changed"),
            // Nobody is.
            Notice::LeftOut => {
                if sound {
                    self.violate(Check::Bounds, place, "left out of a rotation".to_owned());
                }
            }
            Notice::Abstains { .. } => self.count("validator abstained"),
            Notice::PeerUp { .. } | Notice::PeerDown { .. } => {}
        }
    }
}
