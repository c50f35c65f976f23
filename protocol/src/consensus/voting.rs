//! Votes and certificates: casting, counting, and moving from view to view.

use alloc::vec::Vec;

use super::pacemaker::{self, Ending};
use super::round::stated_highest;
use super::{
    Certificate, Consensus, Evidence, Finalization, Message, Notarization, Nullification, Output,
    Proposal, Request, Statement, Verified, Vote, evidence,
};
use crate::block::{BlockHash, View};
use crate::event::{Fault, LinkId};
use crate::hooks::Flaw;
use crate::journal::Entry;
#[cfg(feature = "simulation")]
use crate::simulation::Observation;
use crate::time::BlockTime;
use crate::wire::limits::VIEW_WINDOW;

impl Consensus {
    /// A neighbour sent or relayed a vote.
    pub(super) fn on_vote(&mut self, link: LinkId, vote: Vote) {
        let view = vote.view();
        if self.validators.peer(vote.voter).is_none() {
            return self.blame(link, Fault::NotAValidator);
        }
        if stated_highest(&vote) >= view {
            return self.blame(link, Fault::Malformed);
        }
        if view.0 > self.view.0 + VIEW_WINDOW {
            return self.ask_why(link);
        }
        if self.is_stale(&vote) {
            self.hint(link);
        }
        if view < self.oldest_kept_view() {
            return;
        }
        let round = self.rounds.entry(view).or_default();
        if round.kept(&vote) == Some(&vote) {
            // Said again on purpose, or it would not have come through: others may lack it.
            self.outputs.push_back(Output::Relay);
            return self.ask_for_its_ground(link, &vote);
        }
        if round.has_spent(vote.voter, false) {
            return;
        }
        let Some(verified) = vote.verify(&self.validators, &self.context) else {
            return self.blame(link, Fault::BadSignature);
        };
        self.spend(&vote, false);
        self.recognise(&vote);
        if self.count(verified) {
            self.outputs.push_back(Output::Relay);
        }
        self.ask_for_its_ground(link, &vote);
    }

    /// Counts a verified message against its author's budget for the view.
    pub(super) fn spend(&mut self, vote: &Vote, proposes: bool) {
        let validator = vote.voter;
        let spent = self.rounds.entry(vote.view()).or_default().spend(validator, proposes);
        if let Some(suspicion) = spent {
            self.outputs.push_back(Output::Suspect { validator, suspicion });
        }
    }

    /// S2: a nullify counts only with the notarization it rests on. Asked for as often as the vote
    /// is said, since question and answer may be lost.
    fn ask_for_its_ground(&mut self, link: LinkId, vote: &Vote) {
        if stated_highest(vote) > self.highest_view() {
            self.ask(link, Request::Notarization { at_least: stated_highest(vote) });
        }
    }

    /// A vote that can no longer matter to its sender's view: it lags.
    fn is_stale(&self, vote: &Vote) -> bool {
        match vote.statement {
            Statement::Notarize { view, .. } | Statement::Nullify { view, .. } => {
                view.next() < self.view
            }
            Statement::Finalize { view, .. } => view < self.tree.root().view,
        }
    }

    /// Votes of earlier views are not kept.
    pub(super) fn oldest_kept_view(&self) -> View {
        let window = View(self.view.0.saturating_sub(VIEW_WINDOW));
        window.max(self.tree.root().view.next())
    }

    /// Counts a vote, unless it contradicts or repeats an earlier one. Returns whether it is news.
    pub(super) fn count(&mut self, vote: Verified<Vote>) -> bool {
        let Vote { voter, statement, .. } = *vote.get();
        let view = statement.view();
        let seen = &mut self.seen[usize::from(voter.0)];
        *seen = view.max(*seen);
        let accused = self.accuse_if_contradicting(vote.get());
        self.notice_equivocation(vote.get());
        let new = self.rounds.entry(view).or_default().keep(vote);
        if new {
            self.tally(view);
        }
        new || accused
    }

    /// Looks for an earlier vote that no honest validator casts beside this one.
    fn accuse_if_contradicting(&mut self, vote: &Vote) -> bool {
        let (low, high) = match vote.statement {
            Statement::Notarize { view, .. } => (view, view),
            Statement::Nullify { view, highest } => (highest.next().min(view), view),
            Statement::Finalize { view, .. } => (view, View(self.view.0 + VIEW_WINDOW)),
        };
        if self.accused.contains(&vote.voter) {
            return false;
        }
        let first = self
            .rounds
            .range(low..=high)
            .flat_map(|(_, round)| round.votes_of(vote.voter))
            .find(|first| evidence::contradicts(&first.statement, &vote.statement))
            .copied();
        let Some(first) = first else { return false };
        self.accused.insert(vote.voter);
        self.outputs.push_back(Output::Accuse(Evidence { first, second: *vote }));
        true
    }

    /// S3: what a leader signed for another block may come as its vote or in a certificate, too.
    fn notice_equivocation(&mut self, vote: &Vote) {
        let Statement::Notarize { view, block, .. } = vote.statement else { return };
        if vote.voter == self.validators.leader(view)
            && let Some(round) = self.rounds.get_mut(&view)
            && let Some(Vote { statement: Statement::Notarize { block: first, .. }, .. }) =
                round.kept(vote)
        {
            round.equivocated |= *first != block;
        }
    }

    /// Makes every certificate that the votes of `view` have become enough for.
    pub(super) fn tally(&mut self, view: View) {
        let quorum = self.validators.quorum();
        let highest =
            if self.has(Flaw::HighestNotShown) { View(u64::MAX) } else { self.highest_view() };
        let Some(round) = self.rounds.get(&view) else { return };
        let notarization = match round.notarization {
            None => round.notarization(view, quorum),
            Some(_) => None,
        };
        let nullification = match round.nullification {
            None => round.nullification(view, highest, quorum),
            Some(_) => None,
        };
        let finalization = match round.finalization {
            None => round.finalization(view, quorum),
            Some(_) => None,
        };
        if let Some(notarization) = notarization {
            self.accept_notarization(notarization);
        }
        if let Some(nullification) = nullification {
            self.accept_nullification(nullification);
        }
        if let Some(finalization) = finalization {
            self.accept_finalization(finalization);
        }
    }

    /// A neighbour sent a certificate. They are long and everybody can ask for one, so nobody
    /// broadcasts them.
    pub(super) fn on_certificate(&mut self, link: LinkId, certificate: Certificate) {
        if certificate.view() <= self.tree.root().view {
            return;
        }
        let accepted = match &certificate {
            Certificate::Notarization(notarization) => self.take_notarization(notarization),
            Certificate::Nullification(nullification, highest) => {
                highest.iter().all(|it| self.take_notarization(it))
                    && self.take_nullification(nullification)
            }
        };
        if !accepted {
            return self.blame(link, Fault::BadCertificate);
        }
        if let Certificate::Nullification(nullification, _) = certificate
            && nullification.highest() > self.highest_view()
        {
            self.ask(link, Request::Notarization { at_least: nullification.highest() });
        }
    }

    /// Verifies and accepts a notarization; returns whether it is good.
    pub(super) fn take_notarization(&mut self, notarization: &Notarization) -> bool {
        let held = self.highest.as_ref() == Some(notarization);
        let round = self.rounds.get(&notarization.view);
        if held || round.is_some_and(|it| it.notarization.as_ref() == Some(notarization)) {
            return true;
        }
        let known = |vote: &Vote| self.is_counted(vote);
        if notarization.verify(&self.validators, &self.context, known).is_err() {
            return false;
        }
        self.count_all(notarization.votes().collect());
        self.accept_notarization(notarization.clone());
        true
    }

    /// Verifies and accepts a nullification; returns whether it is good, not whether it counts yet.
    pub(super) fn take_nullification(&mut self, nullification: &Nullification) -> bool {
        let round = self.rounds.get(&nullification.view);
        if round.is_some_and(|it| it.nullification.as_ref() == Some(nullification)) {
            return true;
        }
        let known = |vote: &Vote| self.is_counted(vote);
        if nullification.verify(&self.validators, &self.context, known).is_err() {
            return false;
        }
        self.count_all(nullification.votes().collect());
        self.accept_nullification(nullification.clone());
        true
    }

    /// Verifies and accepts a finalization; returns whether it is good.
    pub(super) fn take_finalization(&mut self, finalization: &Finalization) -> bool {
        let round = self.rounds.get(&finalization.view);
        if round.is_some_and(|it| it.finalization.as_ref() == Some(finalization)) {
            return true;
        }
        let known = |vote: &Vote| self.is_counted(vote);
        if finalization.verify(&self.validators, &self.context, known).is_err() {
            return false;
        }
        self.count_all(finalization.votes().collect());
        self.accept_finalization(finalization.clone());
        true
    }

    pub(super) fn is_counted(&self, vote: &Vote) -> bool {
        let round = self.rounds.get(&vote.view());
        round.is_some_and(|round| round.kept(vote) == Some(vote))
    }

    /// Keeps a verified certificate's votes: they show who is active and who contradicts itself.
    fn count_all(&mut self, votes: Vec<Vote>) {
        for vote in votes {
            let view = vote.view();
            if view >= self.oldest_kept_view() && view.0 <= self.view.0 + VIEW_WINDOW {
                let seen = &mut self.seen[usize::from(vote.voter.0)];
                *seen = view.max(*seen);
                self.accuse_if_contradicting(&vote);
                self.notice_equivocation(&vote);
                self.recognise(&vote);
                self.rounds.entry(view).or_default().keep(Verified::from_journal(vote));
            }
        }
    }

    fn accept_notarization(&mut self, notarization: Notarization) {
        let Notarization { view, block, .. } = notarization;
        if view <= self.tree.root().view {
            return;
        }
        #[cfg(feature = "simulation")]
        self.observe(|| Observation::Notarization(notarization.clone()));
        self.rounds.entry(view).or_default().notarization.get_or_insert(notarization.clone());
        self.tree.certify(&block);
        let before = self.highest_view();
        if view > before {
            self.highest = Some(notarization.clone());
            if self.signer.is_some() && !self.has(Flaw::NotarizationNotDurable) {
                self.persist(Entry::Certificate(Certificate::Notarization(notarization.clone())));
            }
        }
        if view >= self.view || self.has(Flaw::PromiseReplaced) {
            self.finalize(view, block);
        }
        if view >= self.view {
            if self.has(Flaw::NullifyAfterFinalize) && self.ballot.may_nullify(view, before) {
                self.cast(Statement::Nullify { view, highest: before });
            }
            self.enter(view.next(), Certificate::Notarization(notarization), Ending::Notarized);
        }
        // Nullify votes that rested on this notarization count from now on.
        let waiting: Vec<View> = self.rounds.range(self.view..).map(|(view, _)| *view).collect();
        for view in waiting {
            self.tally(view);
        }
    }

    fn accept_nullification(&mut self, nullification: Nullification) {
        let view = nullification.view;
        let shown = nullification.highest() <= self.highest_view();
        if !(shown || self.has(Flaw::HighestNotShown)) || view <= self.tree.root().view {
            return;
        }
        #[cfg(feature = "simulation")]
        self.observe(|| Observation::Nullification(nullification.clone()));
        self.rounds.entry(view).or_default().nullification.get_or_insert(nullification.clone());
        if view >= self.view {
            let highest = self.highest.clone().filter(|_| nullification.highest() > View(0));
            let certificate = Certificate::Nullification(nullification, highest);
            if self.signer.is_some() {
                self.persist(Entry::Certificate(certificate.clone()));
            }
            self.enter(view.next(), certificate, Ending::Nullified);
        }
    }

    fn accept_finalization(&mut self, finalization: Finalization) {
        let view = finalization.view;
        if view <= self.tree.root().view {
            return;
        }
        #[cfg(feature = "simulation")]
        self.observe(|| Observation::Finalization(finalization.clone()));
        self.rounds.entry(view).or_default().finalization.get_or_insert(finalization);
    }

    pub(super) fn enter(&mut self, view: View, by: Certificate, ending: Ending) {
        self.view = view;
        self.entered_by = Some(by);
        self.pacemaker.enter(self.now, ending);
        self.candidate = None;
        self.building = false;
        let oldest = self.oldest_kept_view();
        self.rounds = self.rounds.split_off(&oldest);
        self.unfinal = self.unfinal.split_off(&oldest);
        self.tree.prune(oldest);
        self.outputs.push_back(Output::Entered(view));
    }

    /// Whether this view should be nullified now: its time is over, its proposal is invalid, its
    /// leader nullified it, or its leader is not there while a quorum is.
    pub(super) fn gives_up(&self) -> bool {
        if !self.may_still_nullify() {
            return false;
        }
        let leader = self.validators.leader(self.view);
        let leader_gave_up = self.rounds.get(&self.view).is_some_and(|round| {
            let [_, mut nullify, _] = round.voters();
            nullify.any(|voter| voter == leader)
        });
        self.now >= self.pacemaker.gives_up_at(self.demand.brisk)
            || leader_gave_up
            || self.proposal_is_invalid()
            || self.leader_is_absent()
    }

    pub(super) fn may_still_nullify(&self) -> bool {
        self.signer.is_some()
            && self.has_recalled()
            && self.ballot.may_nullify(self.view, self.highest_view())
    }

    fn leader_is_absent(&self) -> bool {
        let leader = self.validators.leader(self.view);
        let is_active = |seen: &&View| pacemaker::is_active(**seen, self.view);
        self.index() != Some(leader)
            && !is_active(&&self.seen[usize::from(leader.0)])
            && self.seen.iter().filter(is_active).count() >= self.validators.quorum()
    }

    pub(super) fn nullify(&mut self) {
        let highest = if self.has(Flaw::HighestTooLow) { View(0) } else { self.highest_view() };
        let statement = Statement::Nullify { view: self.view, highest };
        self.cast(statement);
    }

    /// S3: finalize what is notarized, unless something forbids it.
    fn finalize(&mut self, view: View, block: BlockHash) {
        let equivocated = self.rounds.get(&view).is_some_and(|round| round.equivocated)
            && !self.has(Flaw::FinalizeOther);
        let already_final = self.rounds.range(view..).any(|(_, it)| it.finalization.is_some());
        if self.signer.is_some()
            && self.may_vote_in(view)
            && !equivocated
            && !already_final
            && self.ballot.may_finalize(view, block)
        {
            self.cast(Statement::Finalize { view, block });
        }
    }

    /// Signs a statement and parks the vote until it is durable. Whoever calls has asked the
    /// ballot.
    pub(super) fn cast(&mut self, statement: Statement) {
        let Some(signer) = &self.signer else { return };
        let context = self.validators.voting_context(&self.context);
        let vote = statement.sign(signer.index, &signer.key, &context).into_inner();
        self.ballot.record(&vote);
        self.pacemaker.said(self.now);
        let position = self.persist(Entry::Vote(vote));
        self.parked.push_back((position, vote));
    }

    /// Votes that have become durable leave, and count.
    pub(super) fn send_durable_votes(&mut self) {
        while let Some((position, vote)) = self.parked.front().copied() {
            if !self.journal.is_durable(position) && !self.has(Flaw::VotesNotDurable) {
                break;
            }
            self.parked.pop_front();
            if matches!(vote.statement, Statement::Finalize { .. }) {
                self.unfinal.insert(vote.view(), vote);
            }
            self.say(vote, 0);
            if vote.view() >= self.oldest_kept_view() {
                self.count(Verified::from_journal(vote));
            }
        }
    }

    /// Broadcasts one's own vote; a leader's vote for its own block travels as the proposal. Blocks
    /// are long: whoever lacks one when the vote is said again asks a neighbour for it.
    fn say(&mut self, vote: Vote, attempt: u8) {
        #[cfg(feature = "simulation")]
        self.observe(|| Observation::Vote(vote));
        let message = match self.own_proposal(&vote).filter(|_| attempt == 0) {
            Some(proposal) => Message::Proposal(proposal),
            None => Message::Vote(vote),
        };
        self.outputs.push_back(Output::Broadcast { message, attempt });
    }

    fn own_proposal(&self, vote: &Vote) -> Option<Proposal> {
        let Statement::Notarize { view, block, .. } = vote.statement else { return None };
        if self.index() != Some(self.validators.leader(view)) {
            return None;
        }
        let block = self.tree.block(&block)?;
        Some(Proposal { block: (**block).clone(), vote: *vote })
    }

    /// One's own votes of this view, and the finalize votes not final yet.
    fn own_votes(&self) -> impl Iterator<Item = &Vote> {
        let round = self.rounds.get(&self.view).zip(self.index());
        let current = round.into_iter().flat_map(|(round, me)| round.votes_of(me));
        self.unfinal.values().chain(current)
    }

    pub(super) fn has_something_to_resend(&self) -> bool {
        self.signer.is_some() && (self.demand.content || self.own_votes().next().is_some())
    }

    /// Nothing is said only once: this view's votes, and the finalize votes not final yet. And
    /// neighbours are told where one stands: whoever is further shows why.
    pub(super) fn resend(&mut self) {
        self.pacemaker.resent(self.now);
        if self.pacemaker.repeats(self.now, self.validators.len()) {
            self.attempt = self.attempt.wrapping_add(1).max(1);
            let attempt = self.attempt;
            let votes: Vec<Vote> = self.own_votes().copied().collect();
            for vote in votes {
                self.say(vote, attempt);
            }
        }
        self.send_status_to_all();
        self.ask_for_votes();
    }

    pub(super) const fn has(&self, flaw: Flaw) -> bool {
        self.validators.hooks().has(flaw)
    }

    /// What this node's wall clock says, as far as it was told.
    pub(super) fn wall_clock(&self) -> BlockTime {
        let Some((time, at)) = self.wall else { return BlockTime::default() };
        time.plus_millis(u64::try_from(self.now.since(at).as_millis()).unwrap_or(u64::MAX))
    }
}
