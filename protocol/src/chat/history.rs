//! The newest lines of the rooms where something was said lately.

use alloc::collections::{BTreeMap, VecDeque};

use super::{Room, Words};
use crate::identity::PeerId;
use crate::time::BlockTime;

/// Lines kept of one room; the oldest is forgotten.
pub const LINES: usize = 100;
/// Rooms of which lines are kept; the victim is the one that was silent for longest.
pub const ROOMS: usize = 64;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// By whom.
    pub from: PeerId,
    /// When, as this node's wall clock had it when it was heard.
    pub at: BlockTime,
    /// What.
    pub words: Words,
}

/// At most [`ROOMS`] times [`LINES`].
#[derive(Debug)]
pub(super) struct History {
    pub(super) rooms: BTreeMap<Room, Kept>,
    /// Counts everything that was said.
    said: u64,
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    lines: VecDeque<Line>,
    newest: u64,
}

impl History {
    pub(super) const fn new() -> Self {
        Self { rooms: BTreeMap::new(), said: 0 }
    }

    pub(super) fn lines(&self, room: Room) -> impl Iterator<Item = &Line> {
        self.rooms.get(&room).into_iter().flat_map(|kept| &kept.lines)
    }

    pub(super) fn note(&mut self, room: Room, line: Line) {
        if !self.rooms.contains_key(&room) && self.rooms.len() >= ROOMS {
            let silent = self.rooms.iter().min_by_key(|(_, kept)| kept.newest);
            if let Some(victim) = silent.map(|(room, _)| *room) {
                self.rooms.remove(&victim);
            }
        }
        self.said += 1;
        let kept = self.rooms.entry(room).or_default();
        kept.newest = self.said;
        if kept.lines.len() >= LINES {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
    }
}
