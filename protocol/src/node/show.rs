//! What light nodes are shown: headers, and what lies in the newest final state.

use alloc::boxed::Box;

use super::Node;
use super::packet::{PACKET_BYTES, Packet};
use crate::chain::{Key, PartId};
use crate::consensus;
use crate::event::LinkId;
use crate::light::{Answer, Found, Lack, Question, Subject, Trail};
use crate::mesh;
use crate::receipt::NoReceipt;
use crate::wire::encode;

impl Node {
    /// A light node asks something.
    pub(super) fn show(&mut self, link: LinkId, question: Question) {
        if self.light_links.insert(link) {
            // It has nothing to say about votes and blocks: it is not asked, and not told.
            self.consensus.handle(self.now, consensus::Input::LinkDown { link });
            self.mesh.handle(self.now, mesh::Input::Quiet { link });
        }
        let Question { above, subject } = question;
        let trail = self.recent.above(above);
        let found = match &trail {
            _ if matches!(subject, Subject::Receipt { .. }) => self.find(&subject),
            Some(trail) if self.is_newest(trail) => self.find(&subject),
            Some(_) | None => Found::Nothing(Lack::Behind),
        };
        let packet = Packet::Light(Answer { subject, trail, found });
        if encode(&packet).len() <= PACKET_BYTES {
            return self.unicast(link, &packet);
        }
        let found = Found::Nothing(Lack::TooLarge);
        self.unicast(link, &Packet::Light(Answer { subject, trail: None, found }));
    }

    /// Whether a trail ends with the block whose state this node has.
    fn is_newest(&self, trail: &Trail) -> bool {
        trail.headers.last().is_some_and(|last| last.hash() == self.chain.finalized().0)
    }

    fn find(&self, subject: &Subject) -> Found {
        match subject {
            Subject::Headers => Found::Headers,
            Subject::Entry(key) => self.find_entry(key),
            Subject::Receipt { table, round, player } => {
                let material = self.rolls.material(*table, *round);
                match material.and_then(|material| material.receipt(*player)) {
                    Ok(receipt) => Found::Receipt(Box::new(receipt)),
                    Err(none) => Found::Nothing(none.into()),
                }
            }
        }
    }

    fn find_entry(&self, key: &Key) -> Found {
        let state = self.chain.state();
        if let Some((entry, proof)) = state.prove(key) {
            return Found::Entry(Box::new(entry.clone()), proof);
        }
        match state.part(PartId::holding(key), PACKET_BYTES) {
            Some(part) => Found::Absent(Box::new(part)),
            None => Found::Nothing(Lack::TooLarge),
        }
    }
}

impl From<NoReceipt> for Lack {
    fn from(none: NoReceipt) -> Self {
        match none {
            NoReceipt::Unknown | NoReceipt::BadCoin(_) => Self::Unknown,
            NoReceipt::Unsettled => Self::Unsettled,
            NoReceipt::Unsigned => Self::Unsigned,
            NoReceipt::NoBet => Self::NoBet,
        }
    }
}
