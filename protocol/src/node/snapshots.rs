//! A node's snapshots: those it makes every so many blocks, for itself and for neighbours that are
//! far behind, those that its owner wants, for itself alone, and the one that it fetches when it is
//! far behind itself.
//!
//! A snapshot is journalled when its block's finality can be proven. At the next start, blocks
//! below it need not be executed again. A state that was fetched is journalled the same way.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::packet::Packet;
use super::{CannotStart, Node};
use crate::block::{BlockHash, Header, Height};
use crate::chain::download::{self, Download};
use crate::chain::{Answer, Offer, Part, PartId, Slot, State};
use crate::consensus::{self, Block, Certified, Decided, Notarization};
use crate::event::{Fault, LinkId, Notice};
use crate::journal::Entry;
use crate::time::Time;
use crate::wire::List;

/// Bytes of a part: with its proof it fits one record of a session, so that datagram links carry
/// it too.
const PART_BYTES: usize = 48 * 1024;

/// Snapshots kept for neighbours; a newer one takes the place of the oldest. Two, so that whoever
/// is fetching one can finish.
const KEPT: usize = 2;

/// Blocks above a snapshot's that are waited for until one of them has a finalization; as many as
/// prove a block to be final.
const DESCENDANTS: u64 = 64;

/// Bytes of bodies that a start holds back at most in the hope of a snapshot.
const HELD_BYTES: usize = 64 * 1024 * 1024;

/// How snapshots are made and fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// A snapshot is made at every multiple of so many blocks. Should be the same on all nodes, so
    /// that several have the same one. 1,024 are some seconds of execution at a start.
    pub interval: u64,
    /// By how many blocks a neighbour must be ahead so that a state is fetched instead of blocks.
    /// Twice the interval: a state is larger than a few blocks.
    pub threshold: u64,
    /// How long a neighbour may take to give a part, before another one is asked.
    pub patience: Duration,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self { interval: 1024, threshold: 2048, patience: Duration::from_secs(5) }
    }
}

/// Snapshots that are made, kept and fetched.
#[derive(Debug)]
pub(super) struct Snapshots {
    config: SnapshotConfig,
    forming: Option<Forming>,
    /// Whether the owner wants one.
    is_wanted: bool,
    /// Whether the next block is the one that it is made of: consensus begins anew there.
    is_next: bool,
    /// The height of the newest one.
    newest: Option<Height>,
    /// Oldest first.
    kept: VecDeque<(Certified, State)>,
    download: Option<Download>,
    /// Whom the present download has asked for an offer, and who has not answered yet.
    asked: BTreeSet<LinkId>,
    /// What was offered and found to be final, by who offered it. Bounded by the number of links.
    offered: Vec<Certified>,
    ask_at: Time,
}

/// A snapshot whose block is not yet proven to be final.
#[derive(Debug)]
struct Forming {
    header: Header,
    notarization: Notarization,
    descendants: Vec<Header>,
    state: Option<State>,
    finalization: Option<consensus::Finalization>,
}

/// What a start has read and not yet executed.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    blocks: VecDeque<Decided>,
    bytes: usize,
    parts: Vec<Part>,
    parts_of: BlockHash,
    /// Where reading began, until the state of that block is here.
    base: Option<Header>,
}

impl Recovered {
    /// Reading began at the base that stands on this block.
    pub(super) const fn begin_at(&mut self, header: Header) {
        self.base = Some(header);
    }
}

impl Snapshots {
    pub(super) const fn new(config: SnapshotConfig) -> Self {
        Self {
            config,
            forming: None,
            is_wanted: false,
            is_next: false,
            newest: None,
            kept: VecDeque::new(),
            download: None,
            asked: BTreeSet::new(),
            offered: Vec::new(),
            ask_at: Time::ZERO,
        }
    }

    /// The owner wants one.
    pub(super) const fn want(&mut self) {
        self.is_wanted = true;
    }

    /// The height of the newest whole snapshot in the node's journal, from which its next start
    /// reads.
    pub(super) const fn newest(&self) -> Option<Height> {
        self.newest
    }

    /// Whether every node makes a snapshot of this height.
    const fn is_due_at(&self, height: Height) -> bool {
        height.0.is_multiple_of(self.config.interval)
    }

    /// A block was decided: it may be one to make a snapshot of, or prove that one is final.
    pub(super) fn note(&mut self, decided: &Decided) {
        let header = decided.block.header;
        if core::mem::take(&mut self.is_next) || self.is_due_at(header.height) {
            self.forming = Some(Forming {
                header,
                notarization: decided.notarization.clone(),
                descendants: Vec::new(),
                state: None,
                finalization: decided.finalization.clone(),
            });
            return;
        }
        let Some(forming) = &mut self.forming else { return };
        if forming.finalization.is_some() {
            return;
        }
        if header.height.0 > forming.header.height.0 + DESCENDANTS {
            self.forming = None;
            return;
        }
        forming.descendants.push(header);
        forming.finalization = decided.finalization.clone();
    }

    /// The state after a final block, which may be one to make a snapshot of.
    pub(super) fn keep_state(&mut self, block: &BlockHash, state: &State) {
        if let Some(forming) = &mut self.forming
            && forming.header.hash() == *block
        {
            forming.state = Some(state.clone());
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let download = self.download.as_ref()?;
        if download.has_sources() { download.deadline() } else { Some(self.ask_at) }
    }

    /// The snapshot that has come about, if one has.
    fn formed(&mut self) -> Option<(Certified, State)> {
        let is_formed = |it: &mut Forming| it.state.is_some() && it.finalization.is_some();
        let forming = self.forming.take_if(is_formed)?;
        let certified = Certified {
            header: forming.header,
            notarization: forming.notarization,
            descendants: List::new(forming.descendants).ok()?,
            finalization: forming.finalization?,
        };
        Some((certified, forming.state?))
    }

    /// What others will not have is of no use to neighbours.
    fn keep(&mut self, certified: Certified, state: State) {
        let height = certified.header.height;
        self.newest = self.newest.max(Some(height));
        if !self.is_due_at(height) {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((certified, state));
    }
}

impl Node {
    /// Makes what is due, and fetches a state if this node is far behind.
    pub(super) fn follow_snapshots(&mut self) {
        if let Some((certified, state)) = self.snapshots.formed() {
            let parts = entries(&certified, &state);
            let input = consensus::Input::Snapshot { certified: certified.clone(), parts };
            self.consensus.handle(self.now, input);
            self.snapshots.keep(certified, state);
        }
        if self.snapshots.is_wanted && self.snapshots.forming.is_none() {
            (self.snapshots.is_wanted, self.snapshots.is_next) = (false, true);
            self.consensus.handle(self.now, consensus::Input::BaseWanted);
        }
        let ahead = self.consensus.finalized_elsewhere().0;
        let gap = ahead.saturating_sub(self.consensus.finalized().height.0);
        let config = self.snapshots.config;
        if self.snapshots.download.is_none() && gap > config.threshold {
            self.snapshots.download = Some(Download::new(config.patience));
            self.snapshots.ask_at = self.now;
        }
        if self.snapshots.download.is_some() && gap <= config.threshold {
            self.end_download();
        }
        let is_late = |download: &Download| download.deadline_passed(self.now);
        if self.snapshots.download.as_ref().is_some_and(is_late) {
            self.tell_download(download::Input::Tick);
        }
        let Some(download) = &self.snapshots.download else { return };
        if !download.has_sources() && self.now >= self.snapshots.ask_at {
            self.snapshots.ask_at = self.now + config.patience;
            self.snapshots.offered.clear();
            let links: Vec<LinkId> = self.mesh.peers().map(|known| known.link).collect();
            self.snapshots.asked = links.iter().copied().collect();
            for link in links {
                self.unicast(link, &Packet::AskSnapshot);
            }
        }
        self.drain();
    }

    fn end_download(&mut self) {
        self.snapshots.download = None;
        self.snapshots.asked.clear();
        self.snapshots.offered.clear();
        self.consensus.handle(self.now, consensus::Input::Fetching(false));
    }

    /// A neighbour asks what there is.
    pub(super) fn offer_snapshot(&mut self, link: LinkId) {
        if let Some((certified, _)) = self.snapshots.kept.back() {
            let packet = Packet::Snapshot(certified.clone());
            self.unicast(link, &packet);
        }
    }

    /// A neighbour asks for a part.
    pub(super) fn give_part(&mut self, link: LinkId, block: BlockHash, id: PartId) {
        if !id.is_sound() {
            return self.penalise(link, Fault::Malformed);
        }
        let kept = self.snapshots.kept.iter().find(|(it, _)| it.header.hash() == block);
        let answer = match kept.map(|(_, state)| state.part(id, PART_BYTES)) {
            Some(Some(part)) => Answer::Part(part),
            Some(None) => Answer::Split(id),
            None => Answer::Gone,
        };
        let packet = Packet::Part { block, answer };
        let fits = crate::wire::encode(&packet).len() <= super::packet::PACKET_BYTES;
        let packet = if fits { packet } else { Packet::Part { block, answer: Answer::Gone } };
        self.unicast(link, &packet);
    }

    /// A neighbour says what it has.
    pub(super) fn on_snapshot(&mut self, link: LinkId, certified: Certified) {
        if !self.snapshots.asked.remove(&link) {
            // It may have been asked for a download that has ended.
            return;
        }
        let known = self.snapshots.offered.contains(&certified);
        if !known && !self.consensus.is_final(&certified) {
            return self.penalise(link, Fault::BadCertificate);
        }
        // How far ahead somebody is, anybody can claim. What is not worth a whole state is not
        // fetched, whoever says so.
        let worth = self.consensus.finalized().height.0 + self.snapshots.config.threshold / 4;
        if certified.header.height.0 <= worth {
            return;
        }
        let Certified { header, .. } = &certified;
        let (block, height, root) = (header.hash(), header.height, header.commitments.state);
        if !known {
            self.snapshots.offered.push(certified);
        }
        let offer = Offer { block, height, root };
        self.tell_download(download::Input::Offered { link, offer });
    }

    /// A neighbour gives a part, or does not.
    pub(super) fn on_part(&mut self, link: LinkId, block: BlockHash, answer: Answer) {
        self.tell_download(download::Input::Answered { link, block, answer });
    }

    pub(super) fn tell_download(&mut self, input: download::Input) {
        let Some(download) = &mut self.snapshots.download else { return };
        download.handle(self.now, input);
        let outputs: Vec<_> = core::iter::from_fn(|| download.poll()).collect();
        let is_fetching = download.has_sources();
        self.consensus.handle(self.now, consensus::Input::Fetching(is_fetching));
        for output in outputs {
            match output {
                download::Output::Ask { link, block, part } => {
                    self.unicast(link, &Packet::AskPart { block, part });
                }
                download::Output::Blame { link } => self.penalise(link, Fault::BadBlock),
                download::Output::Complete { offer, state } => self.adopt(offer, state),
            }
        }
    }

    /// A state is here: this node goes on from it, unless it has got further meanwhile.
    fn adopt(&mut self, offer: Offer, state: State) {
        let is_offered = |it: &&Certified| it.header.hash() == offer.block;
        let certified = self.snapshots.offered.iter().find(is_offered).cloned();
        self.end_download();
        // What consensus asks of the chain it asks of the state as it still is.
        while let Some(output) = self.consensus.poll() {
            self.on_consensus(output);
        }
        let Some(certified) = certified else { return };
        let header = certified.header;
        if header.height <= self.consensus.finalized().height {
            return;
        }
        let parts = entries(&certified, &state);
        self.snapshots.keep(certified.clone(), state.clone());
        self.chain.adopt(offer.block, slot(&header), state);
        self.to_follow = true;
        self.consensus.handle(self.now, consensus::Input::Snapshot { certified, parts });
        self.expect_work();
        self.notify(Notice::Finalized {
            height: header.height,
            view: header.view,
            hash: offer.block,
            time: header.time,
            transactions: 0,
        });
    }

    /// At a start: takes what a record says of the state. Blocks wait to be executed as long as a
    /// snapshot may make that unnecessary.
    pub(super) fn recover_state(
        &mut self,
        recovered: &mut Recovered,
        entry: &Entry,
    ) -> Result<(), CannotStart> {
        match entry {
            Entry::Decided(decided) => {
                recovered.bytes += decided.block.body.len();
                recovered.blocks.push_back(decided.clone());
                let most = self.snapshots.config.interval.saturating_add(DESCENDANTS);
                self.execute_recovered(recovered, usize::try_from(most).unwrap_or(usize::MAX))
            }
            Entry::Part { block, part } => {
                if recovered.parts_of != *block {
                    recovered.parts.clear();
                    recovered.parts_of = *block;
                }
                recovered.parts.push(part.clone());
                Ok(())
            }
            Entry::Base { .. } => {
                // Parts of a snapshot that a crash interrupted are written again.
                recovered.parts.clear();
                Ok(())
            }
            Entry::Snapshot(certified) => self.recover_snapshot(recovered, certified),
            Entry::Block(_)
            | Entry::Certificate(_)
            | Entry::Vote(_)
            | Entry::Barred { .. }
            | Entry::Overridden
            | Entry::Promises(_) => Ok(()),
        }
    }

    fn recover_snapshot(
        &mut self,
        recovered: &mut Recovered,
        certified: &Certified,
    ) -> Result<(), CannotStart> {
        let header = &certified.header;
        let parts = core::mem::take(&mut recovered.parts);
        if recovered.base.is_some_and(|base| header.height < base.height) {
            // The one before, which had come about late.
            return Ok(());
        }
        let is_whole = recovered.parts_of == header.hash();
        let state = State::of_parts(parts)
            .filter(|state| is_whole && state.root() == header.commitments.state);
        let state = state.ok_or_else(|| {
            let Height(height) = header.height;
            CannotStart(format!("the journal's snapshot of height {height} is not what it says"))
        })?;
        if recovered.base.take().is_some_and(|base| base.hash() != header.hash()) {
            return Err(no_base());
        }
        if header.height > self.chain.finalized().1.height {
            recovered.blocks.retain(|it| it.block.header.height > header.height);
            recovered.bytes = recovered.blocks.iter().map(|it| it.block.body.len()).sum();
            self.chain.adopt(header.hash(), slot(header), state.clone());
        }
        self.snapshots.keep(certified.clone(), state);
        Ok(())
    }

    /// Everything was read: executes what still waits.
    pub(super) fn finish_recovery(&mut self, mut recovered: Recovered) -> Result<(), CannotStart> {
        self.execute_recovered(&mut recovered, 0)?;
        if recovered.base.is_some() { Err(no_base()) } else { Ok(()) }
    }

    /// Executes the oldest blocks until at most so many are left.
    fn execute_recovered(
        &mut self,
        recovered: &mut Recovered,
        most: usize,
    ) -> Result<(), CannotStart> {
        if recovered.base.is_some() && recovered.blocks.len() > most {
            return Err(no_base());
        }
        while recovered.blocks.len() > most || recovered.bytes > HELD_BYTES {
            let Some(Decided { block, finalization, .. }) = recovered.blocks.pop_front() else {
                break;
            };
            let Block { header, body, .. } = block;
            recovered.bytes -= body.len();
            self.chain.check(&header, &body).map_err(|invalid| {
                let height = header.height;
                CannotStart(format!(
                    "the journal's block of height {height} is not valid: {invalid}"
                ))
            })?;
            self.chain.finalize(&header.hash());
            self.rolls.note(&header, &body, finalization.as_ref(), self.chain.state());
            self.recent.note(&header, finalization.as_ref());
        }
        Ok(())
    }
}

fn no_base() -> CannotStart {
    CannotStart("the journal lacks the snapshot of the block that it begins with".into())
}

fn slot(header: &Header) -> Slot {
    Slot { view: header.view, height: header.height, time: header.time }
}

/// What the journal keeps of a state.
fn entries(certified: &Certified, state: &State) -> Vec<Entry> {
    let block = certified.header.hash();
    state.parts(PART_BYTES).into_iter().map(|part| Entry::Part { block, part }).collect()
}
