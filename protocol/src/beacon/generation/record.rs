//! What validators say on the chain while a key is made, and the signed envelope it travels in.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::deal::{BadDeal, Complaint, Deal};
use super::{Generation, MEMBERS};
use crate::block::ValidatorIndex;
use crate::hooks::{Flaw, Hooks};
use crate::identity::{Context, Domain, Epoch, Keypair, NetworkId, Signature};
use crate::wire::{Hash, List, Malformed, decode, encode};

/// Bytes of one record: more than a deal for, or an attest with complaints about, all of
/// [`MEMBERS`].
pub const RECORD_BYTES: usize = 16 * 1024;

/// What one validator says in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The epoch of the run.
    pub epoch: Epoch,
    /// The version of the key that the run makes.
    pub version: u32,
    /// Who says it.
    pub author: ValidatorIndex,
    /// What.
    pub statement: Statement,
}

/// What a validator may say: each at most once in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Statement {
    /// Its contribution.
    Deal(Box<Deal>),
    /// That it opened its shares, while the run waits for it or any time after the key is made.
    Attest(Attest),
}

/// That a validator has opened its share of every deal, and which it found bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attest {
    /// [`Generation::deals_hash`]: of which deals it speaks.
    pub deals: Hash,
    /// Its complaints, dealers strictly ascending.
    pub complaints: List<Complaint, MEMBERS>,
}

/// Which statement a record makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A [`Statement::Deal`].
    Deal,
    /// A [`Statement::Attest`].
    Attest,
}

/// A record as it travels: exact bytes and their signature, neither yet believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    bytes: Bytes,
    signature: Signature,
}

/// A record that its author is known to have signed; a deal in it passed [`Deal::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRecord {
    signed: SignedRecord,
    record: Record,
}

/// Why a record is not what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrue {
    /// The signed bytes are not a record.
    Malformed(Malformed),
    /// For another epoch.
    Epoch,
    /// Its author is no member.
    NotAMember,
    /// Its author did not sign it.
    BadSignature,
    /// Its author did sign it, but it deals in a way that no honest dealer does.
    BadDeal(ValidatorIndex, BadDeal),
}

impl Record {
    /// Signs this record, whose author must be `keypair`'s holder.
    pub fn sign(self, keypair: &Keypair, network: NetworkId) -> SignedRecord {
        let bytes = Bytes::from(encode(&self));
        let context = Context { network, epoch: self.epoch };
        let signature = keypair.sign(Domain::KeyGeneration, &context, &bytes);
        SignedRecord { bytes, signature }
    }
}

impl Statement {
    /// Which of the two it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Deal(_) => Kind::Deal,
            Self::Attest(_) => Kind::Attest,
        }
    }
}

impl SignedRecord {
    /// The hash of the bytes and the signature.
    pub fn id(&self) -> Hash {
        Hash::of("bitcraps 2026 key generation record", self)
    }

    /// Bytes that it takes in a block, give or take its framing.
    pub fn size(&self) -> usize {
        self.bytes.len() + 64
    }

    /// Decodes the record, checks its signature, and whatever of a deal everybody can check. The
    /// verdict depends on the epoch's members only, not on how far `generation` has come.
    pub fn verify(
        self,
        network: NetworkId,
        generation: &Generation,
    ) -> Result<VerifiedRecord, Untrue> {
        self.verify_by(&Hooks::default(), network, generation)
    }

    /// [`verify`](Self::verify) as a simulation may have changed it.
    pub(crate) fn verify_by(
        self,
        hooks: &Hooks,
        network: NetworkId,
        generation: &Generation,
    ) -> Result<VerifiedRecord, Untrue> {
        let record: Record = decode(&self.bytes, RECORD_BYTES).map_err(Untrue::Malformed)?;
        if record.epoch != generation.epoch {
            return Err(Untrue::Epoch);
        }
        let author = record.author;
        let member = generation.member(author).ok_or(Untrue::NotAMember)?;
        let context = Context { network, epoch: record.epoch };
        hooks
            .verify(&member.peer, Domain::KeyGeneration, &context, &self.bytes, &self.signature)
            .map_err(|_| Untrue::BadSignature)?;
        match &record.statement {
            Statement::Deal(deal) => {
                let run = generation.run_of(network, record.version);
                let members = generation.members.len();
                let checked = deal.check(&run, author, members, generation.threshold());
                match checked {
                    Err(BadDeal::OneTimeKey) if hooks.has(Flaw::OneTimeKeyUnproven) => {}
                    checked => checked.map_err(|bad| Untrue::BadDeal(author, bad))?,
                }
            }
            Statement::Attest(attest) => {
                if !attest.complaints.is_sorted_by(|one, next| one.dealer < next.dealer) {
                    return Err(Untrue::Malformed(Malformed::NotCanonical));
                }
            }
        }
        Ok(VerifiedRecord { signed: self, record })
    }
}

impl VerifiedRecord {
    /// What was signed.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The bytes and signature, to travel on.
    pub const fn signed(&self) -> &SignedRecord {
        &self.signed
    }
}

impl fmt::Display for Untrue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(formatter),
            Self::Epoch => formatter.write_str("it is for another epoch"),
            Self::NotAMember => formatter.write_str("its author is not a validator"),
            Self::BadSignature => formatter.write_str("its author did not sign it"),
            Self::BadDeal(dealer, bad) => write!(formatter, "validator {dealer}: {bad}"),
        }
    }
}

impl core::error::Error for Untrue {}
