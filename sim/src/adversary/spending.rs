//! Transactions that a hostile node makes besides those of its player.

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Nonce, Operation, Transaction};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::identity::{Address, PeerId};
use bitcraps_protocol::mesh::Attempt;
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::simulation::{Outgoing, Packet, To};
use bitcraps_protocol::time::Time;

use super::Hostile;
use super::strategies::Audience;

impl Hostile {
    /// Two transfers with one nonce, each for some of the neighbours.
    pub(super) fn double_spend(&mut self, now: Time, rng: &mut Rng) {
        let Some(nonce) = self.next_nonce() else { return };
        let network = self.forger.context.network;
        let (first, sender) =
            (self.audience(Audience::Some, &Packet::AskGenesis, rng), self.inner[0].address());
        let accounts: Vec<PeerId> =
            self.inner[0].state().accounts().map(|(peer, _)| peer).collect();
        let pay = |rng: &mut Rng| {
            let peer = accounts[rng.below(accounts.len() as u64) as usize];
            let to = Address { peer, ..sender };
            let balance = self.inner[0].state().account(&sender.peer).map(|it| it.balance);
            let amount = balance.unwrap_or(Chips(1));
            let expires = Height(self.inner[0].status().height.0 + 100);
            let operation = Operation::Transfer { to, amount };
            let transaction = Transaction { sender, nonce, expires, operation };
            let signed = transaction.sign(&self.forger.keypair, network);
            Packet::Transaction(signed.signed().clone()).encode()
        };
        let (one, other) = (pay(rng), pay(rng));
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            let message = if first.contains(&link) { &one } else { &other };
            self.whisper(now, link, message.clone());
        }
        self.followed("spent twice");
    }

    /// A bet for the round whose dice are rolling.
    pub(super) fn bet_late(&mut self, now: Time, rng: &mut Rng) {
        let Some(nonce) = self.next_nonce() else { return };
        let pending = self.inner[0].state().meta().pending.iter().last().copied();
        let Some(roll) = pending else { return };
        let bet = ["pass", "field", "any_seven"][rng.below(3) as usize].parse();
        let Ok(bet) = bet else { return };
        let sender = self.inner[0].address();
        let expires = Height(self.inner[0].status().height.0 + 100);
        let operation =
            Operation::Bet { table: roll.table, round: roll.round, bet, amount: Chips(10) };
        let transaction = Transaction { sender, nonce, expires, operation };
        let signed = transaction.sign(&self.forger.keypair, self.forger.context.network);
        let to = To::Everybody { attempt: Attempt::default() };
        let packet = Packet::Transaction(signed.signed().clone());
        self.inner[0].release(now, Outgoing::new(to, &packet));
        self.followed("bet late");
    }

    fn next_nonce(&self) -> Option<Nonce> {
        let account = self.inner[0].state().account(&self.inner[0].address().peer)?;
        Some(Nonce(account.nonce.0 + 1))
    }
}
