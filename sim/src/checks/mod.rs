//! What must hold in every run, whatever is done to it. Each check sees what honest nodes with
//! sound disks report, write and count; the first violation ends the run.

mod agreement;
mod dice;
mod evidence;
mod keys;
mod ledger;
mod shares;
mod votes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bitcraps_protocol::block::{BlockHash, Height, ValidatorIndex, View};
use bitcraps_protocol::chain::{Body, Genesis, Operation, PendingRoll, State, TableId};
use bitcraps_protocol::consensus::{
    Certificate, Certified, Decided, Finalization, Justification, Notarization, Nullification,
    ValidatorSet, Vote,
};
use bitcraps_protocol::craps::{Dice, Round};
use bitcraps_protocol::event::{Fault, Suspicion};
use bitcraps_protocol::identity::Context;
use bitcraps_protocol::journal::Entry;
use bitcraps_protocol::simulation::Signatures;
use bitcraps_protocol::time::Time;
use serde::{Deserialize, Serialize};

use crate::adversary;
use crate::plan::Roles;
use crate::world::Place;

use agreement::Agreement;
use dice::DiceTable;
use evidence::Evidences;
pub use evidence::Heard;
use keys::Keys;
use ledger::Ledger;
use shares::Shares;
use votes::Votes;

/// What was violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// One block for each height, for ever.
    Agreement,
    /// Parents, rising views, nothing final in a nullified range.
    Linkage,
    /// Every certificate that is stored verifies.
    Certificate,
    /// No sound key contradicts itself.
    VoteDiscipline,
    /// No vote leaves before it is durable.
    Durability,
    /// Chips are neither made nor lost.
    Conservation,
    /// No nonce is used twice.
    DoubleSpend,
    /// Equal heights have equal states.
    StateRoot,
    /// A roll has one outcome, fixed by its view alone, and is never drawn again.
    Dice,
    /// Over many runs the dice are fair.
    FairDice,
    /// Nobody honest is accused, and whoever hears a contradiction has evidence of it.
    Accountability,
    /// Nobody honest is blamed for what it sent.
    Blame,
    /// One event leads to a bounded number of actions; queues are bounded.
    Bounds,
    /// Deadlines lie ahead.
    Deadline,
    /// Every frame is accounted for.
    Accounting,
    /// A node restarts from what its disk holds.
    Recovery,
    /// No honest node gives up.
    Halted,
    /// Once all is healed, blocks become final and transfers are made in time.
    Liveness,
    /// Nothing panics.
    Panic,
    /// The same run gives the same digest.
    Determinism,
    /// What was to go wrong did go wrong.
    Vacuous,
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// When, in simulated microseconds.
    pub at: u64,
    /// What.
    pub check: Check,
    /// Where.
    pub place: Option<u16>,
    /// How.
    pub message: String,
}

/// What honest nodes got done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The highest final height.
    pub height: u64,
    /// The highest view entered.
    pub view: u64,
    /// Views known to be nullified.
    pub nullified: u64,
    /// Transactions in final blocks, counted at every node.
    pub transactions: u64,
    /// Rolls by the sum of their dice, 2 to 12.
    pub rolls: [u64; 11],
    /// Rolls by both dice, (first − 1) · 6 + second − 1.
    pub faces: Vec<u64>,
    /// Of these, the rolls in blocks of hostile leaders.
    #[serde(default)]
    pub faces_of_hostile: Vec<u64>,
    /// Bets in final blocks, by what they are on.
    #[serde(default)]
    pub bets: BTreeMap<String, u64>,
    /// Distinct votes seen.
    pub votes: u64,
}

/// All checks of one run.
#[derive(Debug)]
pub struct Checks {
    faulty: BTreeSet<usize>,
    byzantine: BTreeSet<usize>,
    validators: ValidatorSet,
    context: Context,
    agreement: Agreement,
    votes: Votes,
    ledger: Ledger,
    dice: DiceTable,
    shares: Shares,
    evidences: Evidences,
    keys: Keys,
    /// The newest final block that was looked into.
    looked_into: Height,
    /// Rare states that were reached, by name.
    pub reached: BTreeMap<&'static str, u64>,
    /// What was done.
    pub tally: Tally,
    nullified: BTreeSet<View>,
    violation: Option<Violation>,
}

/// What one check has to say: nothing, or what is wrong.
type Verdict = Result<(), (Check, String)>;

impl Checks {
    /// Checks for a world of these places.
    pub(crate) fn new(
        roles: &Roles,
        validators: ValidatorSet,
        context: Context,
        genesis: &Genesis,
        signatures: Signatures,
        places: &[Place],
    ) -> Self {
        let keypairs = places.iter().take(validators.len()).map(|place| &place.keypair);
        Self {
            faulty: roles.byzantine.union(&roles.liars).copied().collect(),
            byzantine: roles.byzantine.clone(),
            agreement: Agreement::new(context.network, places.len()),
            votes: Votes::default(),
            ledger: Ledger::new(genesis, signatures),
            dice: DiceTable::new(genesis, keypairs),
            shares: Shares::new(genesis, &roles.faulty()),
            evidences: Evidences::default(),
            keys: Keys::new(&roles.byzantine),
            looked_into: Height(0),
            reached: BTreeMap::new(),
            validators,
            context,
            tally: Tally { faces: vec![0; 36], faces_of_hostile: vec![0; 36], ..Tally::default() },
            nullified: BTreeSet::new(),
            violation: None,
        }
    }

    /// The first violation, if there is one.
    pub fn violation(&mut self) -> Option<Violation> {
        self.violation.take()
    }

    /// Notes a violation that somebody else found.
    pub fn violate(&mut self, now: Time, check: Check, place: usize, message: String) {
        let (at, place) = (now.as_micros(), Some(place as u16));
        self.violation.get_or_insert(Violation { at, check, place, message });
    }

    fn judge(&mut self, now: Time, place: usize, verdict: Verdict) {
        if let Err((check, message)) = verdict {
            self.violate(now, check, place, message);
        }
    }

    /// A node says that a block is final.
    pub fn finalized(
        &mut self,
        now: Time,
        place: usize,
        height: Height,
        view: View,
        hash: BlockHash,
    ) {
        self.shares.finalized(place, view);
        let verdict = self.agreement.finalized(place, height, view, hash);
        self.judge(now, place, verdict);
        self.tally.height = self.tally.height.max(height.0);
    }

    /// In the final state of a node a roll waits for the coin of a view.
    pub fn rolls_in_state(&mut self, place: usize, view: View) {
        self.shares.rolls_in_state(place, view);
    }

    /// A node starts again from a journal that ends with a block of this height, and may begin with
    /// a state.
    pub fn restarted(&mut self, place: usize, height: Height, with_state: bool) {
        if with_state {
            self.shares.inherits(place);
        }
        self.agreement.restarted(place, height);
        self.evidences.restarted(place);
    }

    /// A node begins to write the state after the block of this height, which it fetched.
    pub fn fetched(&mut self, place: usize, height: Height) {
        self.shares.inherits(place);
        self.agreement.fetched(place, height);
        self.reach("state fetched");
    }

    /// A node has done all that an event led to.
    pub fn came_to_rest(&mut self, now: Time, place: usize) {
        let verdict = self.agreement.came_to_rest(place);
        self.judge(now, place, verdict);
    }

    /// A node is in this view.
    pub fn entered(&mut self, view: View) {
        self.tally.view = self.tally.view.max(view.0);
    }

    /// The state of a node after the block of this height.
    pub fn state(&mut self, now: Time, place: usize, height: Height, state: &State) {
        let verdict = self.ledger.state(height, state).and_then(|()| self.dice.state(state));
        self.judge(now, place, verdict);
        if let Some(generation) = state.generation() {
            match self.keys.generation(generation) {
                Ok(news) => news.into_iter().for_each(|what| self.reach(what)),
                Err(broken) => self.judge(now, place, Err(broken)),
            }
            if state.meta().dice_key.is_none() {
                self.reach("block final before there was a dice key");
            }
            let roll_of_old = |roll: &PendingRoll| roll.key_version < generation.version;
            if state.meta().pending.iter().any(roll_of_old) {
                self.reach("roll waited for a retired key");
            }
        }
    }

    /// Notes that a rare state was reached.
    pub fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// A node writes a record.
    pub fn written(&mut self, now: Time, place: usize, entry: &Entry) {
        let verdict = match entry {
            Entry::Block(block) => {
                self.evidences.justified(block.header.justification);
                self.justification(&block.justification)
            }
            Entry::Certificate(certificate) => self.certificate(certificate),
            Entry::Vote(_)
            | Entry::Barred { .. }
            | Entry::Overridden
            | Entry::Part { .. }
            | Entry::Promises(_) => Ok(()),
            Entry::Base { header, .. } => self.agreement.decided(header),
            Entry::Snapshot(certified) => self.certified(certified),
            Entry::Decided(decided) => self.decided(decided),
        };
        self.judge(now, place, verdict);
    }

    /// A vote of a sound node is durable, and may leave.
    pub fn promised(&mut self, now: Time, place: usize, vote: Vote) {
        self.votes.durable(vote);
        self.shares.promised(&vote);
        let verdict = self.vote(&vote);
        self.judge(now, place, verdict);
    }

    /// A vote that an honest node sends or believes.
    fn vote(&mut self, vote: &Vote) -> Verdict {
        let sound = !self.faulty.contains(&usize::from(vote.voter.0));
        if self.votes.is_known(vote) {
            return Ok(());
        }
        if vote.verify(&self.validators, &self.context).is_none() {
            let message = format!("the signature of {vote:?} does not verify");
            return Err((Check::Certificate, message));
        }
        self.tally.votes += 1;
        self.votes.seen(vote, sound)
    }

    fn notarization(&mut self, notarization: &Notarization) -> Verdict {
        let votes: Vec<Vote> = notarization.votes().collect();
        self.quorum(&votes, "notarization")
    }

    fn nullification(&mut self, nullification: &Nullification) -> Verdict {
        let votes: Vec<Vote> = nullification.votes().collect();
        self.quorum(&votes, "nullification")?;
        if self.nullified.insert(nullification.view) {
            self.tally.nullified += 1;
        }
        self.agreement.nullified(nullification.view, nullification.highest())
    }

    fn finalization(&mut self, finalization: &Finalization) -> Verdict {
        let votes: Vec<Vote> = finalization.votes().collect();
        self.quorum(&votes, "finalization")?;
        self.agreement.certified(finalization.view, finalization.block)
    }

    /// Checks a certificate's votes with code that shares nothing with the nodes'.
    fn quorum(&mut self, votes: &[Vote], what: &str) -> Verdict {
        let n = self.validators.len();
        let quorum = n - n.saturating_sub(1) / 3;
        let voters: BTreeSet<ValidatorIndex> = votes.iter().map(|vote| vote.voter).collect();
        if voters.len() < quorum {
            let message = format!("a {what} of {} voters where {quorum} decide", voters.len());
            return Err((Check::Certificate, message));
        }
        votes.iter().try_for_each(|vote| self.vote(vote))
    }

    fn certificate(&mut self, certificate: &Certificate) -> Verdict {
        match certificate {
            Certificate::Notarization(notarization) => self.notarization(notarization),
            Certificate::Nullification(nullification, highest) => {
                self.nullification(nullification)?;
                let shown = highest.as_ref().map(|highest| highest.view).unwrap_or_default();
                if shown < nullification.highest() {
                    let message = format!(
                        "the nullification of view {} is believed, whose voters hold view {}, \
                         by who holds {shown}",
                        nullification.view,
                        nullification.highest()
                    );
                    return Err((Check::Certificate, message));
                }
                highest.iter().try_for_each(|highest| self.notarization(highest))
            }
        }
    }

    fn justification(&mut self, justification: &Justification) -> Verdict {
        justification.parent.iter().try_for_each(|parent| self.notarization(parent))?;
        justification.skipped.iter().try_for_each(|skipped| self.nullification(skipped))
    }

    fn certified(&mut self, certified: &Certified) -> Verdict {
        let Certified { header, notarization, descendants, finalization } = certified;
        let mut tip = header;
        self.agreement.decided(tip)?;
        for descendant in descendants.iter() {
            tip = descendant;
            self.agreement.decided(tip)?;
        }
        if (notarization.block, finalization.block) != (header.hash(), tip.hash()) {
            let message = format!("the snapshot of height {} is of another block", header.height);
            return Err((Check::Certificate, message));
        }
        self.notarization(notarization)?;
        self.finalization(finalization)
    }

    fn decided(&mut self, decided: &Decided) -> Verdict {
        self.agreement.decided(&decided.block.header)?;
        let header = &decided.block.header;
        if !decided.block.justification.allows(header.view, &header.parent) {
            let message = format!("the final block of view {} may not stand there", header.view);
            return Err((Check::Linkage, message));
        }
        if header.height == self.looked_into.next() {
            self.looked_into = header.height;
            let skipped = header.view.0 - header.parent.view.0 - 1;
            match skipped {
                0 => {}
                1 => self.reach("view skipped"),
                _ => self.reach("several views skipped at once"),
            }
            if decided.finalization.is_none() {
                self.reach("final by a descendant");
            }
            self.body(header.height, &decided.block.body)?;
        }
        self.justification(&decided.block.justification)?;
        self.notarization(&decided.notarization)?;
        decided.finalization.iter().try_for_each(|finalization| self.finalization(finalization))
    }

    /// What a final block holds, looked at once.
    fn body(&mut self, height: Height, body: &[u8]) -> Verdict {
        let Ok(body) = Body::decode(body) else {
            return Err((Check::StateRoot, format!("no body at height {height}")));
        };
        for operation in self.ledger.body(height, &body)? {
            if let Operation::Bet { bet, .. } = operation {
                *self.tally.bets.entry(bet.to_string()).or_default() += 1;
            }
        }
        for record in body.key_generation.iter().filter_map(adversary::read) {
            self.keys.record(&record)?;
        }
        if !body.rolls.is_empty() {
            self.reach("the house threw the dice");
        }
        Ok(())
    }

    /// A sound node gives its share of a coin away, with its finalize vote for a block or alone.
    pub fn shared(&mut self, now: Time, place: usize, view: View, with: Option<BlockHash>) {
        let verdict = self.shares.given(place, view, with);
        self.judge(now, place, verdict);
        if with.is_none() {
            self.reach("share given after finality");
        }
    }

    /// A node holds evidence.
    pub fn accused(&mut self, now: Time, place: usize, validator: ValidatorIndex, what: &str) {
        self.evidences.accused(place, validator);
        if !self.faulty.contains(&usize::from(validator.0)) {
            let message = format!("validator {validator} is sound, but accused: it {what}");
            self.violate(now, Check::Accountability, place, message);
        }
    }

    /// A node has heard a vote and handled it.
    pub fn heard(&mut self, now: Time, place: usize, heard: Heard) {
        if self.faulty.contains(&usize::from(heard.vote.voter.0)) {
            let verdict = self.evidences.heard(place, heard, &self.validators, &self.context);
            self.judge(now, place, verdict);
        }
    }

    /// A node blames a neighbour.
    pub fn blamed(&mut self, now: Time, place: usize, culprit: usize, fault: Fault) {
        if !self.byzantine.contains(&culprit) {
            let message = format!("node {culprit} is honest, but blamed for {fault:?}");
            self.violate(now, Check::Blame, place, message);
        }
    }

    /// A sound node finds another one suspicious. Whose disk lied may contradict itself without being
    /// hostile, as for [`accused`](Self::accused); faults of links are judged by
    /// [`blamed`](Self::blamed).
    pub fn suspected(&mut self, now: Time, place: usize, suspect: usize, suspicion: Suspicion) {
        if !self.faulty.contains(&suspect) {
            let message = format!("node {suspect} is sound, but suspected of {suspicion}");
            self.violate(now, Check::Blame, place, message);
        }
    }

    /// A node shows the dice of a final roll.
    pub fn rolled(&mut self, now: Time, place: usize, table: TableId, round: Round, dice: Dice) {
        match self.dice.shown(table, round, dice) {
            Ok(None) => {}
            Ok(Some(view)) => {
                let (first, second) = dice.faces();
                let face = usize::from(first - 1) * 6 + usize::from(second - 1);
                self.tally.rolls[usize::from(dice.total()) - 2] += 1;
                self.tally.faces[face] += 1;
                let leader = usize::from(self.validators.leader(view).0);
                if self.byzantine.contains(&leader) {
                    self.tally.faces_of_hostile[face] += 1;
                }
            }
            Err(broken) => self.judge(now, place, Err(broken)),
        }
    }

    /// A roll is settled on the chain.
    pub fn settled(&mut self, now: Time, place: usize, table: TableId, round: Round, dice: Dice) {
        self.rolled(now, place, table, round, dice);
    }
}

/// How many times an outcome must be expected for chi-square to mean anything.
const LEAST_EXPECTED: u64 = 5;

/// The critical value of chi-square for 35 degrees of freedom at α = 10⁻⁶, declared before any
/// run, in thousandths.
const CRITICAL_THOUSANDTHS: u64 = 89_947;

/// Whether 36 equally likely outcomes came about this often by chance, or too few to tell.
pub fn is_fair(faces: &[u64]) -> bool {
    let total: u64 = faces.iter().sum();
    if faces.len() != 36 || total < 36 * LEAST_EXPECTED {
        return true;
    }
    // Σ (observed − total/36)² / (total/36) = (36 Σ observed² − total²) / total.
    let squares: u128 = faces.iter().map(|count| u128::from(*count) * u128::from(*count)).sum();
    let total = u128::from(total);
    let thousandths = (36 * squares - total * total) * 1_000 / total;
    thousandths <= u128::from(CRITICAL_THOUSANDTHS)
}

impl Check {
    /// The exit code of its class.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Liveness => 11,
            Self::Panic => 12,
            Self::Determinism => 13,
            Self::Vacuous => 14,
            Self::Agreement
            | Self::Linkage
            | Self::Certificate
            | Self::VoteDiscipline
            | Self::Durability
            | Self::Conservation
            | Self::DoubleSpend
            | Self::StateRoot
            | Self::Dice
            | Self::FairDice
            | Self::Accountability
            | Self::Blame
            | Self::Bounds
            | Self::Deadline
            | Self::Accounting
            | Self::Recovery
            | Self::Halted => 10,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        formatter.pad(name.trim_matches('"'))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} at {}.{:06} s",
            self.check,
            self.at / 1_000_000,
            self.at % 1_000_000
        )?;
        if let Some(place) = self.place {
            write!(formatter, " at node {place}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

impl Tally {
    /// Adds up what several runs got done.
    pub fn add(&mut self, other: &Self) {
        self.height += other.height;
        self.view += other.view;
        self.nullified += other.nullified;
        self.transactions += other.transactions;
        self.votes += other.votes;
        for (sum, more) in self.rolls.iter_mut().zip(other.rolls) {
            *sum += more;
        }
        add_faces(&mut self.faces, &other.faces);
        add_faces(&mut self.faces_of_hostile, &other.faces_of_hostile);
        for (bet, more) in &other.bets {
            *self.bets.entry(bet.clone()).or_default() += more;
        }
    }
}

/// Adds up how often each of the 36 faces was thrown.
pub fn add_faces(sum: &mut Vec<u64>, more: &[u64]) {
    sum.resize(36, 0);
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// What is known for each of several keys, by key: shorthand for the checks.
type Known<K, V> = BTreeMap<K, V>;

#[cfg(test)]
mod tests {
    use bitcraps_protocol::consensus::Statement;
    use bitcraps_protocol::identity::Epoch;
    use bitcraps_protocol::time::BlockTime;
    use bitcraps_protocol::wire::Hash;

    use super::*;
    use crate::config::Config;
    use crate::world::World;

    #[test]
    fn chi_square_lets_chance_pass_and_catches_a_loaded_die() {
        assert!(is_fair(&[100; 36]));
        assert!(is_fair(&[1; 36]), "too few to tell");
        let uneven: Vec<u64> = (0..36).map(|face| 100 + face % 9).collect();
        assert!(is_fair(&uneven));
        let mut loaded = [100; 36];
        loaded[7] = 300;
        assert!(!is_fair(&loaded));
    }

    /// Four validators of whom the first is hostile, and nothing has happened yet.
    fn world() -> World {
        let config = Config { byzantine: 1, ..Config::default() };
        let world = (1..).map(|seed| World::new(Config { seed, ..config.clone() }, None));
        let mut worlds = world.filter(|world| world.roles.byzantine.contains(&0));
        worlds.next().expect("somebody is hostile")
    }

    fn caught(checks: &mut Checks) -> Option<Check> {
        checks.violation().map(|violation| violation.check)
    }

    fn vote(world: &World, voter: u16, signer: usize, block: u8) -> Vote {
        let (view, block, time) = (View(3), Hash([block; 32]), BlockTime(0));
        let context = Context { network: world.genesis().network(), epoch: Epoch(0) };
        let keypair = &world.places[signer].keypair;
        let statement = Statement::Notarize { view, block, time };
        statement.sign(ValidatorIndex(voter), keypair, &context).into_inner()
    }

    #[test]
    fn who_is_sound_is_neither_accused_nor_blamed() {
        let checks = &mut world().checks;
        checks.accused(Time::ZERO, 2, ValidatorIndex(0), "lied");
        checks.blamed(Time::ZERO, 2, 0, Fault::Malformed);
        assert_eq!(caught(checks), None);
        checks.accused(Time::ZERO, 2, ValidatorIndex(1), "lied");
        assert_eq!(caught(checks), Some(Check::Accountability));
        checks.blamed(Time::ZERO, 2, 1, Fault::Malformed);
        assert_eq!(caught(checks), Some(Check::Blame));
    }

    #[test]
    fn a_certificate_is_of_a_quorum_of_good_votes() {
        let mut world = world();
        let votes = |votes: &[(u16, usize)]| -> Vec<Vote> {
            votes.iter().map(|(voter, signer)| vote(&world, *voter, *signer, 7)).collect()
        };
        let sets = [
            (votes(&[(0, 0), (1, 1), (2, 2)]), None),
            (votes(&[(1, 1), (2, 2)]), Some(Check::Certificate)),
            (votes(&[(0, 0), (1, 1), (3, 2)]), Some(Check::Certificate)),
        ];
        for voter in [1, 2] {
            let vote = vote(&world, voter, usize::from(voter), 7);
            world.checks.promised(Time::ZERO, usize::from(voter), vote);
        }
        for (votes, expected) in sets {
            let notarization = Notarization::forge(View(3), Hash([7; 32]), &votes);
            let certificate = Certificate::Notarization(notarization.expect("votes for one block"));
            world.checks.written(Time::ZERO, 1, &Entry::Certificate(certificate));
            assert_eq!(caught(&mut world.checks), expected, "{votes:?}");
        }
    }

    #[test]
    fn a_sound_vote_is_durable_before_it_is_anywhere_and_contradicts_none() {
        let mut world = world();
        let [first, second] = [7, 8].map(|block| vote(&world, 1, 1, block));
        let [by_hostile, other] = [7, 8].map(|block| vote(&world, 0, 0, block));
        for vote in [by_hostile, other] {
            assert_eq!(world.checks.vote(&vote), Ok(()), "its own affair");
        }
        let verdict = world.checks.vote(&first);
        assert_eq!(verdict.err().map(|(check, _)| check), Some(Check::Durability));
        let mut world = self::world();
        world.checks.promised(Time::ZERO, 1, first);
        assert_eq!(caught(&mut world.checks), None);
        world.checks.promised(Time::ZERO, 1, second);
        assert_eq!(caught(&mut world.checks), Some(Check::VoteDiscipline));
    }

    #[test]
    fn checks_are_named_and_belong_to_a_class() {
        assert_eq!(Check::VoteDiscipline.to_string(), "vote-discipline");
        assert_eq!(Check::VoteDiscipline.exit_code(), 10);
        assert_eq!(Check::Liveness.exit_code(), 11);
    }
}
