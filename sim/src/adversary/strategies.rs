//! What hostile nodes do, by name: the forty strategies of the simulator's specification, as rules
//! over what an honest node in the same place would say. Triggers and actions are as in Malachite;
//! small-scope mutations as in ByzzFuzz.

/// One way of being hostile.
#[derive(Debug)]
pub struct Strategy {
    /// Its number in the specification.
    pub number: u8,
    /// Its name, as given to `--strategy`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub what: &'static str,
    /// By what means.
    pub how: How,
}

/// How a strategy is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// An honest node's messages pass through these rules.
    Rules(&'static [Rule]),
    /// Two honest nodes with one key; each view, each of them talks to some neighbours.
    Twins,
    /// Not by hostile nodes but by the faults of links, disks and clocks named here.
    Faults(&'static str),
    /// Not at all, for this reason.
    Absent(&'static str),
}

/// When what is said or heard matches, and chance wills it, something else is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is said or heard.
    pub on: On,
    /// In how many of a thousand cases.
    pub permille: u16,
    /// What is done then.
    pub act: Act,
}

/// What a node was about to say, or heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Its own proposal.
    Proposal,
    /// Its own notarize vote.
    Notarize,
    /// Its own nullify vote.
    Nullify,
    /// Its own finalize vote, perhaps with its share of a coin.
    Finalize,
    /// Any vote of its own, and its proposals.
    Vote,
    /// Its own finalize vote with a share, or its share alone.
    Share,
    /// What it deals to make a dice key.
    Deal,
    /// That it opened what others dealt.
    Attest,
    /// A certificate.
    Certificate,
    /// Where it stands.
    Status,
    /// An answer to a neighbour's question.
    Answer,
    /// A transaction of its own or offered again.
    Transaction,
    /// What it passes on for others.
    Relay,
    /// A message that arrived.
    Heard,
    /// A transaction that arrived.
    HeardTransaction,
}

/// What is done instead or besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing is said; what was heard is not.
    Drop,
    /// It is said up to so many milliseconds later.
    Late {
        /// At least.
        least_ms: u32,
        /// At most.
        most_ms: u32,
    },
    /// It is said several times.
    Repeat,
    /// Only these hear it.
    OnlyTo(Audience),
    /// Another version is said to everybody.
    Instead(Mutation),
    /// It is said, and so is another version.
    Also(Mutation),
    /// Some hear it, the others hear another version.
    Split(Mutation),
    /// Every neighbour hears another version.
    EachItsOwn(Mutation),
    /// It is said, and some of what was ever heard or said is said again.
    Replay {
        /// How many messages.
        count: u8,
    },
    /// It is said, and so are bytes that make little sense.
    Garbage,
    /// It is said, and so are two transactions that cannot both be valid, to different neighbours.
    DoubleSpend,
    /// It is said, and so is a bet on a roll whose dice are about to be known.
    LateBet,
}

/// Who hears something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One neighbour.
    One,
    /// Each with even chance.
    Some,
    /// So many that one vote is missing for a quorum.
    QuorumLessOne,
    /// All but the next view's leader.
    AllButNextLeader,
}

/// Small changes, signed again with the node's own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Another view, one up or down.
    View,
    /// A view far ahead.
    FarView,
    /// Another block, from what was heard or from nowhere.
    Block,
    /// Another of the three kinds of vote.
    Kind,
    /// A nullify of the same view that claims to hold less.
    Nullify,
    /// A finalize vote for the same view.
    Finalize,
    /// Another stated time.
    Time,
    /// A proposal on another parent, or with another justification.
    Parent,
    /// A proposal with another body, state root, epoch or network.
    Payload,
    /// The same statement by another validator, signed with the own key.
    Voter,
    /// A proposal for a view that another validator leads.
    Usurped,
    /// A signature for another epoch or network.
    Context,
    /// A signature that some verifiers accept: S above the group's order, a small-order point.
    Signature,
    /// A certificate of too few, repeated, or foreign votes.
    Certificate,
    /// Another encoding of the same message.
    Encoding,
    /// The share of a coin is missing.
    NoShare,
    /// The share of a coin is wrong.
    Share,
    /// A lie about where one stands, or an answer that was tampered with.
    Lie,
    /// A deal with wrong shares for some.
    Shares,
    /// A deal of another degree.
    Degree,
    /// A deal under the one-time key of another dealer.
    CopiedKey,
    /// A deal whose secret depends on another dealer's.
    RogueKey,
    /// A deal under a one-time key that is none.
    NoKey,
    /// A good deal, but not the one it makes.
    SecondDeal,
    /// An attest that complains about good deals.
    FalseComplaint,
    /// An attest to deals that nobody made.
    OtherDeals,
}

const fn rule(on: On, permille: u16, act: Act) -> Rule {
    Rule { on, permille, act }
}

const fn strategy(number: u8, name: &'static str, what: &'static str, how: How) -> Strategy {
    Strategy { number, name, what, how }
}

use Act::*;
use How::*;

/// All forty, in the specification's order; some come in several kinds.
pub const STRATEGIES: [Strategy; 47] = [
    strategy(1, "equivocate", "two valid blocks in one view, and votes to match", Twins),
    strategy(
        2,
        "equivocate-widely",
        "a different proposal for every neighbour, or one for all but some",
        Rules(&[
            rule(On::Proposal, 400, EachItsOwn(Mutation::Payload)),
            rule(On::Proposal, 400, Split(Mutation::Payload)),
            rule(On::Notarize, 300, Split(Mutation::Block)),
        ]),
    ),
    strategy(3, "silent-leader", "no proposal", Rules(&[rule(On::Proposal, 700, Drop)])),
    strategy(
        4,
        "selective-proposal",
        "a proposal for one neighbour, or for almost a quorum",
        Rules(&[
            rule(On::Proposal, 300, OnlyTo(Audience::One)),
            rule(On::Proposal, 300, OnlyTo(Audience::QuorumLessOne)),
            rule(On::Proposal, 300, OnlyTo(Audience::Some)),
        ]),
    ),
    strategy(
        5,
        "late-proposal",
        "a proposal at about the time when others give up",
        Rules(&[rule(On::Proposal, 800, Late { least_ms: 200, most_ms: 1_500 })]),
    ),
    strategy(
        6,
        "stale-parent",
        "a proposal on another parent than the newest notarized block",
        Rules(&[rule(On::Proposal, 600, Instead(Mutation::Parent))]),
    ),
    strategy(
        7,
        "invalid-payload",
        "a proposal whose body, state root, epoch or network is wrong",
        Rules(&[rule(On::Proposal, 700, Instead(Mutation::Payload))]),
    ),
    strategy(
        8,
        "withhold-body",
        "votes for a block that hardly anybody has, and no answers",
        Rules(&[
            rule(On::Proposal, 700, OnlyTo(Audience::QuorumLessOne)),
            rule(On::Answer, 900, Drop),
        ]),
    ),
    strategy(
        9,
        "impersonate",
        "votes under others' names, proposals in others' views",
        Rules(&[
            rule(On::Notarize, 60, Also(Mutation::Usurped)),
            rule(On::Vote, 30, Also(Mutation::Voter)),
        ]),
    ),
    strategy(
        10,
        "double-notarize",
        "notarize votes for two blocks of a view",
        Rules(&[
            rule(On::Notarize, 400, Also(Mutation::Block)),
            rule(On::Notarize, 400, Split(Mutation::Block)),
        ]),
    ),
    strategy(
        11,
        "nullify-and-finalize",
        "nullify and finalize votes of one view",
        Rules(&[
            rule(On::Finalize, 500, Also(Mutation::Nullify)),
            rule(On::Finalize, 300, Split(Mutation::Nullify)),
            rule(On::Nullify, 500, Also(Mutation::Finalize)),
        ]),
    ),
    strategy(
        12,
        "nullify-only",
        "nullify votes and nothing else",
        Rules(&[
            rule(On::Proposal, 1_000, Drop),
            rule(On::Notarize, 1_000, Instead(Mutation::Nullify)),
            rule(On::Finalize, 1_000, Drop),
        ]),
    ),
    strategy(
        13,
        "unfounded-votes",
        "finalize without notarize, notarize after nullify",
        Rules(&[
            rule(On::Notarize, 500, Instead(Mutation::Finalize)),
            rule(On::Nullify, 500, Also(Mutation::Kind)),
            rule(On::Finalize, 200, Also(Mutation::View)),
        ]),
    ),
    strategy(
        14,
        "release-to-one",
        "votes that only one neighbour gets, or that come late",
        Rules(&[
            rule(On::Vote, 400, OnlyTo(Audience::One)),
            rule(On::Vote, 300, Late { least_ms: 20, most_ms: 3_000 }),
            rule(On::Certificate, 900, OnlyTo(Audience::One)),
        ]),
    ),
    strategy(
        15,
        "hidden-certificate",
        "certificates and answers kept back, then shown to one neighbour much later",
        Rules(&[
            rule(On::Certificate, 600, Late { least_ms: 500, most_ms: 6_000 }),
            rule(On::Certificate, 1_000, OnlyTo(Audience::One)),
            rule(On::Answer, 700, Drop),
            rule(On::Relay, 700, Drop),
            rule(On::Finalize, 500, OnlyTo(Audience::One)),
        ]),
    ),
    strategy(
        16,
        "amnesia",
        "votes again from an older disk image",
        Faults("disks that lie about what is durable (--liars), which share the budget f"),
    ),
    strategy(
        17,
        "cross-domain",
        "votes signed for another epoch or network",
        Rules(&[rule(On::Vote, 60, Also(Mutation::Context))]),
    ),
    strategy(
        18,
        "far-future",
        "votes for views far ahead",
        Rules(&[rule(On::Vote, 900, Also(Mutation::FarView))]),
    ),
    strategy(
        19,
        "outdated",
        "old votes and certificates, again and again",
        Rules(&[rule(On::Vote, 500, Replay { count: 4 })]),
    ),
    strategy(
        20,
        "forged-certificate",
        "certificates of too few, repeated or foreign votes",
        Rules(&[rule(On::Vote, 60, Also(Mutation::Certificate))]),
    ),
    strategy(
        21,
        "torsion",
        "signatures that a careless verifier accepts",
        Rules(&[rule(On::Vote, 60, Instead(Mutation::Signature))]),
    ),
    strategy(
        22,
        "bad-signatures",
        "a bad signature now and then, to make others search for it",
        Rules(&[rule(On::Vote, 15, Also(Mutation::Signature))]),
    ),
    strategy(
        23,
        "malleable",
        "another encoding of the same message",
        Rules(&[rule(On::Vote, 60, Instead(Mutation::Encoding))]),
    ),
    strategy(
        24,
        "sync-lies",
        "lies about where it stands, answers that are late, altered or missing",
        Rules(&[
            rule(On::Status, 500, Instead(Mutation::Lie)),
            rule(On::Answer, 200, Instead(Mutation::Lie)),
            rule(On::Answer, 400, Drop),
            rule(On::Answer, 300, Late { least_ms: 100, most_ms: 3_000 }),
        ]),
    ),
    strategy(
        25,
        "replay-flood",
        "everything ever heard, to everybody",
        Rules(&[rule(On::Vote, 300, Replay { count: 32 })]),
    ),
    strategy(
        26,
        "garbage",
        "bytes that are hardly messages",
        Rules(&[rule(On::Vote, 40, Garbage), rule(On::Answer, 100, Garbage)]),
    ),
    strategy(27, "deaf", "speaks and does not hear", Rules(&[rule(On::Heard, 700, Drop)])),
    strategy(
        28,
        "desynchronise",
        "nullify votes and certificates for some, so that others stay behind",
        Rules(&[
            rule(On::Nullify, 800, OnlyTo(Audience::Some)),
            rule(On::Certificate, 800, OnlyTo(Audience::Some)),
            rule(On::Notarize, 400, OnlyTo(Audience::Some)),
            rule(On::Finalize, 400, Drop),
        ]),
    ),
    strategy(
        29,
        "gray-leader",
        "slow, but never too slow; and the next leader hears nothing",
        Rules(&[
            rule(On::Proposal, 900, Late { least_ms: 150, most_ms: 240 }),
            rule(On::Vote, 500, OnlyTo(Audience::AllButNextLeader)),
        ]),
    ),
    strategy(
        30,
        "censor",
        "orders no transaction but its own",
        Rules(&[rule(On::HeardTransaction, 1_000, Drop)]),
    ),
    strategy(
        31,
        "wrong-clock",
        "states absurd times; honest clocks drift and jump as faults",
        Rules(&[rule(On::Notarize, 700, Instead(Mutation::Time))]),
    ),
    strategy(
        32,
        "bad-relay",
        "passes on nothing, too much, or something else",
        Rules(&[
            rule(On::Relay, 400, Drop),
            rule(On::Relay, 200, Repeat),
            rule(On::Relay, 200, Late { least_ms: 10, most_ms: 2_000 }),
            rule(On::Relay, 20, Instead(Mutation::Encoding)),
        ]),
    ),
    strategy(
        33,
        "relay-flood",
        "floods links with what others must pass on",
        Rules(&[rule(On::Vote, 600, Repeat), rule(On::Transaction, 600, Repeat)]),
    ),
    strategy(
        34,
        "last-revealer",
        "keeps its share of a coin until it knows the dice, or for ever",
        Rules(&[
            rule(On::Share, 500, Instead(Mutation::NoShare)),
            rule(On::Share, 400, Late { least_ms: 50, most_ms: 3_000 }),
        ]),
    ),
    strategy(
        35,
        "abort-grinding",
        "nullifies views whose dice it could see",
        Rules(&[rule(On::Share, 900, Instead(Mutation::Nullify))]),
    ),
    strategy(
        36,
        "bad-share",
        "shares of coins that are not",
        Rules(&[rule(On::Share, 500, Instead(Mutation::Share))]),
    ),
    strategy(
        37,
        "bad-shares",
        "deals with wrong shares for some members",
        Rules(&[rule(On::Deal, 1_000, Instead(Mutation::Shares))]),
    ),
    strategy(
        37,
        "wrong-degree",
        "deals of another degree than the threshold asks for",
        Rules(&[rule(On::Deal, 1_000, Instead(Mutation::Degree))]),
    ),
    strategy(
        37,
        "copied-key",
        "deals under another dealer's one-time key, so that complaints open what that one dealt",
        Rules(&[rule(On::Deal, 1_000, Instead(Mutation::CopiedKey))]),
    ),
    strategy(
        37,
        "rogue-key",
        "deals last, with a secret made from another's, or under no key",
        Rules(&[
            rule(On::Deal, 300, Instead(Mutation::NoKey)),
            rule(On::Deal, 1_000, Instead(Mutation::RogueKey)),
        ]),
    ),
    strategy(
        37,
        "two-deals",
        "deals differently for different members",
        Rules(&[rule(On::Deal, 1_000, Split(Mutation::SecondDeal))]),
    ),
    strategy(
        37,
        "false-complaints",
        "complaints about good deals, about one or all, again and again",
        Rules(&[
            rule(On::Attest, 800, Instead(Mutation::FalseComplaint)),
            rule(On::Attest, 1_000, EachItsOwn(Mutation::OtherDeals)),
        ]),
    ),
    strategy(
        37,
        "no-deal",
        "neither deals nor attests",
        Rules(&[rule(On::Deal, 1_000, Drop), rule(On::Attest, 1_000, Drop)]),
    ),
    strategy(
        37,
        "late-dealer",
        "deals and attests at the last moment, or after it",
        Rules(&[
            rule(On::Deal, 900, Late { least_ms: 500, most_ms: 8_000 }),
            rule(On::Attest, 900, Late { least_ms: 500, most_ms: 8_000 }),
        ]),
    ),
    strategy(
        38,
        "late-bet",
        "bets on a roll once its dice can be known",
        Rules(&[rule(On::Vote, 500, LateBet)]),
    ),
    strategy(
        39,
        "double-spend",
        "conflicting transfers for different neighbours",
        Rules(&[rule(On::Vote, 200, DoubleSpend)]),
    ),
    strategy(
        40,
        "adaptive",
        "the faulty validators change with every epoch",
        Absent("there is one epoch yet; who is faulty is drawn once a run"),
    ),
];

/// The strategy of this name.
pub fn named(name: &str) -> Option<&'static Strategy> {
    STRATEGIES.iter().find(|strategy| strategy.name == name)
}

impl Strategy {
    /// Whether it is about making a dice key, so that there is nothing to do if one was dealt.
    pub const fn makes_keys(&self) -> bool {
        self.number == 37
    }
}

/// The strategies that a hostile node can follow.
pub fn playable() -> impl Iterator<Item = &'static Strategy> {
    STRATEGIES.iter().filter(|strategy| matches!(strategy.how, Rules(_) | Twins))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{Config, DiceKeySource, Workload};
    use crate::run::{Watch, run};

    #[test]
    fn no_strategy_of_one_harms_four_and_each_is_followed() {
        let told = ["heard nothing", "kept silent", "spoke late", "repeated itself"];
        let did = ["spoke to some", "forged", "replayed", "spoke nonsense", "spent twice"];
        let others = ["spoke as twins", "bet late"];
        for strategy in playable() {
            let workload = Workload { every_ms: 40, mix: [2, 4, 5, 3, 0], ..Workload::default() };
            let strategies = vec![strategy.name.to_owned()];
            let mut config = Config { byzantine: 1, strategies, workload, ..Config::default() };
            if strategy.makes_keys() {
                config.dice_key = DiceKeySource::Chain;
            }
            let follows = |seed| {
                let report = run(&Config { seed, ..config.clone() }, None, Watch::default()).report;
                assert_eq!(report.violation, None, "{}, seed {seed}", strategy.name);
                let names = told.iter().chain(&did).chain(&others);
                names.map(|name| report.counters.get(*name).copied().unwrap_or(0)).sum::<u64>() > 0
            };
            assert!((1..=8).any(follows), "{} was never followed", strategy.name);
        }
    }

    #[test]
    fn all_forty_are_listed_in_order() {
        let mut numbers: Vec<u8> = STRATEGIES.iter().map(|strategy| strategy.number).collect();
        assert!(numbers.is_sorted());
        numbers.dedup();
        assert_eq!(numbers, (1..=40).collect::<Vec<u8>>());
        let names: BTreeSet<_> = STRATEGIES.iter().map(|strategy| strategy.name).collect();
        assert_eq!(names.len(), STRATEGIES.len());
        assert!(STRATEGIES.iter().all(|strategy| named(strategy.name).is_some()));
        let absent = STRATEGIES.iter().filter(|it| matches!(it.how, Absent(_)));
        assert_eq!(absent.map(|strategy| strategy.number).collect::<Vec<_>>(), [40]);
    }
}
