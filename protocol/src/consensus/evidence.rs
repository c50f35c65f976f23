//! Two signed votes of one validator that no honest validator can have cast both.

use serde::{Deserialize, Serialize};

use super::{Statement, Vote};
use crate::block::ValidatorIndex;

/// Proof that a validator contradicted itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The earlier seen vote.
    pub first: Vote,
    /// The one that contradicts it.
    pub second: Vote,
}

impl Evidence {
    /// Who contradicted itself.
    pub const fn validator(&self) -> ValidatorIndex {
        self.first.voter
    }

    /// What the validator did, in words.
    pub const fn what(&self) -> &'static str {
        match (&self.first.statement, &self.second.statement) {
            (Statement::Notarize { .. }, Statement::Notarize { .. }) => {
                "notarized two blocks in one view"
            }
            (Statement::Nullify { .. }, Statement::Nullify { .. }) => "nullified a view twice",
            (Statement::Finalize { .. }, Statement::Finalize { .. }) => {
                "finalized two blocks in one view"
            }
            (Statement::Notarize { .. }, Statement::Finalize { .. })
            | (Statement::Finalize { .. }, Statement::Notarize { .. }) => {
                "notarized one block and finalized another"
            }
            (Statement::Nullify { .. }, _) | (_, Statement::Nullify { .. }) => {
                "finalized a view that it promised not to"
            }
        }
    }
}

/// Whether no honest validator can have cast both votes. Notarize then nullify is honest; stating
/// two times for one block is not, since a vote is durable before it leaves.
pub(super) fn contradicts(first: &Statement, second: &Statement) -> bool {
    use Statement::{Finalize, Notarize, Nullify};
    match (first, second) {
        (Notarize { view: a, .. }, Notarize { view: b, .. }) => a == b && first != second,
        (Notarize { view: a, block: x, .. }, Finalize { view: b, block: y })
        | (Finalize { view: a, block: x }, Notarize { view: b, block: y, .. })
        | (Finalize { view: a, block: x }, Finalize { view: b, block: y }) => a == b && x != y,
        (Nullify { view: a, highest: x }, Nullify { view: b, highest: y }) => a == b && x != y,
        (Nullify { view, highest }, Finalize { view: finalized, .. })
        | (Finalize { view: finalized, .. }, Nullify { view, highest }) => {
            highest < finalized && finalized <= view
        }
        (Notarize { .. }, Nullify { .. }) | (Nullify { .. }, Notarize { .. }) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::View;
    use crate::time::BlockTime;
    use crate::wire::Hash;

    fn notarize(view: u64, block: u8) -> Statement {
        let (view, block) = (View(view), Hash([block; 32]));
        Statement::Notarize { view, block, time: BlockTime(0) }
    }

    fn nullify(view: u64, highest: u64) -> Statement {
        Statement::Nullify { view: View(view), highest: View(highest) }
    }

    fn finalize(view: u64, block: u8) -> Statement {
        Statement::Finalize { view: View(view), block: Hash([block; 32]) }
    }

    #[test]
    fn only_what_no_honest_validator_does_is_a_contradiction() {
        let (view, block) = (View(3), Hash([1; 32]));
        let restated = Statement::Notarize { view, block, time: BlockTime(1) };
        for (first, second, expected) in [
            (notarize(3, 1), notarize(3, 2), true),
            (notarize(3, 1), notarize(3, 1), false),
            (notarize(3, 1), notarize(4, 2), false),
            (notarize(3, 1), finalize(3, 2), true),
            (notarize(3, 1), finalize(3, 1), false),
            (notarize(3, 1), nullify(3, 2), false),
            (finalize(3, 1), finalize(3, 2), true),
            (nullify(3, 1), nullify(3, 2), true),
            (nullify(5, 2), finalize(3, 1), true),
            (nullify(5, 2), finalize(5, 1), true),
            (nullify(5, 3), finalize(3, 1), false),
            (nullify(5, 2), finalize(6, 1), false),
            (notarize(3, 1), restated, true),
        ] {
            assert_eq!(contradicts(&first, &second), expected, "{first:?} {second:?}");
            assert_eq!(contradicts(&second, &first), expected, "{second:?} {first:?}");
        }
    }
}
