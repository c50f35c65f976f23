//! Where a simulation reaches into a node. Without the feature `simulation` this is an empty struct
//! whose every answer is a constant: no flaw, and signatures are checked by [`PeerId::verify`].

use crate::identity::{BadSignature, Context, Domain, PeerId, Signature};
#[cfg(feature = "simulation")]
use crate::simulation::{Flaws, Signatures};
use crate::wire::Hash;

/// What a simulation changed about one node; by default nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    /// In what it is broken.
    #[cfg(feature = "simulation")]
    pub(crate) flaws: Flaws,
    /// How it checks signatures.
    #[cfg(feature = "simulation")]
    pub(crate) signatures: Signatures,
}

/// A way in which a simulated node is broken on purpose, to see whether the simulator notices. Each
/// is asked about at the one line that it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "simulation"), expect(unreachable_pub, reason = "then nobody can ask"))]
pub enum Flaw {
    /// A quorum is 2f + 1, which is too few unless n = 3f + 1.
    QuorumTwoFPlusOne,
    /// A quorum is 2f.
    QuorumTwoF,
    /// Votes leave before they are durable.
    VotesNotDurable,
    /// A view is nullified although the node has just finalized it.
    NullifyAfterFinalize,
    /// What a nullify promised is forgotten at once.
    PromiseForgotten,
    /// A nullify's promise holds only until the next nullify, and views before the current one are
    /// finalized too, or the promise would never be asked about.
    PromiseReplaced,
    /// A nullify states that no notarization is held at all.
    HighestTooLow,
    /// A nullification is accepted without the notarization that its voters hold.
    HighestNotShown,
    /// Finalize and nullify votes leave without the notarization they rest on being durable.
    NotarizationNotDurable,
    /// Notarize votes leave without the block's body being durable.
    BodyNotDurable,
    /// A block may be finalized by whoever notarized another one of the same view, or knows that
    /// its leader proposed two.
    FinalizeOther,
    /// Votes are signed and checked for every network and epoch at once.
    NoDomainSeparation,
    /// Certificates may hold one voter's vote many times.
    VotersRepeated,
    /// A block is notarized whatever its justification allows.
    JustificationUnchecked,
    /// The genesis deals a dice key of which f + 1 shares suffice.
    #[cfg(feature = "simulation")]
    ThresholdTooLow,
    /// The share of a coin leaves with the notarize vote.
    ShareOnNotarize,
    /// Coins are indexed by height, which survives a failed view, instead of by view.
    CoinByHeight,
    /// A roll whose coin is not on the chain two views later, as when one fails, is drawn again.
    RedrawOnNullify,
    /// A deal's one-time key may be anybody's: a complaint about the deal then opens what its owner
    /// dealt.
    OneTimeKeyUnproven,
    /// A transfer to oneself makes chips.
    ChipsFromNothing,
    /// A transaction does not use its nonce up.
    NonceReused,
}

impl Hooks {
    /// Whether the node is broken in this way.
    #[cfg(not(feature = "simulation"))]
    #[expect(clippy::unused_self, reason = "the simulation asks itself")]
    pub(crate) const fn has(&self, _: Flaw) -> bool {
        false
    }

    /// Whether the node is broken in this way.
    #[cfg(feature = "simulation")]
    pub(crate) const fn has(&self, flaw: Flaw) -> bool {
        self.flaws.has(flaw)
    }

    /// Checks that `peer` signed `bytes` as a `domain` statement in `context`.
    #[cfg(not(feature = "simulation"))]
    #[expect(clippy::unused_self, reason = "the simulation asks itself")]
    pub(crate) fn verify(
        &self,
        peer: &PeerId,
        domain: Domain,
        context: &Context,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        peer.verify(domain, context, bytes, signature)
    }

    /// Checks that `peer` signed `bytes` as a `domain` statement in `context`.
    #[cfg(feature = "simulation")]
    pub(crate) fn verify(
        &self,
        peer: &PeerId,
        domain: Domain,
        context: &Context,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        self.signatures.verify(peer, domain, context, bytes, signature)
    }

    /// A verdict that is a pure function of what `digest` names.
    #[cfg(not(feature = "simulation"))]
    #[expect(clippy::unused_self, reason = "the simulation asks itself")]
    pub(crate) fn verdict(&self, _: impl FnOnce() -> Hash, decide: impl FnOnce() -> bool) -> bool {
        decide()
    }

    /// A verdict that is a pure function of what `digest` names.
    #[cfg(feature = "simulation")]
    pub(crate) fn verdict(
        &self,
        digest: impl FnOnce() -> Hash,
        decide: impl FnOnce() -> bool,
    ) -> bool {
        self.signatures.verdict(digest, decide)
    }
}
