//! What a full node keeps of its newest blocks for light ones.

use alloc::collections::VecDeque;

use super::{TRAIL, Trail};
use crate::block::{Header, Height};
use crate::consensus::Finalization;
use crate::wire::List;

/// The newest final headers with the newest one's signatures. Fed with every final block in turn.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// Oldest first, each the parent of the next; at most [`TRAIL`], of which the oldest goes.
    headers: VecDeque<Header>,
    /// The signatures under the last of them, unless it became final as an ancestor: then its
    /// descendant comes next.
    finalization: Option<Finalization>,
}

impl Recent {
    /// A block is final.
    pub fn note(&mut self, header: &Header, finalization: Option<&Finalization>) {
        if self.headers.back().is_some_and(|newest| newest.hash() != header.parent.hash) {
            self.headers.clear();
        }
        if self.headers.len() == TRAIL {
            self.headers.pop_front();
        }
        self.headers.push_back(*header);
        self.finalization = finalization.cloned();
    }

    /// The headers above this height, or the newest one alone if there is none above, or if more
    /// are than an answer holds.
    pub fn above(&self, height: Height) -> Option<Trail> {
        let finalization = self.finalization.clone()?;
        let newest = *self.headers.back()?;
        let headers: alloc::vec::Vec<Header> =
            self.headers.iter().filter(|header| header.height > height).copied().collect();
        let follows = headers.first().is_some_and(|first| first.height == height.next());
        let headers = if follows { headers } else { alloc::vec![newest] };
        Some(Trail { headers: List::new(headers).ok()?, finalization })
    }
}
