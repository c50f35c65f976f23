//! What others may ask of this node beyond what brings the chain forward, and what is done about who
//! asks for more.

use super::{Config, Node};
use crate::chain::{Operation, TableId, Transaction, VerifiedTransaction};
use crate::event::{Fault, LinkId, Notice, Response, Suspicion};
use crate::identity::PeerId;
use crate::mesh;

impl Node {
    /// Whether its sender may open one more table after those that wait, if that is what it asks for.
    pub(super) fn may_open(&mut self, transaction: &VerifiedTransaction) -> bool {
        let Some(opener) = opener(transaction) else { return true };
        let waiting = self.chain.waiting_of(&opener);
        let openings = waiting.filter(|it| self::opener(it).is_some()).count();
        let costs = Config::OPENING_COSTS * (openings as u64 + 1);
        self.openings.affords(self.now, &opener, costs)
    }

    /// A table was opened, whoever took its opening in.
    pub(super) fn count_opening(&mut self, table: TableId) {
        let opened = self.chain.state().table(table);
        if let Some(owner) = opened.map(|entry| entry.owner) {
            self.openings.charge(self.now, &owner, Config::OPENING_COSTS);
        }
    }

    /// Tells people of it.
    pub(super) fn suspect(
        &mut self,
        suspicion: Suspicion,
        peer: Option<PeerId>,
        response: Response,
    ) {
        let severity = suspicion.severity();
        self.notify(Notice::Suspicious { suspicion, peer, severity, response });
    }

    /// Charges a link for work that brings this node nothing.
    pub(super) fn spend(&mut self, link: LinkId, work: u64) {
        self.mesh.handle(self.now, mesh::Input::Spent { link, work });
    }

    pub(super) fn penalise(&mut self, link: LinkId, fault: Fault) {
        self.mesh.handle(self.now, mesh::Input::Penalise { link, fault });
    }
}

/// Who opens a table with it, if that is what it asks for.
fn opener(transaction: &VerifiedTransaction) -> Option<PeerId> {
    let Transaction { sender, operation, .. } = transaction.transaction();
    matches!(operation, Operation::OpenTable { .. }).then_some(sender.peer)
}
