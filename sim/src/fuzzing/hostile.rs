//! What a neighbour says that no honest node would.

use bitcraps_protocol::block::{Height, ValidatorIndex, View};
use bitcraps_protocol::chain::{Key, Nonce, Operation, PartId, Transaction};
use bitcraps_protocol::consensus::{Message, Request, Statement, Status};
use bitcraps_protocol::craps::{Bet, Chips, Round, Rules};
use bitcraps_protocol::fuzzing::Choices;
use bitcraps_protocol::identity::{Address, Context, Epoch};
use bitcraps_protocol::light::{Question, Subject};
use bitcraps_protocol::simulation::Packet;
use bitcraps_protocol::time::BlockTime;
use bitcraps_protocol::wire::{Hash, Text};
use bytes::Bytes;

use super::driver::{SIGNATURES, START_MS};
use super::node::{Net, TABLE};

impl Net {
    /// Something rightly signed that no honest node would say.
    pub(super) fn forged(&self, other: usize, choices: &mut Choices<'_>) -> Packet {
        let status = self.victim().node().status();
        let view = match choices.below(8) {
            0 => View(u64::MAX - choices.below(4)),
            near => View((status.view.0 + 4).saturating_sub(near)),
        };
        let block = match choices.below(4) {
            0 => status.block,
            1 => Hash([choices.byte(); 32]),
            _ => self.proposed(choices).unwrap_or(status.block),
        };
        match choices.below(8) {
            kind @ 0..=4 => {
                let statement = match kind {
                    0 | 1 => Statement::Notarize { view, block, time: BlockTime(START_MS) },
                    2 | 3 => Statement::Finalize { view, block },
                    _ => {
                        let highest = View(view.0.saturating_sub(choices.below(4)));
                        Statement::Nullify { view, highest }
                    }
                };
                // Any validator's name, even one that there is not.
                let voter = choices.index(self.founded.identities.len()).max(1);
                let key = SIGNATURES.equip(&self.founded.identities[voter].0);
                let context = Context { network: status.network, epoch: Epoch(0) };
                let vote = statement.sign(ValidatorIndex(voter as u16), &key, &context);
                Packet::Consensus(Message::Vote(vote.into_inner()))
            }
            5 => {
                let finalized = Height(choices.pick(&[5, 3_000, u64::MAX]));
                Packet::Consensus(Message::Status(Status { view, finalized }))
            }
            6 => {
                let from = Height(choices.below(16));
                Packet::Consensus(Message::Request(match choices.below(4) {
                    0 => Request::Decided { from },
                    1 => Request::Block { hash: block },
                    2 => Request::Certificate { above: view },
                    _ => Request::Notarization { at_least: view },
                }))
            }
            _ => {
                let (key, proof) = &self.founded.identities[other];
                let sender = Address { peer: key.peer(), proof: *proof };
                let transaction = Transaction {
                    sender,
                    nonce: Nonce(1 + choices.below(4)),
                    expires: Height(1_000),
                    operation: self.operation(choices),
                };
                let signed = transaction.sign(&SIGNATURES.equip(key), status.network);
                Packet::Transaction(signed.signed().clone())
            }
        }
    }

    /// A block that somebody proposed lately.
    fn proposed(&self, choices: &mut Choices<'_>) -> Option<Hash> {
        let proposals = self.said.iter().filter_map(|message| match Packet::decode(message) {
            Ok(Packet::Consensus(Message::Proposal(proposal))) => Some(proposal.block.hash()),
            _ => None,
        });
        let proposals: Vec<Hash> = proposals.collect();
        (!proposals.is_empty()).then(|| choices.pick(&proposals))
    }

    /// Something that a player may want.
    pub(super) fn operation(&self, choices: &mut Choices<'_>) -> Operation {
        let table = TABLE;
        let entry = self.victim().node().state().table(table);
        let round = entry.map_or(Round(1), |entry| entry.table.round());
        match choices.below(8) {
            0 => open_table(Chips(choices.below(1 << 14))),
            1 => Operation::Sit { table },
            2 | 3 => {
                let bet = choices.pick(&[Bet::Pass, Bet::Field, Bet::AnySeven, Bet::Come]);
                let amount = Chips(1 + choices.below(256));
                Operation::Bet { table, round, bet, amount }
            }
            4 | 5 => Operation::Roll { table, round },
            6 => {
                let (key, proof) = &self.founded.identities[choices.index(2)];
                let to = Address { peer: key.peer(), proof: *proof };
                Operation::Transfer { to, amount: Chips(choices.below(1 << 14)) }
            }
            _ => Operation::Stand { table },
        }
    }

    /// A question that neighbours seldom ask.
    pub(super) fn question(&self, choices: &mut Choices<'_>) -> Packet {
        let status = self.victim().node().status();
        let table = TABLE;
        let ask = |subject| Packet::AskLight(Question { above: Height(0), subject });
        match choices.below(8) {
            0 => Packet::Hello,
            1 => Packet::AskRotation,
            2 => Packet::AskGenesis,
            3 => Packet::AskSnapshot,
            4 => {
                let key = choices.pick(&[Key::Meta, Key::Table(table)]);
                let parts = [PartId::all(0).next().expect("the whole"), PartId::holding(&key)];
                Packet::AskPart { block: status.block, part: choices.pick(&parts) }
            }
            5 => ask(Subject::Headers),
            6 => ask(Subject::Entry(Key::Table(table))),
            _ => {
                let round = Round(1 + choices.below(2));
                ask(Subject::Receipt { table, round, player: None })
            }
        }
    }
}

/// A table whose rolls wait for nobody.
pub(super) fn open_table(bank: Chips) -> Operation {
    let name = Text::new("t").expect("a short name");
    Operation::OpenTable { name, rules: Rules { window_ms: 0, ..Rules::default() }, bank }
}

/// Some bytes of these are others, lacking, or new.
pub(super) fn changed(bytes: &Bytes, choices: &mut Choices<'_>) -> Bytes {
    let mut bytes = bytes.to_vec();
    for _ in 0..=choices.below(3) {
        let at = choices.below(1 << 16) as usize % (bytes.len() + 1);
        match choices.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, choices.byte()),
            _ if at == bytes.len() => {}
            2 => bytes[at] ^= 1 << choices.below(8),
            _ => bytes[at] = choices.byte(),
        }
    }
    Bytes::from(bytes)
}
