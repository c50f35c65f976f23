//! The adversary that sees every honest node's state and, until the network stabilises, says which
//! frames are late.

use bitcraps_protocol::block::View;
use bitcraps_protocol::consensus::Progress;
use serde::{Deserialize, Serialize};

/// What it is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Who is behind stays behind: nothing from later views gets through in time.
    KeepBehind,
    /// Certificates are completed at one node only, in each view another.
    OneHolder,
    /// The leader of this view and of the next hears nothing in time.
    StarveLeaders,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 3] = [Self::KeepBehind, Self::OneHolder, Self::StarveLeaders];

    /// How much later than it would a frame arrives, in microseconds: long enough for views to
    /// fail, short enough for the network to stabilise.
    pub const DELAY_MICROS: u64 = 700_000;

    /// Whether a frame to the validator of index `to` is late, given where both ends stand.
    pub fn delays(self, sender: &Progress, receiver: &Progress, to: u16, nodes: u16) -> bool {
        let View(view) = receiver.view;
        match self {
            Self::KeepBehind => receiver.view < sender.view,
            Self::OneHolder => {
                lacks_one(receiver) && view % u64::from(nodes.max(1)) != u64::from(to)
            }
            Self::StarveLeaders => receiver.leader.0 == to || sender.leader.0 == to,
        }
    }
}

/// Whether one more vote would be a quorum.
fn lacks_one(at: &Progress) -> bool {
    let finalize = at.finalize.as_ref().map_or(0, |voters| voters.len());
    [at.notarize.len(), at.nullify.len(), finalize].contains(&at.quorum.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bitcraps_protocol::block::ValidatorIndex;
    use bitcraps_protocol::consensus::Demand;

    use super::*;

    fn at(view: u64, votes: u16) -> Progress {
        Progress {
            view: View(view),
            leader: ValidatorIndex(2),
            proposed: true,
            notarize: (0..votes).map(ValidatorIndex).collect(),
            nullify: BTreeSet::new(),
            finalize: None,
            quorum: 3,
            demand: Demand::default(),
        }
    }

    #[test]
    fn each_scheme_delays_what_it_is_after() {
        assert!(Scheme::KeepBehind.delays(&at(5, 0), &at(4, 0), 0, 4));
        assert!(!Scheme::KeepBehind.delays(&at(4, 0), &at(5, 0), 0, 4));
        assert!(Scheme::OneHolder.delays(&at(5, 0), &at(5, 2), 0, 4));
        assert!(!Scheme::OneHolder.delays(&at(5, 0), &at(5, 2), 1, 4));
        assert!(!Scheme::OneHolder.delays(&at(5, 0), &at(5, 1), 0, 4));
        assert!(Scheme::StarveLeaders.delays(&at(5, 0), &at(5, 0), 2, 4));
        assert!(!Scheme::StarveLeaders.delays(&at(5, 0), &at(5, 0), 1, 4));
    }
}
