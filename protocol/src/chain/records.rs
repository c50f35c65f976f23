//! Records of the key generation that wait to be ordered: of each validator one deal and one attest
//! at most, so that there are never more than twice as many as members. The first one said stays;
//! what contradicts it is kept out, and is evidence.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::beacon::generation::{
    BadRecord, Generation, Kind, SignedRecord, Statement, Untrue, VerifiedRecord,
};
use crate::block::ValidatorIndex;
use crate::identity::NetworkId;
use crate::wire::Hash;

/// Why a record does not wait here. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordRefusal {
    /// It waits here already.
    Known,
    /// It is not what it claims to be.
    Untrue(Untrue),
    /// It cannot be included, as far as the finalized state tells.
    Bad(BadRecord),
    /// Its author said something else before.
    Occupied,
    /// It shows that its author broke the rules.
    Evidence(Evidence),
}

/// Proof that a validator broke the rules of the key generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Who.
    pub author: ValidatorIndex,
    /// How.
    pub offence: Offence,
    /// Its own words: one record, or two that contradict each other.
    pub records: Vec<SignedRecord>,
}

/// How a validator broke the rules of the key generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// It dealt what no honest dealer deals.
    BadDeal,
    /// It dealt twice in one run.
    TwoDeals,
    /// It complained about a deal that was good.
    FalseComplaint,
}

/// Records that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    waiting: BTreeMap<(ValidatorIndex, Kind), (Hash, VerifiedRecord)>,
}

impl Offence {
    /// What the validator did, in words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::BadDeal => "dealt what no honest dealer deals",
            Self::TwoDeals => "dealt twice for one dice key",
            Self::FalseComplaint => "complained about a good deal",
        }
    }
}

impl Records {
    pub(super) fn iter(&self) -> impl Iterator<Item = &VerifiedRecord> {
        self.waiting.values().map(|(_, record)| record)
    }

    pub(super) fn contains(&self, id: &Hash) -> bool {
        self.waiting.values().any(|(known, _)| known == id)
    }

    /// What waits of this validator and this kind.
    pub(super) fn get(&self, author: ValidatorIndex, kind: Kind) -> Option<&VerifiedRecord> {
        self.waiting.get(&(author, kind)).map(|(_, record)| record)
    }

    /// Lets `record` wait, which was judged on the finalized state.
    pub(super) fn insert(
        &mut self,
        record: VerifiedRecord,
        judged: Result<(), BadRecord>,
    ) -> Result<(), RecordRefusal> {
        let said = record.record();
        let place = (said.author, said.statement.kind());
        if let Some((_, earlier)) = self.waiting.get(&place)
            && earlier.record().version >= said.version
        {
            return Err(contradiction(earlier, &record)
                .map_or(RecordRefusal::Occupied, RecordRefusal::Evidence));
        }
        match judged {
            Ok(()) => {}
            Err(BadRecord::Early) if !complains(&record) => {}
            Err(bad) if bad.is_false_complaint() => {
                return Err(RecordRefusal::Evidence(Evidence {
                    author: said.author,
                    offence: Offence::FalseComplaint,
                    records: vec![record.signed().clone()],
                }));
            }
            Err(bad) => return Err(RecordRefusal::Bad(bad)),
        }
        self.waiting.insert(place, (record.signed().id(), record));
        Ok(())
    }

    /// Forgets what the finalized state has taken in or rules out.
    pub(super) fn keep_possible(&mut self, network: NetworkId, generation: &Generation) {
        self.waiting.retain(|_, (_, record)| {
            matches!(generation.expects(network, record), Ok(()) | Err(BadRecord::Early))
        });
    }
}

/// A complaint is judged when it arrives or not at all: whatever waits costs little to include.
fn complains(record: &VerifiedRecord) -> bool {
    match &record.record().statement {
        Statement::Deal(_) => false,
        Statement::Attest(attest) => !attest.complaints.is_empty(),
    }
}

fn contradiction(earlier: &VerifiedRecord, later: &VerifiedRecord) -> Option<Evidence> {
    let (one, other) = (earlier.record(), later.record());
    let twice = match (&one.statement, &other.statement) {
        (Statement::Deal(one), Statement::Deal(other)) => one != other,
        // After a restart an honest validator may leave a complaint out that was made by others.
        (Statement::Attest(_), _) | (_, Statement::Attest(_)) => false,
    };
    (twice && one.version == other.version).then(|| Evidence {
        author: one.author,
        offence: Offence::TwoDeals,
        records: vec![earlier.signed().clone(), later.signed().clone()],
    })
}

impl fmt::Display for RecordRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known => formatter.write_str("it waits here already"),
            Self::Untrue(untrue) => untrue.fmt(formatter),
            Self::Bad(bad) => bad.fmt(formatter),
            Self::Occupied => formatter.write_str("its author said something else before"),
            Self::Evidence(evidence) => {
                write!(formatter, "validator {} {}", evidence.author, evidence.offence.what())
            }
        }
    }
}

impl core::error::Error for RecordRefusal {}
