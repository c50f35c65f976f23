//! Small changes to messages, signed again with the hostile node's own key; never with another's.

use bitcraps_protocol::block::{BlockHash, ValidatorIndex, View};
use bitcraps_protocol::chain::State;
use bitcraps_protocol::consensus::{
    Certificate, Message, Notarization, Nullification, Proposal, Statement, ValidatorSet, Vote,
};
use bitcraps_protocol::identity::{Context, Epoch, Keypair, Signature};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::simulation::Packet;
use bitcraps_protocol::time::BlockTime;
use bitcraps_protocol::wire::{Hash, decode, encode};
use bytes::Bytes;

use super::strategies::Mutation;

/// Whose name and key it is.
#[derive(Debug)]
pub(super) struct Forger {
    pub(super) keypair: Keypair,
    pub(super) index: ValidatorIndex,
    pub(super) context: Context,
    pub(super) validators: ValidatorSet,
}

/// The group's order, little endian: what is added to S makes another S for the same point.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

impl Forger {
    /// Another version of `packet`, as the bytes of a message; `None` if there is none of this kind.
    pub(super) fn mutate(
        &self,
        packet: &Packet,
        mutation: Mutation,
        history: &[Packet],
        state: &State,
        rng: &mut Rng,
    ) -> Option<Bytes> {
        let packet = match mutation {
            Mutation::Shares
            | Mutation::Degree
            | Mutation::CopiedKey
            | Mutation::RogueKey
            | Mutation::NoKey
            | Mutation::SecondDeal
            | Mutation::FalseComplaint
            | Mutation::OtherDeals => self.dealing(packet, mutation, state, history, rng)?,
            Mutation::Encoding => return Some(reencode(&packet.encode(), rng)),
            Mutation::Lie => return lie(packet, rng),
            Mutation::NoShare => match packet {
                Packet::Finalize { vote, .. } => Packet::Consensus(Message::Vote(*vote)),
                _ => return None,
            },
            Mutation::Share => spoil_share(packet, rng)?,
            Mutation::Parent | Mutation::Payload => {
                self.proposal(packet, mutation, history, rng)?
            }
            Mutation::Usurped => self.usurped(history, rng)?,
            Mutation::Certificate => self.certificate(vote_of(packet)?, history, rng)?,
            Mutation::View
            | Mutation::FarView
            | Mutation::Block
            | Mutation::Kind
            | Mutation::Nullify
            | Mutation::Finalize
            | Mutation::Time
            | Mutation::Voter
            | Mutation::Context
            | Mutation::Signature => {
                let vote = self.vote(vote_of(packet)?, mutation, history, rng);
                match packet {
                    // A leader's vote for its block is its proposal, unless it says otherwise.
                    Packet::Consensus(Message::Proposal(proposal))
                        if vote.statement == proposal.vote.statement
                            || mutation == Mutation::Time =>
                    {
                        let block = proposal.block.clone();
                        Packet::Consensus(Message::Proposal(Proposal { block, vote }))
                    }
                    _ => Packet::Consensus(Message::Vote(vote)),
                }
            }
        };
        Some(packet.encode())
    }

    fn sign(&self, statement: Statement) -> Vote {
        statement.sign(self.index, &self.keypair, &self.context).into_inner()
    }

    fn vote(&self, vote: Vote, mutation: Mutation, history: &[Packet], rng: &mut Rng) -> Vote {
        let statement = vote.statement;
        let view = statement.view();
        let block = named_block(&statement).unwrap_or_else(|| some_block(history, view, rng));
        match mutation {
            Mutation::View => {
                let near = if rng.below(2) == 0 { view.next() } else { View(view.0.max(2) - 1) };
                self.sign(moved(statement, near))
            }
            Mutation::FarView => {
                let far = View(view.0.saturating_add(1 << (4 + rng.below(60))));
                self.sign(moved(statement, far))
            }
            Mutation::Block => {
                let other = some_block(history, view, rng);
                self.sign(match statement {
                    Statement::Notarize { view, time, .. } => {
                        Statement::Notarize { view, block: other, time }
                    }
                    Statement::Finalize { view, .. } => Statement::Finalize { view, block: other },
                    Statement::Nullify { .. } => Statement::Finalize { view, block: other },
                })
            }
            Mutation::Kind => self.sign(match statement {
                Statement::Nullify { .. } => {
                    Statement::Notarize { view, block, time: BlockTime(rng.below(1 << 40)) }
                }
                Statement::Notarize { .. } => Statement::Finalize { view, block },
                Statement::Finalize { .. } => {
                    Statement::Nullify { view, highest: View(view.0.saturating_sub(1)) }
                }
            }),
            Mutation::Nullify => {
                self.sign(Statement::Nullify { view, highest: View(rng.below(view.0.max(1))) })
            }
            Mutation::Finalize => self.sign(Statement::Finalize { view, block }),
            Mutation::Time => self.sign(match statement {
                Statement::Notarize { view, block, .. } => {
                    let times = [0, 1, u64::MAX, 1 << 62, rng.below(1 << 45)];
                    let time = BlockTime(times[rng.below(5) as usize]);
                    Statement::Notarize { view, block, time }
                }
                Statement::Nullify { .. } | Statement::Finalize { .. } => statement,
            }),
            Mutation::Voter => {
                let others = self.validators.len() as u64 + 3;
                Vote { voter: ValidatorIndex(rng.below(others) as u16), ..self.sign(statement) }
            }
            Mutation::Context => {
                let Context { network, epoch } = self.context;
                let context = match rng.below(2) {
                    0 => Context { network, epoch: Epoch(epoch.0 + 1 + rng.below(3)) },
                    _ => Context { network: Hash(rng.bytes32()), epoch },
                };
                statement.sign(self.index, &self.keypair, &context).into_inner()
            }
            Mutation::Signature => Vote { signature: doubtful(vote.signature, rng), ..vote },
            Mutation::Parent
            | Mutation::Payload
            | Mutation::Usurped
            | Mutation::Certificate
            | Mutation::Encoding
            | Mutation::NoShare
            | Mutation::Share
            | Mutation::Lie
            | Mutation::Shares
            | Mutation::Degree
            | Mutation::CopiedKey
            | Mutation::RogueKey
            | Mutation::NoKey
            | Mutation::SecondDeal
            | Mutation::FalseComplaint
            | Mutation::OtherDeals => vote,
        }
    }

    /// Another proposal for the same view: signed by its leader, and wrong somewhere.
    fn proposal(
        &self,
        packet: &Packet,
        mutation: Mutation,
        history: &[Packet],
        rng: &mut Rng,
    ) -> Option<Packet> {
        let Packet::Consensus(Message::Proposal(proposal)) = packet else { return None };
        let mut block = proposal.block.clone();
        match mutation {
            Mutation::Parent => match rng.below(4) {
                // Views are skipped, and nothing says that they were nullified.
                0 => block.justification.skipped = None,
                1 => block.justification.parent = None,
                2 => block.header.parent = Default::default(),
                _ => {
                    let blocks = proposals(history).map(|it| &it.block);
                    let older = blocks.filter(|it| it.header.view < block.header.parent.view);
                    let older: Vec<_> = older.collect();
                    let parent = older.get(rng.below(older.len().max(1) as u64) as usize)?;
                    block.header.parent = parent.as_parent();
                    block.header.height = parent.header.height.next();
                }
            },
            _ => match rng.below(6) {
                0 => block.header.commitments.state = Hash(rng.bytes32()),
                1 => block.header.commitments.has_rolls ^= true,
                2 => block.header.time.0 = block.header.time.0.saturating_add(rng.below(1 << 40)),
                3 => block.header.epoch = Epoch(block.header.epoch.0 + 1),
                4 => {
                    let other = proposals(history).last()?.block.body.clone();
                    block.body = other;
                }
                _ => {
                    block.body = Bytes::from(vec![rng.below(256) as u8; rng.below(2_000) as usize])
                }
            },
        }
        block.header.justification = block.justification.hash();
        block.header.body = bitcraps_protocol::block::Header::body_hash(&block.body);
        let Statement::Notarize { view, time, .. } = proposal.vote.statement else { return None };
        let vote = self.sign(Statement::Notarize { view, block: block.hash(), time });
        Some(Packet::Consensus(Message::Proposal(Proposal { block, vote })))
    }

    /// A proposal like the newest one heard, in another's view or under another's name.
    fn usurped(&self, history: &[Packet], rng: &mut Rng) -> Option<Packet> {
        let mut block = proposals(history).last()?.block.clone();
        block.header.view = View(block.header.view.0 + rng.below(3));
        let time = BlockTime(rng.below(1 << 40));
        let statement = Statement::Notarize { view: block.header.view, block: block.hash(), time };
        let mut vote = self.sign(statement);
        if rng.below(2) == 0 {
            vote.voter = self.validators.leader(block.header.view);
        }
        Some(Packet::Consensus(Message::Proposal(Proposal { block, vote })))
    }

    /// A certificate of what votes there are: one's own many times, votes of one voter too few, or
    /// votes that were signed for something else.
    fn certificate(&self, own: Vote, history: &[Packet], rng: &mut Rng) -> Option<Packet> {
        let quorum = self.validators.quorum();
        let (view, time) = (own.view(), BlockTime(0));
        let block = named_block(&own.statement).unwrap_or_else(|| some_block(history, view, rng));
        let notarize = self.sign(Statement::Notarize { view, block, time });
        let heard = history.iter().filter_map(vote_of);
        let mut votes: Vec<Vote> = match rng.below(4) {
            0 => vec![notarize; quorum],
            1 => heard
                .filter(|vote| vote.view() == view)
                .take(quorum.saturating_sub(1))
                .chain([notarize])
                .collect(),
            // Right signatures over something else.
            2 => heard
                .take(quorum)
                .map(|vote| Vote { statement: notarize.statement, ..vote })
                .collect(),
            // An index that nobody has.
            _ => (0..quorum)
                .map(|voter| Vote { voter: ValidatorIndex(voter as u16 + 500), ..notarize })
                .collect(),
        };
        if rng.below(2) == 0 {
            votes.sort_by_key(|vote| vote.voter);
            let notarization = Notarization::forge(view, block, &votes)?;
            let certificate = Certificate::Notarization(notarization);
            return Some(Packet::Consensus(Message::Certificate(certificate)));
        }
        let nullify = self.sign(Statement::Nullify { view, highest: View(0) });
        let votes: Vec<Vote> = votes
            .iter()
            .map(|vote| match vote.voter == self.index {
                true => nullify,
                false => Vote { statement: nullify.statement, ..*vote },
            })
            .collect();
        let certificate = Certificate::Nullification(Nullification::forge(view, &votes)?, None);
        Some(Packet::Consensus(Message::Certificate(certificate)))
    }
}

/// The vote that a message is or carries.
pub(super) fn vote_of(packet: &Packet) -> Option<Vote> {
    match packet {
        Packet::Consensus(Message::Vote(vote)) | Packet::Finalize { vote, .. } => Some(*vote),
        Packet::Consensus(Message::Proposal(proposal)) => Some(proposal.vote),
        Packet::Compact(compact) => Some(compact.headline.vote),
        Packet::Consensus(_)
        | Packet::Share { .. }
        | Packet::AskShares { .. }
        | Packet::Transaction(_)
        | Packet::KeyGeneration(_)
        | Packet::AskGenesis
        | Packet::Genesis(_)
        | Packet::AskSnapshot
        | Packet::Snapshot(_)
        | Packet::AskPart { .. }
        | Packet::Part { .. }
        | Packet::AskLight(_)
        | Packet::Light(_)
        | Packet::Letter(_)
        | Packet::Chat(_)
        | Packet::Sealed { .. }
        | Packet::Hello
        | Packet::Rotation(_)
        | Packet::AskRotation => None,
    }
}

fn proposals(history: &[Packet]) -> impl Iterator<Item = &Proposal> {
    history.iter().filter_map(|packet| match packet {
        Packet::Consensus(Message::Proposal(proposal)) => Some(proposal),
        _ => None,
    })
}

const fn named_block(statement: &Statement) -> Option<BlockHash> {
    match statement {
        Statement::Notarize { block, .. } | Statement::Finalize { block, .. } => Some(*block),
        Statement::Nullify { .. } => None,
    }
}

/// A block that somebody voted for, preferably in this view; or one that does not exist.
fn some_block(history: &[Packet], view: View, rng: &mut Rng) -> BlockHash {
    let named = |packet: &Packet| {
        let vote = vote_of(packet)?;
        Some((vote.view() == view, named_block(&vote.statement)?))
    };
    let mut known: Vec<_> = history.iter().filter_map(named).collect();
    known.sort_unstable();
    known.dedup();
    match rng.below(3) {
        0 => Hash(rng.bytes32()),
        1 => known.last().map_or(Hash([7; 32]), |(_, block)| *block),
        _ => known
            .get(rng.below(known.len().max(1) as u64) as usize)
            .map_or(Hash([7; 32]), |(_, block)| *block),
    }
}

fn moved(statement: Statement, view: View) -> Statement {
    match statement {
        Statement::Notarize { block, time, .. } => Statement::Notarize { view, block, time },
        Statement::Finalize { block, .. } => Statement::Finalize { view, block },
        Statement::Nullify { highest, .. } => {
            Statement::Nullify { view, highest: highest.min(View(view.0.saturating_sub(1))) }
        }
    }
}

/// A signature that differs from a good one only for those who look closely, or not at all.
fn doubtful(good: Signature, rng: &mut Rng) -> Signature {
    let mut bytes = good.0;
    match rng.below(4) {
        // S + L: the same number modulo the group's order.
        0 => {
            let mut carry = 0;
            for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
                let sum = u16::from(*byte) + u16::from(order) + carry;
                (*byte, carry) = (sum as u8, sum >> 8);
            }
        }
        // R is the identity, of order 1, or the point of order 2.
        1 => bytes[..32].copy_from_slice(&{
            let mut identity = [0; 32];
            identity[0] = 1;
            identity
        }),
        2 => {
            bytes[..32].fill(0xff);
            (bytes[0], bytes[31]) = (0xec, 0x7f);
        }
        _ => bytes[rng.below(64) as usize] ^= 1 << rng.below(8),
    }
    Signature(bytes)
}

/// The same message in other bytes: something after its end, or a number that is longer than it
/// has to be.
fn reencode(bytes: &[u8], rng: &mut Rng) -> Bytes {
    let mut bytes = bytes.to_vec();
    match rng.below(3) {
        0 => bytes.push(0),
        1 => {
            let first = bytes[0];
            bytes[0] = first | 0x80;
            bytes.insert(1, 0);
        }
        _ => {
            let length = rng.below(bytes.len() as u64) as usize;
            bytes.truncate(length);
        }
    }
    Bytes::from(bytes)
}

fn spoil_share(packet: &Packet, rng: &mut Rng) -> Option<Packet> {
    let spoil = |share| {
        let mut bytes = encode(share);
        let at = rng.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1;
        decode(&bytes, bytes.len()).ok()
    };
    Some(match packet {
        Packet::Finalize { vote, key, share } => {
            Packet::Finalize { vote: *vote, key: *key, share: { spoil }(share)? }
        }
        Packet::Share { view, key, index, share } => {
            let (view, key, index) = (*view, *key, *index);
            Packet::Share { view, key, index, share: { spoil }(share)? }
        }
        _ => return None,
    })
}

fn lie(packet: &Packet, rng: &mut Rng) -> Option<Bytes> {
    let packet = match packet {
        Packet::Consensus(Message::Status(status)) => {
            let mut status = *status;
            let by = 1 << rng.below(40);
            match rng.below(3) {
                0 => status.view.0 = status.view.0.saturating_add(by),
                1 => status.finalized.0 = status.finalized.0.saturating_add(by),
                _ => (status.view, status.finalized) = Default::default(),
            }
            Packet::Consensus(Message::Status(status))
        }
        Packet::Consensus(Message::Decided(decided)) => {
            let mut decided = decided.to_vec();
            let at = rng.below(decided.len().max(1) as u64) as usize;
            match rng.below(3) {
                0 => decided.truncate(at),
                1 => decided.get_mut(at)?.finalization = None,
                _ => decided.get_mut(at)?.block.header.time.0 ^= 1,
            }
            let decided = bitcraps_protocol::wire::List::new(decided).ok()?;
            Packet::Consensus(Message::Decided(decided))
        }
        Packet::Consensus(Message::Block(block)) => {
            let mut block = block.clone();
            block.header.time.0 ^= 1;
            Packet::Consensus(Message::Block(block))
        }
        _ => return None,
    };
    Some(packet.encode())
}
