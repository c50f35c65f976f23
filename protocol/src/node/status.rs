//! A node's condition, and why nothing happens right now, for people.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;

use super::Node;
use crate::beacon::generation::{Generation, Stage};
use crate::block::{BlockHash, Height, ValidatorIndex, View};
use crate::consensus::Progress;
use crate::event::LinkId;
use crate::identity::{Epoch, NetworkId, PeerId};
use crate::mesh::{Ban, Mesh, Pattern, PeerLink};
use crate::time::BlockTime;
use crate::wire::Hash;

/// A node's condition at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its address, to be paid at.
    pub address: String,
    /// Its key.
    pub peer: PeerId,
    /// Its network.
    pub network: NetworkId,
    /// What people call that.
    pub name: String,
    /// Its index among the validators, if it is one.
    pub validator: Option<u16>,
    /// Whether it follows headers and proofs only.
    pub light: bool,
    /// n, how many validators there are.
    pub validators: u16,
    /// q = n − f, how many decide.
    pub quorum: u16,
    /// f, how many may be faulty.
    pub tolerated_faults: u16,
    /// The epoch.
    pub epoch: Epoch,
    /// The view the node is in.
    pub view: View,
    /// The height of the newest final block.
    pub height: Height,
    /// Its hash.
    pub block: BlockHash,
    /// The state root after it.
    pub state_root: Hash,
    /// Its agreed time.
    pub time: BlockTime,
    /// The height of the newest whole snapshot in the node's journal. Its next start reads from
    /// there.
    pub snapshot: Option<Height>,
    /// Established links.
    pub peers: Vec<PeerStatus>,
    /// Validators to whom there is none, but a neighbour has one.
    pub relayed: Vec<RelayedStatus>,
    /// Who is banned, and for how long.
    pub bans: Vec<BanStatus>,
    /// Patterns of those who are admitted whatever they do.
    pub allow: Vec<String>,
    /// Patterns of those who are not.
    pub deny: Vec<String>,
    /// Transactions waiting to be ordered.
    pub waiting_transactions: u32,
    /// Whether the dice key was made by a dealer, who could know every roll.
    pub insecure_dealer: bool,
    /// K, how many validators' shares make a coin.
    pub dice_threshold: u16,
    /// How the dice key stands.
    pub dice: DiceStatus,
    /// Why nothing happens right now, in a sentence; empty if nothing is awaited.
    pub waiting_for: String,
    /// Why this validator does not vote, if it does not.
    pub abstains: Option<&'static str>,
    /// Why the node stopped working, if it did.
    pub halted: Option<String>,
    /// How the keys stand, if the network is private.
    pub private: Option<PrivateStatus>,
    /// What it has carried, if it is a relay; a relay knows little of all the rest.
    pub relay: Option<RelayStatus>,
}

/// What a relay has carried for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RelayStatus {
    /// Messages that it passed on.
    pub carried: u64,
    /// Messages beyond the budget of the link that brought them, and so lost here.
    pub refused: u64,
    /// Messages in the clear, which it carries for nobody: the network may not be private.
    pub in_the_clear: u64,
}

/// How the keys of a private network stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrivateStatus {
    /// How many keys came before the one in use here.
    pub version: u32,
    /// Whether there is a newer one that is not for this node.
    pub is_left_out: bool,
    /// How many validators must stand by a new key.
    pub endorsements_needed: u16,
    /// New keys by which too few stand yet.
    pub pending: Vec<RotationStatus>,
    /// Links to neighbours that have not shown that they are members.
    pub strangers: u16,
}

/// A new key by which too few stand yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotationStatus {
    /// Its name.
    pub id: Hash,
    /// How many keys came before it.
    pub version: u32,
    /// The validators who stand by it.
    pub endorsed_by: Vec<u16>,
    /// Who is to have it.
    pub members: Vec<PeerId>,
}

/// How a network's dice key stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiceStatus {
    /// Which of the epoch's keys is in force; none while one is being made.
    pub version: Option<u32>,
    /// How many validators have a part of it.
    pub members: u16,
    /// How many of them have shown that they can use it. As long as that is fewer than the honest,
    /// those who have not count among the faulty.
    pub usable_shares: u16,
    /// The same in words, or how far the making of the key has come.
    pub state: String,
}

/// One established link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeerStatus {
    /// Who is there.
    pub peer: PeerId,
    /// The link.
    pub link: LinkId,
    /// Which transport carries it; see [`Endpoint`](crate::event::Endpoint).
    pub transport: u8,
    /// Where that is, as the transport names it.
    pub endpoint: String,
    /// How long a frame and its answer took, if known: on a datagram link lately, else when it came
    /// up.
    pub round_trip: Option<Duration>,
    /// Its index among the validators, if it is one.
    pub validator: Option<u16>,
    /// Points for faults; [`BANNED_AT`](crate::mesh::BANNED_AT) are a ban.
    pub points: u32,
}

/// A ban that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BanStatus {
    /// Whose: `peer:` and a key, or `address:` and a host.
    pub culprit: String,
    /// How long it still lasts.
    pub remaining: Duration,
}

/// A validator that is reached through a neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelayedStatus {
    /// Who.
    pub peer: PeerId,
    /// Its index among the validators.
    pub validator: u16,
}

/// The established links.
pub(super) fn peers(
    mesh: &Mesh,
    index: impl Fn(&PeerId) -> Option<ValidatorIndex>,
) -> Vec<PeerStatus> {
    let status = |known: PeerLink<'_>| PeerStatus {
        peer: known.address.peer,
        link: known.link,
        transport: known.endpoint.transport,
        round_trip: known.round_trip,
        endpoint: String::from_utf8_lossy(&known.endpoint.bytes).into_owned(),
        validator: index(&known.address.peer).map(|index| index.0),
        points: known.points,
    };
    mesh.peers().map(status).collect()
}

/// The bans in force.
pub(super) fn bans(mesh: &Mesh) -> Vec<BanStatus> {
    let status =
        |ban: Ban| BanStatus { culprit: ban.culprit.to_string(), remaining: ban.remaining };
    mesh.bans().map(status).collect()
}

/// Patterns as people write them.
pub(super) fn texts(patterns: &[Pattern]) -> Vec<String> {
    patterns.iter().map(Pattern::to_string).collect()
}

impl Node {
    /// The node's condition now.
    pub fn status(&self) -> Status {
        let validators = self.consensus.validators();
        let finalized = self.consensus.finalized();
        let others = validators.indexes().filter_map(|index| {
            let peer = validators.peer(index)?;
            let relayed = peer != self.address.peer && !self.mesh.is_linked(peer);
            let is_relayed = relayed && self.mesh.is_near(peer);
            is_relayed.then_some(RelayedStatus { peer, validator: index.0 })
        });
        Status {
            relayed: others.collect(),
            bans: bans(&self.mesh),
            allow: texts(&self.mesh.access().allow),
            deny: texts(&self.mesh.access().deny),
            light: false,
            address: self.address.to_string(),
            peer: self.address.peer,
            network: self.chain.network(),
            name: self.genesis.name.to_string(),
            validator: self.consensus.index().map(|index| index.0),
            validators: validators.len() as u16,
            quorum: validators.quorum() as u16,
            tolerated_faults: validators.faults() as u16,
            epoch: finalized.epoch,
            view: self.consensus.view(),
            height: finalized.height,
            block: self.consensus.finalized_hash(),
            state_root: finalized.commitments.state,
            time: finalized.time,
            snapshot: self.snapshots.newest(),
            peers: peers(&self.mesh, |peer| validators.index(peer)),
            waiting_transactions: self.chain.mempool_len() as u32,
            insecure_dealer: self.genesis.is_insecure(),
            dice_threshold: self.genesis.dice_threshold(),
            dice: self.dice_status(),
            waiting_for: self.waiting_for(),
            abstains: self.consensus.abstains(),
            halted: self.halted.clone(),
            private: self.private_status(),
            relay: None,
        }
    }

    fn dice_status(&self) -> DiceStatus {
        let members = self.genesis.validators.len();
        let threshold = self.genesis.dice_threshold();
        let (usable, state) = match self.chain.state().generation() {
            None => (
                members,
                "dealt by whoever made the genesis, who could know every roll".to_string(),
            ),
            Some(generation) => describe(generation, members, threshold),
        };
        DiceStatus {
            version: self.chain.state().meta().dice_key,
            members: members as u16,
            usable_shares: usable as u16,
            state,
        }
    }

    /// Why nothing happens right now, in a sentence; empty if nothing is awaited.
    pub fn waiting_for(&self) -> String {
        if self.halted.is_some() {
            return "nothing more will happen here: the node has halted".to_string();
        }
        if let Some(reason) = self.misses_key() {
            return reason;
        }
        if let Some(reason) = self.consensus.abstains() {
            return format!("this validator does not vote: {reason}");
        }
        let validators = self.consensus.validators();
        let reachable = self
            .mesh
            .peers()
            .filter_map(|known| validators.index(&known.address.peer))
            .chain(self.consensus.index())
            .collect();
        sentence(&self.consensus.progress(), validators.len(), &reachable)
    }
}

/// How many shares are usable, and how far the making of the key has come in words.
fn describe(generation: &Generation, members: usize, threshold: u16) -> (usize, String) {
    let attested = generation.attested.len();
    match generation.stage {
        Stage::Dealing { .. } => {
            let dealt = generation.deals.len();
            (0, format!("being made: {dealt} of {members} validators have dealt"))
        }
        Stage::Attesting { .. } => {
            (0, format!("being made: {attested} of {members} validators have opened their shares"))
        }
        Stage::Active => {
            let state = format!(
                "in force: {attested} of {members} validators have a usable share, {threshold} \
                 make a roll"
            );
            (attested, state)
        }
        Stage::Exhausted => {
            let excluded = generation.excluded.len();
            (0, format!("cannot be made: {excluded} of {members} validators dealt badly"))
        }
    }
}

/// Turns the state of a view into a sentence. `reachable` are the validators that this node is, or
/// is directly linked to.
fn sentence(
    progress: &Progress,
    validators: usize,
    reachable: &alloc::collections::BTreeSet<ValidatorIndex>,
) -> String {
    let Progress { quorum, leader, view, .. } = progress;
    if let Some(finalize) = &progress.finalize
        && finalize.len() < *quorum
    {
        let missing = names(validators, finalize);
        return format!(
            "{quorum} of {validators} votes finalize the last block, {} here; waiting for {missing}",
            finalize.len()
        );
    }
    if !progress.nullify.is_empty() {
        let missing = names(validators, &progress.nullify);
        return format!(
            "view {view} came to nothing: {quorum} of {validators} votes end it, {} here; waiting \
             for {missing}",
            progress.nullify.len()
        );
    }
    if progress.proposed || !progress.notarize.is_empty() {
        let missing = names(validators, &progress.notarize);
        return format!(
            "{quorum} of {validators} votes needed in view {view}, {} here; waiting for {missing}",
            progress.notarize.len()
        );
    }
    if progress.demand.content {
        let linked = if reachable.contains(leader) { "" } else { ", to which there is no link" };
        return format!("waiting for validator {leader} to propose in view {view}{linked}");
    }
    String::new()
}

/// The validators that are not in `here`, for a sentence.
fn names(validators: usize, here: &alloc::collections::BTreeSet<ValidatorIndex>) -> String {
    let all = (0..validators).map(|index| ValidatorIndex(index as u16));
    let missing: Vec<String> =
        all.filter(|index| !here.contains(index)).map(|index| index.to_string()).collect();
    match missing.as_slice() {
        [] => "the last step".to_string(),
        [one] => format!("validator {one}"),
        several if several.len() <= 8 => format!("validators {}", several.join(", ")),
        several => format!("{} validators", several.len()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::consensus::Demand;

    fn progress() -> Progress {
        Progress {
            view: View(9),
            leader: ValidatorIndex(2),
            proposed: false,
            notarize: BTreeSet::new(),
            nullify: BTreeSet::new(),
            finalize: None,
            quorum: 3,
            demand: Demand::default(),
        }
    }

    #[test]
    fn the_sentence_names_what_is_missing() {
        let set = |indexes: &[u16]| indexes.iter().copied().map(ValidatorIndex).collect();
        let linked: BTreeSet<_> = set(&[0, 1]);
        let say = |progress: Progress| sentence(&progress, 4, &linked);
        assert_eq!(say(progress()), "");
        assert_eq!(
            say(Progress { proposed: true, notarize: set(&[0, 2]), ..progress() }),
            "3 of 4 votes needed in view 9, 2 here; waiting for validators 1, 3"
        );
        assert_eq!(
            say(Progress { finalize: Some(set(&[0, 1])), ..progress() }),
            "3 of 4 votes finalize the last block, 2 here; waiting for validators 2, 3"
        );
        assert_eq!(
            say(Progress { nullify: set(&[0, 1, 3]), ..progress() }),
            "view 9 came to nothing: 3 of 4 votes end it, 3 here; waiting for validator 2"
        );
        let demand = Demand { content: true, brisk: false };
        assert_eq!(
            say(Progress { demand, ..progress() }),
            "waiting for validator 2 to propose in view 9, to which there is no link"
        );
    }
}
