//! Blocks: proposing one's own, judging a leader's, and making them final in order.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::block::is_body_of;
use super::tree::Verdict;
use super::{
    Block, Certificate, Consensus, Decided, Finalization, Headline, Justification, Notarization,
    Output, Proposal, Request, Statement,
};
use crate::block::{BlockHash, Commitments, Header, View};
use crate::event::{Fault, LinkId};
use crate::hooks::Flaw;
use crate::journal::Entry;
use crate::wire::limits::{UNFINALIZED_BLOCKS, VIEW_WINDOW};

impl Consensus {
    /// A neighbour sent or relayed a leader's proposal.
    pub(super) fn on_proposal(&mut self, link: LinkId, proposal: Proposal) {
        let Proposal { block: Block { header, body, justification }, vote } = proposal;
        self.on_headline(link, Headline { header, justification, vote }, Some(body));
    }

    /// The same without its body, if that is unknown: the leader's vote is counted then, and the
    /// body asked for by its hash. Nobody is to blame for what only the body could show.
    pub(super) fn on_headline(&mut self, link: LinkId, headline: Headline, body: Option<Bytes>) {
        let Headline { header, justification, vote } = headline;
        let (view, hash) = (header.view, header.hash());
        let Statement::Notarize { view: voted_view, block: voted, .. } = vote.statement else {
            return self.blame(link, Fault::Malformed);
        };
        let is_intact = justification.hash() == header.justification
            && body.as_ref().is_none_or(|body| is_body_of(&header, body));
        if voted != hash || voted_view != view || !is_intact {
            return self.blame(link, Fault::BadBlock);
        }
        if vote.voter != self.validators.leader(view) {
            return self.blame(link, Fault::BadBlock);
        }
        if view.0 > self.view.0 + VIEW_WINDOW {
            return self.ask_why(link);
        }
        if view < self.oldest_kept_view() {
            return self.hint(link);
        }
        // Whoever knows the block need not know the vote: its time may be another, its signature
        // bad.
        let round = self.rounds.get(&view);
        let is_known = round.is_some_and(|round| round.proposal == Some(hash));
        let is_counted = self.is_counted(&vote);
        if is_known && is_counted {
            return self.outputs.push_back(Output::Relay);
        }
        // Anybody may show again what its leader signed once.
        let vote = if is_counted {
            None
        } else if round.is_some_and(|round| round.has_spent(vote.voter, true)) {
            return;
        } else if let Some(vote) = vote.verify(&self.validators, &self.context) {
            self.spend(vote.get(), true);
            self.recognise(vote.get());
            Some(vote)
        } else {
            return self.blame(link, Fault::BadSignature);
        };
        if !is_known && !self.take_justification(&justification) {
            return self.blame(link, Fault::BadBlock);
        }
        let round = self.rounds.entry(view).or_default();
        let first = round.proposal.is_none();
        round.equivocated |= round.proposal.is_some_and(|first| first != hash);
        match body {
            Some(body) if first => {
                round.proposal = Some(hash);
                self.insert(Block { header, body, justification });
            }
            // Who relays it likely has the body, or has asked for it.
            None if first && view == self.view => self.want_from(hash, link),
            Some(_) | None => {}
        }
        // Of a leader that equivocates only the first block is kept; a quorum's other one is asked
        // for by its hash.
        if vote.is_some_and(|vote| self.count(vote)) || first {
            self.outputs.push_back(Output::Relay);
        }
    }

    /// Accepts a justification's certificates, which are news like any others. Returns whether both
    /// are good.
    fn take_justification(&mut self, justification: &Justification) -> bool {
        let Justification { parent, skipped } = justification;
        parent.as_ref().is_none_or(|parent| self.take_notarization(parent))
            && skipped.as_ref().is_none_or(|skipped| self.take_nullification(skipped))
    }

    /// Adds a block to the tree; its notarization may have come before it.
    pub(super) fn insert(&mut self, block: Block) {
        let hash = block.hash();
        self.pass_wanted_on(&hash, &block);
        let round = self.rounds.get(&block.header.view);
        let notarization = round.and_then(|round| round.notarization.as_ref());
        let certified = notarization.is_some_and(|it| it.block == hash);
        self.tree.insert(Arc::new(block));
        if certified || self.tip().hash == hash {
            self.tree.certify(&hash);
        }
    }

    pub(super) fn may_still_propose(&self) -> bool {
        self.index() == Some(self.validators.leader(self.view))
            && self.may_vote_in(self.view)
            && self.ballot.may_notarize(self.view)
            && self.candidate.is_none()
            && !self.building
    }

    /// Asks for a body once this node leads, knows its parent's state, and has something to order
    /// or has waited long enough.
    pub(super) fn keep_proposing(&mut self) {
        if !self.may_still_propose() {
            return;
        }
        let waited = self.now >= self.pacemaker.idle_until(self.demand.brisk);
        if !self.demand.content && !waited {
            return;
        }
        let tip = self.tip().hash;
        if self.execute_up_to(&tip) != Some(Verdict::Valid) {
            return;
        }
        let (Some(parent), Some(justification)) = (self.tree.header(&tip), self.justification())
        else {
            return;
        };
        self.building = true;
        self.outputs.push_back(Output::Build {
            parent: tip,
            view: self.view,
            height: parent.height.next(),
            time: justification.block_time(parent.time),
            empty: self.tree.depth(&tip) >= UNFINALIZED_BLOCKS as u64,
        });
    }

    /// S4: why a block of this view may stand on the tip.
    fn justification(&self) -> Option<Justification> {
        let skipped = if self.tip().view.next() == self.view {
            None
        } else {
            match &self.entered_by {
                Some(Certificate::Nullification(nullification, _)) => Some(nullification.clone()),
                Some(Certificate::Notarization(_)) | None => {
                    return None;
                }
            }
        };
        Some(Justification { parent: self.highest.clone(), skipped })
    }

    /// The chain built a body: it becomes this view's candidate.
    pub(super) fn on_built(&mut self, parent: BlockHash, body: Bytes, commitments: Commitments) {
        if !self.building || parent != self.tip().hash {
            return;
        }
        self.building = false;
        let (Some(on), Some(justification)) = (self.tree.header(&parent), self.justification())
        else {
            return;
        };
        let header = Header {
            network: self.context.network,
            epoch: self.context.epoch,
            view: self.view,
            height: on.height.next(),
            parent: self.tip(),
            time: justification.block_time(on.time),
            body: Header::body_hash(&body),
            commitments,
            justification: justification.hash(),
        };
        let block = Arc::new(Block { header, body, justification });
        self.tree.insert(block.clone());
        self.candidate = Some(block);
    }

    /// The block that this view might notarize.
    fn subject(&self) -> Option<Arc<Block>> {
        if self.candidate.is_some() {
            return self.candidate.clone();
        }
        let hash = self.rounds.get(&self.view)?.proposal?;
        self.tree.block(&hash).cloned()
    }

    /// Notarizes this view's block once it has proved valid: S1 and S4.
    pub(super) fn keep_notarizing(&mut self) {
        let may = self.may_vote_in(self.view) && self.ballot.may_notarize(self.view);
        if self.signer.is_none() || !may {
            return;
        }
        let Some(block) = self.subject() else { return };
        self.pacemaker.busy(self.now);
        let hash = block.hash();
        if !self.is_justified(&block) || self.execute_up_to(&hash) != Some(Verdict::Valid) {
            return;
        }
        self.candidate = None;
        self.rounds.entry(self.view).or_default().proposal = Some(hash);
        if !self.has(Flaw::BodyNotDurable) {
            self.persist(Entry::Block((*block).clone()));
        }
        let time = self.wall_clock();
        self.cast(Statement::Notarize { view: self.view, block: hash, time });
    }

    /// Whether the block follows from its parent, if that is known. The signatures of its
    /// justification were checked when it arrived.
    fn is_justified(&self, block: &Block) -> bool {
        let parent = self.tree.header(&block.header.parent.hash);
        parent.is_some_and(|parent| {
            block.extends(parent, &self.context) || self.has(Flaw::JustificationUnchecked)
        })
    }

    /// Whether this view's proposal can never be notarized.
    pub(super) fn proposal_is_invalid(&self) -> bool {
        if !self.ballot.may_notarize(self.view) {
            // What this node voted for was valid, and is not looked at for every event.
            return false;
        }
        let Some(block) = self.subject() else { return false };
        let parent = block.header.parent;
        let forks_off = parent.view < self.tree.root().view
            || (parent.view == self.tree.root().view && parent.hash != self.tree.root_hash());
        let parent_is_known = self.tree.header(&parent.hash).is_some();
        forks_off
            || (parent_is_known && !self.is_justified(&block))
            || self.tree.verdict(&block.hash()) == Some(Verdict::Invalid)
    }

    /// The block for which this view's leader is known to have voted, if no proposal has come.
    fn proposed_elsewhere(&self) -> Option<BlockHash> {
        let round = self.rounds.get(&self.view).filter(|round| round.proposal.is_none())?;
        round.notarized_by(self.validators.leader(self.view))
    }

    /// A block that was asked for is its view's proposal if the leader is known to have voted for it.
    /// Returns whether it may be taken.
    pub(super) fn take_as_proposal(&mut self, block: &Block) -> bool {
        let (view, hash) = (block.header.view, block.hash());
        let leader = self.validators.leader(view);
        let is_proposal = self.rounds.get(&view).is_some_and(|round| {
            round.proposal.is_none() && round.notarized_by(leader) == Some(hash)
        });
        if !is_proposal {
            return true;
        }
        let is_just = self.take_justification(&block.justification);
        if is_just && let Some(round) = self.rounds.get_mut(&view) {
            round.proposal = Some(hash);
        }
        is_just
    }

    /// Asks for a body without which a block of this view could be neither proposed, judged nor
    /// made final. Every node does, whether it votes or not: its neighbours may have nobody else to
    /// ask.
    pub(super) fn keep_complete(&mut self) {
        let may_stand = |block: &Arc<Block>| {
            let Block { header, justification, .. } = &**block;
            justification.allows(header.view, &header.parent)
        };
        if let Some(proposed) = self.proposed_elsewhere() {
            self.want(proposed, Duration::ZERO);
        }
        let (needed, wait) = match self.subject().filter(may_stand) {
            Some(block) => (block.header.parent.hash, Duration::ZERO),
            // What was notarized just now is likely on its way.
            None => (self.tip().hash, self.pacemaker.patience() / 2),
        };
        if let Some(missing) = self.tree.missing(&needed) {
            self.want(missing, wait);
        }
    }

    /// Has the chain execute the blocks up to `hash`, one at a time; asks for one that is missing.
    /// Returns the verdict on `hash` once there is one.
    fn execute_up_to(&mut self, hash: &BlockHash) -> Option<Verdict> {
        let path = match self.tree.path(hash) {
            Ok(path) => path,
            Err(missing) => {
                self.want(missing, Duration::ZERO);
                return None;
            }
        };
        for step in path {
            let block = self.tree.block(&step).cloned()?;
            match self.tree.verdict(&step) {
                Some(Verdict::Valid) => {}
                Some(Verdict::Invalid) => return Some(Verdict::Invalid),
                Some(Verdict::Unknown) | None => {
                    if self.validating.replace(step) != Some(step) {
                        self.outputs.push_back(Output::Validate(block));
                    }
                    return None;
                }
            }
        }
        Some(Verdict::Valid)
    }

    pub(super) fn on_validated(&mut self, block: BlockHash, valid: bool) {
        self.validating.take_if(|asked| *asked == block);
        self.tree.judge(&block, if valid { Verdict::Valid } else { Verdict::Invalid });
    }

    /// Makes the newest finalized block and its ancestors final, once they are here and executed.
    pub(super) fn keep_finalizing(&mut self) {
        let Some(finalization) = self.newest_finalization() else { return };
        let Some(notarization) = self.notarization_of(finalization.view, &finalization.block)
        else {
            return self.ask_anybody(Request::Notarization { at_least: finalization.view });
        };
        let hash = finalization.block;
        match self.execute_up_to(&hash) {
            None => return,
            Some(Verdict::Valid) => {}
            Some(Verdict::Invalid | Verdict::Unknown) => {
                return self.halt(format!(
                    "a quorum finalized block {} of view {}, which this node finds invalid: \
                     more than {} validators are faulty, or this version has a bug",
                    hash.short(),
                    finalization.view,
                    self.validators.faults(),
                ));
            }
        }
        let path = self.tree.path(&hash).unwrap_or_default();
        let parents: Vec<Option<Notarization>> = path
            .iter()
            .skip(1)
            .filter_map(|child| self.tree.block(child))
            .map(|child| child.justification.parent.clone())
            .chain([Some(notarization.clone())])
            .collect();
        for (at, (hash, own)) in path.iter().zip(parents).enumerate() {
            let block = self.tree.finalize(hash);
            let notarization = own.expect("a block's child carries the block's notarization");
            let finalization = self
                .rounds
                .get(&block.header.view)
                .and_then(|round| round.finalization.clone())
                .filter(|it| it.block == *hash);
            let own = finalization.clone();
            let decided = Decided { block: (*block).clone(), notarization, finalization };
            self.persist(Entry::Decided(decided));
            self.write_base_if_due(&block.header, &path[at..]);
            self.outputs.push_back(Output::Decide(block, own));
        }
        self.settle(finalization.view);
    }

    /// The finalization of the highest block whose ancestors are all here, or else the highest.
    fn newest_finalization(&self) -> Option<Finalization> {
        let finalizations =
            self.rounds.values().rev().filter_map(|round| round.finalization.as_ref());
        let complete = |it: &&Finalization| self.tree.path(&it.block).is_ok();
        finalizations.clone().find(complete).or_else(|| finalizations.clone().next()).cloned()
    }

    /// Forgets what the newest final block has settled.
    pub(super) fn settle(&mut self, view: View) {
        self.ballot.settle(view);
        self.rounds = self.rounds.split_off(&self.oldest_kept_view());
        self.unfinal = self.unfinal.split_off(&view.next());
    }

    fn notarization_of(&self, view: View, block: &BlockHash) -> Option<Notarization> {
        let highest = self.highest.as_ref().filter(|it| it.view == view);
        let round = self.rounds.get(&view).and_then(|round| round.notarization.as_ref());
        highest.or(round).filter(|it| it.block == *block).cloned()
    }
}
