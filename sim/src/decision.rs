//! Everything that was decided against the network in one run, as a list that can be stored,
//! shortened and carried out again.
//!
//! What happens to a frame is named by its link and its number there, what happens to a node by its
//! time, what a hostile node does by how many choices it had before. So a decision keeps its
//! meaning when others are taken out.

use std::collections::BTreeMap;

use bitcraps_protocol::rng::Rng;
use serde::{Deserialize, Serialize};

/// One deviation from a perfect world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Something happens to a frame.
    Frame {
        /// Its sender.
        from: u16,
        /// Its receiver.
        to: u16,
        /// How many frames went this way before, over all links of the two.
        nth: u64,
        /// What.
        fault: FrameFault,
    },
    /// Something happens at a time.
    Timed {
        /// When, in simulated microseconds.
        at: u64,
        /// What.
        fault: TimedFault,
    },
    /// A hostile node makes use of a chance.
    Choice {
        /// Which node.
        place: u16,
        /// How many chances it had before.
        nth: u64,
        /// What it does; its strategy knows the meaning. 0, to behave, is never recorded.
        choice: u32,
    },
}

/// What may happen to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameFault {
    /// It does not arrive; on a stream it is sent again and arrives late.
    Lost,
    /// It arrives a second time, so many microseconds later.
    Duplicated(u64),
    /// It takes so many microseconds more.
    Delayed(u64),
}

/// What may happen at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimedFault {
    /// A process dies.
    Crash {
        /// Whose.
        place: u16,
        /// Of a thousand records that are not durable, how many survive.
        kept_permille: u32,
        /// How many durable records are lost because the disk lied.
        lied: u32,
    },
    /// A process dies and its disk with it.
    Wipe {
        /// Whose.
        place: u16,
    },
    /// A disk takes nothing more.
    Full {
        /// Whose.
        place: u16,
    },
    /// A disk gives nothing back: a process that reads stops.
    Unreadable {
        /// Whose.
        place: u16,
    },
    /// A durable record is damaged, which its checksum will tell whoever reads it.
    Rot {
        /// Whose.
        place: u16,
        /// Which: how many of a thousand are older.
        permille: u32,
    },
    /// A process starts, with room on its disk.
    Restart {
        /// Whose.
        place: u16,
    },
    /// Frames from `left` to `right`, and back unless `one_way`, do not get through.
    Cut {
        /// Its name, for `Heal`.
        id: u16,
        /// One side.
        left: Vec<u16>,
        /// The other side; who is on neither hears everybody.
        right: Vec<u16>,
        /// Whether the way back is open.
        one_way: bool,
        /// Whether links go down; else they stay up and are silent.
        breaks: bool,
    },
    /// A cut ends.
    Heal {
        /// Which.
        id: u16,
    },
    /// A wall clock jumps.
    Jump {
        /// Whose.
        place: u16,
        /// How far, in milliseconds.
        by_ms: i64,
    },
}

impl Decision {
    /// Whether it still means something among so many `places`; who is left out of a partition
    /// is taken out of it.
    pub fn is_among(&mut self, places: u16) -> bool {
        match self {
            Self::Frame { from, to, .. } => *from < places && *to < places,
            Self::Choice { place, .. } => *place < places,
            Self::Timed { fault, .. } => match fault {
                TimedFault::Crash { place, .. }
                | TimedFault::Wipe { place }
                | TimedFault::Full { place }
                | TimedFault::Unreadable { place }
                | TimedFault::Rot { place, .. }
                | TimedFault::Restart { place }
                | TimedFault::Jump { place, .. } => *place < places,
                TimedFault::Cut { left, right, .. } => {
                    left.retain(|place| *place < places);
                    right.retain(|place| *place < places);
                    true
                }
                TimedFault::Heal { .. } => true,
            },
        }
    }
}

/// Where decisions come from, and the record of those that were made.
#[derive(Debug)]
pub struct Decisions {
    source: Source,
    chances: BTreeMap<u16, u64>,
    made: Vec<Decision>,
}

#[derive(Debug)]
enum Source {
    /// Each is drawn when its time comes.
    Drawn,
    /// Each is looked up; what is not listed does not happen.
    Listed {
        frames: BTreeMap<(u16, u16, u64), Vec<FrameFault>>,
        choices: BTreeMap<(u16, u64), u32>,
    },
}

impl Decisions {
    /// Decisions that are drawn; those of certain times were drawn already.
    pub fn drawn(timed: &[(u64, TimedFault)]) -> Self {
        let made =
            timed.iter().map(|(at, fault)| Decision::Timed { at: *at, fault: fault.clone() });
        Self { source: Source::Drawn, chances: BTreeMap::new(), made: made.collect() }
    }

    /// Exactly these decisions, and those of them that have a time.
    pub fn listed(list: &[Decision]) -> (Self, Vec<(u64, TimedFault)>) {
        let (mut frames, mut choices) = (BTreeMap::<_, Vec<FrameFault>>::new(), BTreeMap::new());
        let mut timed = Vec::new();
        for decision in list {
            match decision {
                Decision::Frame { from, to, nth, fault } => {
                    frames.entry((*from, *to, *nth)).or_default().push(*fault);
                }
                Decision::Timed { at, fault } => timed.push((*at, fault.clone())),
                Decision::Choice { place, nth, choice } => {
                    choices.insert((*place, *nth), *choice);
                }
            }
        }
        let source = Source::Listed { frames, choices };
        (Self { source, chances: BTreeMap::new(), made: list.to_vec() }, timed)
    }

    /// What happens to a frame: drawn with `draw`, or as listed.
    pub fn frame(
        &mut self,
        (from, to, nth): (u16, u16, u64),
        draw: impl FnOnce() -> Option<FrameFault>,
    ) -> Vec<FrameFault> {
        match &self.source {
            Source::Drawn => {
                let fault = draw();
                self.made.extend(fault.map(|fault| Decision::Frame { from, to, nth, fault }));
                fault.into_iter().collect()
            }
            Source::Listed { frames, .. } => {
                frames.get(&(from, to, nth)).cloned().unwrap_or_default()
            }
        }
    }

    /// What a hostile node does with a chance: 0 is to behave, and what happens to a chance that a
    /// shortened list no longer holds.
    pub fn choose(&mut self, place: u16, rng: &mut Rng, draw: impl FnOnce(&mut Rng) -> u32) -> u32 {
        let nth = self.chances.entry(place).or_default();
        let key = (place, *nth);
        *nth += 1;
        match &self.source {
            Source::Drawn => {
                let choice = draw(rng);
                if choice != 0 {
                    self.made.push(Decision::Choice { place, nth: key.1, choice });
                }
                choice
            }
            Source::Listed { choices, .. } => choices.get(&key).copied().unwrap_or(0),
        }
    }

    /// All decisions made so far, or listed.
    pub fn made(&self) -> &[Decision] {
        &self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_network_keeps_the_decisions_that_are_about_it() {
        let (left, right) = (vec![0, 5], vec![1, 4]);
        let cut = TimedFault::Cut { id: 0, left, right, one_way: false, breaks: false };
        let mut cut = Decision::Timed { at: 1, fault: cut };
        assert!(cut.is_among(4));
        let (left, right) = (vec![0], vec![1]);
        let smaller = TimedFault::Cut { id: 0, left, right, one_way: false, breaks: false };
        assert_eq!(cut, Decision::Timed { at: 1, fault: smaller });
        let wipe = |place| Decision::Timed { at: 1, fault: TimedFault::Wipe { place } };
        assert!(wipe(3).is_among(4) && !wipe(4).is_among(4));
        let mut frame = Decision::Frame { from: 0, to: 4, nth: 2, fault: FrameFault::Lost };
        assert!(!frame.is_among(4));
    }

    #[test]
    fn what_was_drawn_is_made_again_from_the_list() {
        let crash = TimedFault::Crash { place: 1, kept_permille: 0, lied: 0 };
        let mut drawn = Decisions::drawn(&[(7, crash)]);
        let mut rng = Rng::new([1; 32]);
        let lost = || Some(FrameFault::Lost);
        let frames: Vec<_> = (0..10)
            .map(|nth| drawn.frame((0, 1, nth), || if nth % 3 == 0 { lost() } else { None }))
            .collect();
        let choices: Vec<_> =
            (0..10).map(|_| drawn.choose(2, &mut rng, |rng| rng.below(3) as u32)).collect();
        let (mut listed, timed) = Decisions::listed(drawn.made());
        assert_eq!(timed.len(), 1);
        let again: Vec<_> = (0..10).map(|nth| listed.frame((0, 1, nth), || None)).collect();
        assert_eq!(again, frames);
        let again: Vec<_> = (0..10).map(|_| listed.choose(2, &mut rng, |_| 9)).collect();
        assert_eq!(again, choices);
        assert_eq!(listed.made(), drawn.made());
    }
}
