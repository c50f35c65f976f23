//! Two ends of an established session.

use bitcraps_protocol::event::LinkKind;
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::session::{LocalIdentity, Outcome, Session};
use bitcraps_protocol::wire::Hash;
use bytes::Bytes;

use super::{address, keypair};

/// Bytes of the largest frame; that of TCP.
pub const MTU: u32 = 65_544;

/// An identity of the network in which the benchmarks' links are.
pub fn identity(number: u16) -> LocalIdentity {
    let keypair = keypair(number);
    LocalIdentity::new(&keypair, address(&keypair).proof, Hash([42; 32]), 0)
}

/// Both ends, the one that opened the link first.
pub fn pair() -> (Session, Session) {
    let rng = |seed| Rng::new([seed; 32]);
    let (mut left, first) = Session::initiate(&identity(0), rng(1), MTU, LinkKind::Stream);
    let mut right = Session::accept(&identity(1), rng(2), MTU, LinkKind::Stream);
    let second = reply(right.handle(&first).expect("the first message"));
    let third = reply(left.handle(&second).expect("the second"));
    right.handle(&third).expect("the third");
    (left, right)
}

fn reply(outcomes: Vec<Outcome>) -> Bytes {
    let reply = outcomes.into_iter().find_map(|outcome| match outcome {
        Outcome::Reply(frame) => Some(frame),
        Outcome::Established(_) | Outcome::Message(_) => None,
    });
    reply.expect("each of the first two messages is answered")
}

/// Carries a message from one end to the other.
pub fn carry(left: &mut Session, right: &mut Session, message: &[u8]) {
    for frame in left.seal(message).expect("it is short enough") {
        right.handle(&frame).expect("it is what was sealed");
    }
}
