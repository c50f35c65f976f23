//! Making a dice key together: joint Feldman with the chain as the broadcast channel.
//!
//! A run makes one key. Members **deal**, each a secret of its own, shared among all; when all have
//! dealt, or enough by the deadline, everybody opens its shares and **attests** to that, or
//! complains with a proof; when all have attested, or enough by the deadline, the deals of those
//! against whom no complaint held add up to the key. If they are too few, the next run begins
//! without those who dealt badly. Who was away attests later. If it then complains, and the
//! complaint holds, the key is retired for new rolls and the next run begins; a key never changes,
//! and what was rolled under it is still settled with it.
//!
//! [`Generation`] is where a run stands: a pure function of the records in executed blocks and
//! their heights. [`Participant`] is one validator's part: pure, too, but for its secrets. Neither
//! knows blocks, links or other validators' minds. Nobody is left out for being away.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod ceremony;
mod deal;
mod participant;
mod record;
mod sum;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::key::{DiceKey, DiceKeyId};
use super::sealing::SealingKey;
use crate::block::{Height, ValidatorIndex};
use crate::identity::{Epoch, NetworkId, PeerId};
use crate::wire::{Hash, List};

pub use deal::{BadDeal, Complaint, Deal, RunId};
pub use participant::{Participant, Step};
pub use record::{
    Attest, Kind, RECORD_BYTES, Record, SignedRecord, Statement, Untrue, VerifiedRecord,
};
pub use sum::Sum;

/// Members of a key generation. A network of more validators cannot make its key so: every member
/// deals to every other, which 128 can still do in a megabyte of blocks and a second of work.
pub const MEMBERS: usize = 128;

/// Blocks that a run waits for deals, and again for attests, besides one for every member.
const PATIENCE_BLOCKS: u64 = 32;

/// Where the making of the epoch's dice key stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// For which epoch.
    pub epoch: Epoch,
    /// Which of the epoch's keys is being made, or was made last.
    pub version: u32,
    /// Who takes part, in the validators' order.
    pub members: List<Member, MEMBERS>,
    /// How far the run has come.
    pub stage: Stage,
    /// Whose deals are not counted, in this and every later run of the epoch: a complaint against
    /// them held. They are members all the same.
    pub excluded: BTreeSet<ValidatorIndex>,
    /// The run's deals, by their hashes. At most one for each member.
    pub deals: BTreeMap<ValidatorIndex, Hash>,
    /// Who has attested in this run: once the key is made, who has a usable share of it.
    pub attested: BTreeSet<ValidatorIndex>,
    /// The dealers whose deals add up to the key, once it is made.
    pub counted: BTreeSet<ValidatorIndex>,
    /// Earlier keys that rolls still wait for, with the dealers whose deals they add up from. Each
    /// was retired for another excluded dealer, so that there are fewer than members.
    pub retired: BTreeMap<u32, BTreeSet<ValidatorIndex>>,
}

/// One member: a validator with the key to which shares are sealed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who it is.
    pub peer: PeerId,
    /// Its registered sealing key, whose secret it proved to know.
    pub sealing: SealingKey,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Deals are awaited: from everybody up to this height, then until there are enough.
    Dealing {
        /// The height.
        until: Height,
    },
    /// Attests are awaited, likewise.
    Attesting {
        /// The height.
        until: Height,
    },
    /// The key is in force, and late attests are welcome.
    Active,
    /// So many dealt badly that those left are too few: only other validators could go on.
    Exhausted,
}

/// What the end of a block brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Nothing.
    Nothing,
    /// All deals are in that will be counted.
    Dealt,
    /// The key is made, and in force from the next block on.
    Made(DiceKey),
    /// The next run begins, for this one came to nothing. Its dealers, whose deals nobody needs.
    Restarted(BTreeSet<ValidatorIndex>),
    /// The next run begins, and the key of this one is in force no longer.
    Retired,
}

/// Why a record cannot be in the next block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecord {
    /// There is no key generation here.
    NoGeneration,
    /// The run, or the stage of the run, that it is for has not begun.
    Early,
    /// The run, or the stage of the run, that it is for is over.
    Late,
    /// Its author dealt badly before and deals no more.
    Excluded,
    /// Its author has said it already.
    Repeated,
    /// It attests to other deals than the run has.
    OtherDeals,
    /// It complains about somebody who dealt nothing.
    NoSuchDeal(ValidatorIndex),
    /// Its complaint about this dealer does not hold.
    FalseComplaint(ValidatorIndex),
    /// The block has as many records as it may hold.
    NoRoom,
}

/// Deals of executed blocks, by the version of their run and their dealer.
pub type Deals<'a> = dyn Fn(u32, ValidatorIndex) -> Option<&'a Deal> + 'a;

impl Generation {
    /// The first run of an epoch among `members`, begun in the block at `height`.
    pub fn open(epoch: Epoch, members: List<Member, MEMBERS>, height: Height) -> Self {
        let mut generation = Self {
            epoch,
            version: 0,
            members,
            stage: Stage::Exhausted,
            excluded: BTreeSet::new(),
            deals: BTreeMap::new(),
            attested: BTreeSet::new(),
            counted: BTreeSet::new(),
            retired: BTreeMap::new(),
        };
        generation.begin(height);
        generation
    }

    /// K = n − f: how many shares make a coin, how many dealers a key, how many attest at least.
    pub fn threshold(&self) -> u16 {
        super::threshold(self.members.len())
    }

    /// One member.
    pub fn member(&self, index: ValidatorIndex) -> Option<&Member> {
        self.members.get(usize::from(index.0))
    }

    /// The members' sealing keys, in their order.
    pub fn sealing_keys(&self) -> Vec<SealingKey> {
        self.members.iter().map(|member| member.sealing).collect()
    }

    /// The name of the present run.
    pub const fn run(&self, network: NetworkId) -> RunId {
        self.run_of(network, self.version)
    }

    /// The name of any run.
    pub const fn run_of(&self, network: NetworkId, version: u32) -> RunId {
        RunId { network, epoch: self.epoch, version }
    }

    /// The key that the present run makes.
    pub const fn key(&self) -> DiceKeyId {
        DiceKeyId { epoch: self.epoch, version: self.version }
    }

    /// Whether it is in force.
    pub const fn is_active(&self) -> bool {
        match self.stage {
            Stage::Active => true,
            Stage::Dealing { .. } | Stage::Attesting { .. } | Stage::Exhausted => false,
        }
    }

    /// Whether the next blocks may bring it forward, even if nobody says anything.
    pub const fn is_running(&self) -> bool {
        match self.stage {
            Stage::Dealing { .. } | Stage::Attesting { .. } => true,
            Stage::Active | Stage::Exhausted => false,
        }
    }

    /// The dealers of the run against whom no complaint held.
    pub fn qualified(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        self.deals.keys().copied().filter(|dealer| !self.excluded.contains(dealer))
    }

    /// What an attest in this run says it attests to; fixed once no more deals are awaited.
    pub fn deals_hash(&self, network: NetworkId) -> Hash {
        Hash::of("bitcraps 2026 attested deals", &(self.run(network), &self.deals))
    }

    /// Whether a record could come next, as far as that can be told without looking at complaints.
    pub fn expects(&self, network: NetworkId, record: &VerifiedRecord) -> Result<(), BadRecord> {
        let record = record.record();
        if record.version != self.version {
            let early = record.version > self.version;
            return Err(if early { BadRecord::Early } else { BadRecord::Late });
        }
        match &record.statement {
            Statement::Deal(_) => {
                if self.deals.contains_key(&record.author) {
                    return Err(BadRecord::Repeated);
                }
                if self.excluded.contains(&record.author) {
                    return Err(BadRecord::Excluded);
                }
                match self.stage {
                    Stage::Dealing { .. } => Ok(()),
                    Stage::Attesting { .. } | Stage::Active | Stage::Exhausted => {
                        Err(BadRecord::Late)
                    }
                }
            }
            Statement::Attest(attest) => match self.stage {
                Stage::Dealing { .. } => Err(BadRecord::Early),
                Stage::Exhausted => Err(BadRecord::Late),
                Stage::Attesting { .. } | Stage::Active => {
                    if self.attested.contains(&record.author) {
                        Err(BadRecord::Repeated)
                    } else if attest.deals != self.deals_hash(network) {
                        Err(BadRecord::OtherDeals)
                    } else {
                        Ok(())
                    }
                }
            },
        }
    }

    /// Whether a record can come next. Gives the dealers against whom its complaints hold. About
    /// somebody who is out already it need not be right, and nobody looks.
    pub fn judge(
        &self,
        network: NetworkId,
        record: &VerifiedRecord,
        deals: &Deals<'_>,
    ) -> Result<BTreeSet<ValidatorIndex>, BadRecord> {
        self.expects(network, record)?;
        let Record { author, statement, .. } = record.record();
        let complaints = match statement {
            Statement::Deal(_) => return Ok(BTreeSet::new()),
            Statement::Attest(attest) => &attest.complaints,
        };
        let member = self.member(*author).expect("a verified record is by a member");
        let mut held = BTreeSet::new();
        for complaint in complaints.iter().filter(|it| !self.excluded.contains(&it.dealer)) {
            let dealer = complaint.dealer;
            if !self.deals.contains_key(&dealer) {
                return Err(BadRecord::NoSuchDeal(dealer));
            }
            let deal = deals(self.version, dealer).expect("every deal of the run is kept");
            if !complaint.holds(&self.run(network), deal, *author, member.sealing) {
                return Err(BadRecord::FalseComplaint(dealer));
            }
            held.insert(dealer);
        }
        Ok(held)
    }

    /// Takes a record in, or refuses it without having changed anything. A deal is to be kept where
    /// `deals` finds it from now on.
    pub fn apply(
        &mut self,
        network: NetworkId,
        record: &VerifiedRecord,
        deals: &Deals<'_>,
    ) -> Result<(), BadRecord> {
        let held = self.judge(network, record, deals)?;
        let Record { author, statement, .. } = record.record();
        match statement {
            Statement::Deal(deal) => _ = self.deals.insert(*author, deal.hash()),
            Statement::Attest(_) => {
                self.attested.insert(*author);
                self.excluded.extend(held);
            }
        }
        Ok(())
    }

    /// Brings the run forward at the end of the block at `height`. At most one step a block. `sum`
    /// gives what a [`Sum`] of the present deals comes to, which may have been worked out before.
    pub fn advance(
        &mut self,
        height: Height,
        sum: impl FnOnce(&Self) -> Option<DiceKey>,
    ) -> Advance {
        let enough = usize::from(self.threshold());
        match self.stage {
            Stage::Dealing { until } => {
                let able = self.members.len() - self.excluded.len();
                let count = self.deals.len();
                if count < able && (height < until || count < enough) {
                    return Advance::Nothing;
                }
                self.stage = Stage::Attesting { until: self.deadline(height) };
                Advance::Dealt
            }
            Stage::Attesting { until } => {
                if self.qualified().count() < enough {
                    return self.restart(height);
                }
                let count = self.attested.len();
                if count < self.members.len() && (height < until || count < enough) {
                    return Advance::Nothing;
                }
                self.close(height, sum)
            }
            Stage::Active => {
                if self.counted.is_disjoint(&self.excluded) {
                    return Advance::Nothing;
                }
                let counted = core::mem::take(&mut self.counted);
                self.retired.insert(self.version, counted);
                self.next_run(height);
                Advance::Retired
            }
            Stage::Exhausted => Advance::Nothing,
        }
    }

    /// Forgets retired keys that no roll waits for any more, and gives their dealers: nobody will
    /// ask for these deals again.
    pub fn forget(
        &mut self,
        is_waited_for: impl Fn(u32) -> bool,
    ) -> BTreeMap<u32, BTreeSet<ValidatorIndex>> {
        let (kept, forgotten) = core::mem::take(&mut self.retired)
            .into_iter()
            .partition(|(version, _)| is_waited_for(*version));
        self.retired = kept;
        forgotten
    }

    fn close(&mut self, height: Height, sum: impl FnOnce(&Self) -> Option<DiceKey>) -> Advance {
        let Some(key) = sum(self) else { return self.restart(height) };
        self.stage = Stage::Active;
        self.counted = self.qualified().collect();
        Advance::Made(key)
    }

    fn restart(&mut self, height: Height) -> Advance {
        let dealers = self.deals.keys().copied().collect();
        self.next_run(height);
        Advance::Restarted(dealers)
    }

    fn next_run(&mut self, height: Height) {
        self.version += 1;
        self.begin(height);
    }

    fn begin(&mut self, height: Height) {
        self.deals.clear();
        self.attested.clear();
        let able = self.members.len() - self.excluded.len();
        self.stage = if able < usize::from(self.threshold()) {
            Stage::Exhausted
        } else {
            Stage::Dealing { until: self.deadline(height) }
        };
    }

    fn deadline(&self, height: Height) -> Height {
        let blocks = PATIENCE_BLOCKS + self.members.len() as u64;
        Height(height.0.saturating_add(blocks))
    }
}

impl BadRecord {
    /// Whether its author is to blame, whatever the state it was made in: an honest validator does
    /// not say so in any.
    pub const fn is_false_complaint(&self) -> bool {
        match self {
            Self::FalseComplaint(_) => true,
            Self::NoGeneration
            | Self::Early
            | Self::Late
            | Self::Excluded
            | Self::Repeated
            | Self::OtherDeals
            | Self::NoSuchDeal(_)
            | Self::NoRoom => false,
        }
    }
}

impl fmt::Display for BadRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGeneration => formatter.write_str("this network's dice key was dealt"),
            Self::Early => formatter.write_str("it is for a run or a stage that has not begun"),
            Self::Late => formatter.write_str("it is for a run or a stage that is over"),
            Self::Excluded => formatter.write_str("its author dealt badly and deals no more"),
            Self::Repeated => formatter.write_str("its author has said so already"),
            Self::OtherDeals => formatter.write_str("it attests to other deals than there are"),
            Self::NoSuchDeal(dealer) => {
                write!(formatter, "it complains about validator {dealer}, who dealt nothing")
            }
            Self::FalseComplaint(dealer) => {
                write!(formatter, "its complaint about validator {dealer} does not hold")
            }
            Self::NoRoom => formatter.write_str("the block holds as many as it may"),
        }
    }
}

impl core::error::Error for BadRecord {}
