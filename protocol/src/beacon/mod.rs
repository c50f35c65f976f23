//! The dice: a threshold coin for every view whose block rolls, and the [`Beacon`] that collects
//! its shares and decides when this validator's own may leave.
//!
//! The coin of view v is determined by the dice key, so it exists before anybody knows it; what
//! makes it fair is *when* shares are given away. A validator releases its share of v only
//!
//! * **R1** attached to its own `finalize` vote for v's block; or
//! * **R2** once v's block is final.
//!
//! As many shares as the threshold n − f are known only if so many honest validators sent
//! `finalize` that v's block is in every chain that can follow: the bets in it were fixed before
//! anybody, its leader included, could know the dice.
//!
//! The beacon knows views, shares and links. It does not know what a block is, what is rolled for,
//! or how shares travel.

mod coin;
mod dleq;
#[cfg(test)]
mod fixtures;
pub mod generation;
mod group;
mod key;
mod sealing;
mod shamir;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::block::{ValidatorIndex, View};
use crate::event::{Fault, LinkId};
use crate::hooks::Hooks;
use crate::identity::{Epoch, NetworkId};
use crate::time::Time;
use crate::wire::limits;

use coin::VerifiedShare;

pub use coin::{BadCoinProof, Coin, CoinId, CoinInput, CoinProof, CoinShare};
pub use dleq::Dleq;
pub use key::{BadDiceKey, Dealt, DiceKey, DiceKeyId, DiceKeyTable, NoShare, ShareSecret, deal};
pub use sealing::{
    BadPossession, BadSealingKey, Possession, SealedShare, SealingKey, SealingSecret,
};

/// K = n − f: how many shares make a coin among `members` validators, of whom f = ⌊(n − 1) / 3⌋ may
/// be Byzantine.
pub fn threshold(members: usize) -> u16 {
    let threshold = members - members.saturating_sub(1) / 3;
    u16::try_from(threshold).expect("there are at most 512 validators")
}

/// When validators give their shares away; part of a network's genesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiceRelease {
    /// With the `finalize` vote (R1) or after finality (R2): the dice are known with finality.
    #[default]
    AtFinalizeVote,
    /// After finality only (R2): one hop later, but n − 2f colluders who want to see the dice and
    /// then undo the block must leave two conflicting certificates behind.
    AfterFinalization,
}

/// Local policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long after finality to ask for missing shares first: a few hops of a slow mesh, for in
    /// the good case they are here already. More than zero.
    pub ask_after: Duration,
    /// The longest pause between asking twice; each is double the one before. At least `ask_after`.
    pub ask_at_most: Duration,
    /// Views whose coin is unrecorded. Twice what the window of views holds, so that a flood of
    /// early shares pushes nothing out. When full, the oldest not final is forgotten; if all are
    /// final, a new one is not taken up.
    pub pending_views: usize,
    /// Views whose coin is recorded, kept for neighbours that lag. The oldest is forgotten.
    pub recorded_views: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ask_after: Duration::from_millis(500),
            ask_at_most: Duration::from_secs(30),
            pending_views: 256,
            recorded_views: 16,
        }
    }
}

/// What a beacon is made of.
#[derive(Debug)]
pub struct Setup {
    /// On which network.
    pub network: NetworkId,
    /// In which epoch.
    pub epoch: Epoch,
    /// The dice key.
    pub key: DiceKeyTable,
    /// This validator's share of it; `None` for everybody else, who can still learn the dice.
    pub secret: Option<ShareSecret>,
    /// When shares may leave.
    pub release: DiceRelease,
    /// Local policy.
    pub config: Config,
}

/// What happened. All but `Share` are believed; told twice, they change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Consensus is in this view; shares from much earlier or later ones are not looked at.
    Entered {
        /// The view.
        view: View,
    },
    /// The promise of a `finalize` vote for this view, whose block has rolls, is durable and the
    /// vote is about to leave (R1). The share for it is [`Beacon::attachment`].
    Voted {
        /// The view.
        view: View,
    },
    /// This view's block, which has rolls, is final (R2). After a restart told again for every view
    /// whose coin is unrecorded; a node that catches up tells only of those left at the end.
    Final {
        /// The view.
        view: View,
    },
    /// A share arrived, as an attachment, by gossip, or because it was asked for.
    Share {
        /// On which link.
        link: LinkId,
        /// By whom it is said to be.
        index: ValidatorIndex,
        /// Of which view's coin it is said to be.
        view: View,
        /// The share, not yet believed.
        share: CoinShare,
    },
    /// A final block records this view's coin.
    Recorded {
        /// The view.
        view: View,
    },
    /// The deadline has passed.
    Tick,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Broadcast this validator's own share.
    Release {
        /// Of which view's coin.
        view: View,
        /// The share.
        share: CoinShare,
    },
    /// The coin exists: show the dice, and record it in a block. Said once for as long as the view
    /// is remembered.
    Known {
        /// What proves it.
        proof: CoinProof,
        /// The coin.
        coin: Coin,
    },
    /// This link passed on what an honest neighbour does not pass on. The signer may be innocent.
    Blame {
        /// Which.
        link: LinkId,
        /// What it did.
        fault: Fault,
    },
    /// Ask neighbours for the shares of this view that they know.
    Ask {
        /// The view.
        view: View,
        /// How often that was done before.
        times: u32,
    },
}

/// Collects the shares of coins, and guards this validator's own.
#[derive(Debug)]
pub struct Beacon {
    setup: Setup,
    view: View,
    collections: BTreeMap<View, Collection>,
    outputs: VecDeque<Output>,
    hooks: Hooks,
}

/// What is known of one view's coin.
#[derive(Debug)]
struct Collection {
    input: CoinInput,
    standing: Standing,
    /// Own `finalize` vote has left with the own share attached.
    attached: bool,
    /// The own share; exists only once R1 or R2 allows it.
    own: Option<CoinShare>,
    /// As many as the threshold at most.
    shares: BTreeMap<ValidatorIndex, VerifiedShare>,
    ask: Option<Ask>,
}

/// How far a view has come, as this node was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Final,
    Recorded,
}

/// When neighbours are asked next, and the pause before that.
#[derive(Clone, Copy, Debug)]
struct Ask {
    at: Time,
    pause: Duration,
    times: u32,
}

impl Beacon {
    /// A beacon that knows no share yet. Asserts that the secret is the key's and that the policy's
    /// pauses are more than no time and do not shrink.
    pub fn new(setup: Setup) -> Self {
        let Config { ask_after, ask_at_most, .. } = setup.config;
        assert!(
            !ask_after.is_zero() && ask_after <= ask_at_most,
            "pauses must be pauses, and grow"
        );
        if let Some(secret) = &setup.secret {
            assert!(secret.belongs_to(&setup.key), "a share of another dice key");
        }
        Self {
            setup,
            view: View::default(),
            collections: BTreeMap::new(),
            outputs: VecDeque::new(),
            hooks: Hooks::default(),
        }
    }

    pub(crate) fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// Takes note of what happened. Checks one share at most.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Entered { view } => self.enter(view),
            Input::Voted { view } => self.vote(view),
            Input::Final { view } => self.finalize(now, view),
            Input::Share { link, index, view, share } => self.receive(link, index, view, &share),
            Input::Recorded { view } => self.record(view),
            Input::Tick => {}
        }
        self.ask(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the next `Tick` is due.
    pub fn deadline(&self) -> Option<Time> {
        self.collections.values().filter_map(|collection| Some(collection.ask?.at)).min()
    }

    /// Takes this validator's share of the key, which it opened after the key came into force, and
    /// gives away what R1 and R2 allow. Asserts that the share is the key's.
    pub fn adopt(&mut self, secret: ShareSecret) {
        assert!(secret.belongs_to(&self.setup.key), "a share of another dice key");
        self.setup.secret = Some(secret);
        let allowed =
            |collection: &Collection| collection.attached || collection.standing == Standing::Final;
        let views: Vec<View> = self
            .collections
            .iter()
            .filter(|(_, collection)| allowed(collection))
            .map(|(view, _)| *view)
            .collect();
        let threshold = self.threshold();
        for view in views {
            let collection = &self.collections[&view];
            let lacking = collection.shares.len() < threshold;
            let is_final = collection.standing == Standing::Final;
            self.contribute(view);
            // R2; the vote, if it is still said again, takes the share along by itself.
            if lacking && is_final {
                let own = self.share_to_serve(view);
                self.outputs.extend(own.map(|share| Output::Release { view, share }));
            }
        }
    }

    /// Whether this validator has its share of the key.
    pub const fn has_secret(&self) -> bool {
        self.setup.secret.is_some()
    }

    /// What goes with this validator's `finalize` vote for `view`, each time the vote is sent (R1).
    /// `None` before `Voted`, without a secret, and where shares are released after finality.
    pub fn attachment(&self, view: View) -> Option<CoinShare> {
        let collection = self.collections.get(&view)?;
        if collection.attached { collection.own } else { None }
    }

    /// This validator's own share, for a neighbour that asks; `None` unless R1 or R2 holds.
    pub fn share_to_serve(&self, view: View) -> Option<CoinShare> {
        self.collections.get(&view)?.own
    }

    /// The shares of `view` that may be passed on: verified ones of others', and this validator's
    /// own under R1 or R2. As many as the threshold at most.
    pub fn known_shares(&self, view: View) -> Vec<(ValidatorIndex, CoinShare)> {
        let Some(collection) = self.collections.get(&view) else { return Vec::new() };
        collection.shares.iter().map(|(index, verified)| (*index, verified.share())).collect()
    }

    /// Whether this very share was verified here, so that a relay may pass it on.
    pub fn vouches_for(&self, view: View, index: ValidatorIndex, share: &CoinShare) -> bool {
        self.collections
            .get(&view)
            .and_then(|collection| collection.shares.get(&index))
            .is_some_and(|verified| verified.share() == *share)
    }

    /// A member's public key, against which its shares are checked.
    pub fn public_key(&self, index: ValidatorIndex) -> Option<[u8; 32]> {
        self.setup.key.member(index).map(|member| *member.bytes())
    }

    fn enter(&mut self, view: View) {
        self.view = self.view.max(view);
        let current = self.view;
        // A vote is sent again until its view is final, however long that takes, and its share too.
        self.collections.retain(|view, collection| {
            collection.standing != Standing::Open || collection.attached || is_near(current, *view)
        });
    }

    fn vote(&mut self, view: View) {
        match self.setup.release {
            DiceRelease::AtFinalizeVote => {}
            DiceRelease::AfterFinalization => return,
        }
        let Some(collection) = self.take_up(view, false) else { return };
        collection.attached = true;
        self.contribute(view);
    }

    fn finalize(&mut self, now: Time, view: View) {
        let threshold = self.threshold();
        let pause = self.setup.config.ask_after;
        let Some(collection) = self.take_up(view, true) else { return };
        if collection.standing != Standing::Open {
            return;
        }
        collection.standing = Standing::Final;
        let attached = collection.attached;
        if collection.shares.len() < threshold {
            collection.ask = Some(Ask { at: now + pause, pause, times: 0 });
            self.contribute(view);
            let own = self.share_to_serve(view).filter(|_| !attached);
            self.outputs.extend(own.map(|share| Output::Release { view, share }));
        } else {
            // Who has the coin can serve it to whoever has not: no need to broadcast more.
            self.contribute(view);
        }
    }

    fn receive(&mut self, link: LinkId, index: ValidatorIndex, view: View, share: &CoinShare) {
        let Some(member) = self.setup.key.member(index).copied() else {
            self.outputs.push_back(Output::Blame { link, fault: Fault::NotAValidator });
            return;
        };
        let input = match self.collections.get(&view) {
            Some(collection) if !collection.wants(index, self.threshold()) => return,
            Some(collection) => collection.input,
            None if !is_near(self.view, view) || !self.has_room(view, false) => return,
            None => self.coin_id(view).input(),
        };
        let Some(verified) = input.check(index, &member, share, &self.hooks) else {
            self.outputs.push_back(Output::Blame { link, fault: Fault::BadShare });
            return;
        };
        if self.take_up(view, false).is_some() {
            self.add(view, verified);
        }
    }

    fn record(&mut self, view: View) {
        let Some(collection) = self.collections.get_mut(&view) else { return };
        collection.standing = Standing::Recorded;
        collection.ask = None;
        let recorded = |collection: &Collection| collection.standing == Standing::Recorded;
        if self.collections.values().filter(|collection| recorded(collection)).count()
            > self.setup.config.recorded_views
        {
            let oldest = self.collections.iter().find(|(_, collection)| recorded(collection));
            let oldest = oldest.map(|(view, _)| *view);
            oldest.and_then(|view| self.collections.remove(&view));
        }
    }

    fn ask(&mut self, now: Time) {
        for (view, collection) in &mut self.collections {
            let Some(ask) = collection.ask.filter(|ask| ask.at <= now) else { continue };
            let pause = ask.pause.saturating_mul(2).min(self.setup.config.ask_at_most);
            let times = ask.times;
            let next = times.saturating_add(1);
            collection.ask = Some(Ask { at: now + pause, pause, times: next });
            self.outputs.push_back(Output::Ask { view: *view, times });
        }
    }

    /// Makes the own share, which R1 or R2 now allows, and counts it.
    fn contribute(&mut self, view: View) {
        let threshold = self.threshold();
        let Some(secret) = &self.setup.secret else { return };
        let Some(collection) = self.collections.get_mut(&view) else { return };
        if collection.own.is_some() {
            return;
        }
        let verified = secret.verified_share(&collection.input);
        collection.own = Some(verified.share());
        if collection.wants(verified.index(), threshold) {
            self.add(view, verified);
        }
    }

    /// Counts a verified share; the last one needed makes the coin.
    fn add(&mut self, view: View, verified: VerifiedShare) {
        let threshold = self.threshold();
        let Some(collection) = self.collections.get_mut(&view) else { return };
        collection.shares.insert(verified.index(), verified);
        if collection.shares.len() < threshold {
            return;
        }
        collection.ask = None;
        let shares: Vec<VerifiedShare> = collection.shares.values().copied().collect();
        let coin = collection.input.combine(&shares);
        self.outputs.push_back(Output::Known { proof: CoinProof::new(view, shares.iter()), coin });
    }

    /// The collection of `view`, begun if need be; `None` if there is no room for it.
    fn take_up(&mut self, view: View, is_final: bool) -> Option<&mut Collection> {
        if !self.collections.contains_key(&view) {
            if !self.has_room(view, is_final) {
                return None;
            }
            if self.is_full() {
                self.oldest_open().and_then(|victim| self.collections.remove(&victim));
            }
        }
        let id = self.coin_id(view);
        Some(self.collections.entry(view).or_insert_with(|| Collection::new(id.input())))
    }

    /// Whether a new collection of `view` would not itself be the victim.
    fn has_room(&self, view: View, is_final: bool) -> bool {
        let outlives = |victim| is_final || victim < view;
        !self.is_full() || self.oldest_open().is_some_and(outlives)
    }

    fn is_full(&self) -> bool {
        let pending = |collection: &&Collection| collection.standing != Standing::Recorded;
        self.collections.values().filter(pending).count() >= self.setup.config.pending_views
    }

    fn oldest_open(&self) -> Option<View> {
        let open = |collection: &Collection| collection.standing == Standing::Open;
        self.collections.iter().find(|(_, collection)| open(collection)).map(|(view, _)| *view)
    }

    fn threshold(&self) -> usize {
        usize::from(self.setup.key.threshold())
    }

    const fn coin_id(&self, view: View) -> CoinId {
        let Setup { network, epoch, .. } = self.setup;
        CoinId { network, epoch, key_version: self.setup.key.version(), view }
    }
}

impl Collection {
    const fn new(input: CoinInput) -> Self {
        Self {
            input,
            standing: Standing::Open,
            attached: false,
            own: None,
            shares: BTreeMap::new(),
            ask: None,
        }
    }

    /// Whether a share of this member's would bring the coin nearer.
    fn wants(&self, index: ValidatorIndex, threshold: usize) -> bool {
        self.standing != Standing::Recorded
            && self.shares.len() < threshold
            && !self.shares.contains_key(&index)
    }
}

fn is_near(current: View, view: View) -> bool {
    current.0.abs_diff(view.0) <= limits::VIEW_WINDOW
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::fixtures::{dealt, share_secret, share_secrets};
    use super::*;
    use crate::wire::Hash;

    const NETWORK: NetworkId = Hash([3; 32]);
    const EPOCH: Epoch = Epoch(0);
    const LINK: LinkId = LinkId(7);
    const V: View = View(10);
    const START: Time = Time::ZERO;

    static DEALT: LazyLock<Dealt> = LazyLock::new(|| dealt(4));
    static SECRETS: LazyLock<Vec<ShareSecret>> = LazyLock::new(|| share_secrets(&DEALT));

    /// Validator 0 of four, of which three make a coin; consensus is in view 10.
    fn beacon(release: DiceRelease) -> Beacon {
        custom(release, Config::default(), true)
    }

    fn custom(release: DiceRelease, config: Config, is_member: bool) -> Beacon {
        let secret = is_member.then(|| share_secret(&DEALT, 0));
        let key = DEALT.key.table().unwrap();
        let mut beacon =
            Beacon::new(Setup { network: NETWORK, epoch: EPOCH, key, secret, release, config });
        beacon.handle(START, Input::Entered { view: V });
        beacon
    }

    fn share(index: u16, view: View) -> CoinShare {
        let input = CoinId { network: NETWORK, epoch: EPOCH, key_version: 0, view }.input();
        SECRETS[usize::from(index)].coin_share(&input)
    }

    fn arrival(index: u16, view: View) -> Input {
        Input::Share { link: LINK, index: ValidatorIndex(index), view, share: share(index, view) }
    }

    fn forged(index: u16, view: View) -> Input {
        let share = share((index + 1) % 4, view);
        Input::Share { link: LINK, index: ValidatorIndex(index), view, share }
    }

    fn known(view: View, members: [u16; 3]) -> Output {
        let shares = members.map(|index| (ValidatorIndex(index), share(index, view)));
        let shares = crate::wire::List::new(shares.to_vec()).unwrap();
        let proof = CoinProof { view, shares };
        let coin = proof.verify(&DEALT.key, NETWORK, EPOCH).unwrap();
        Output::Known { proof, coin }
    }

    fn blame(fault: Fault) -> Output {
        Output::Blame { link: LINK, fault }
    }

    fn release(view: View) -> Output {
        Output::Release { view, share: share(0, view) }
    }

    fn at(now: Time, beacon: &mut Beacon, input: Input) -> Vec<Output> {
        beacon.handle(now, input);
        assert!(beacon.deadline().is_none_or(|deadline| deadline > now));
        core::iter::from_fn(|| beacon.poll()).collect()
    }

    fn step(beacon: &mut Beacon, input: Input) -> Vec<Output> {
        at(START, beacon, input)
    }

    /// Whether the own share of `view` can be had from this beacon in any way but as an output.
    fn gives_own_share(beacon: &Beacon, view: View) -> bool {
        beacon.attachment(view).is_some()
            || beacon.share_to_serve(view).is_some()
            || beacon.known_shares(view).iter().any(|(index, _)| *index == ValidatorIndex(0))
            || beacon.vouches_for(view, ValidatorIndex(0), &share(0, view))
    }

    #[test]
    fn nothing_but_a_vote_or_finality_of_the_very_view_gives_the_own_share_away() {
        for release in [DiceRelease::AtFinalizeVote, DiceRelease::AfterFinalization] {
            let mut beacon = beacon(release);
            let inputs = [
                Input::Entered { view: V },
                arrival(1, V),
                arrival(2, V),
                forged(3, V),
                Input::Tick,
                Input::Voted { view: View(9) },
                Input::Final { view: View(8) },
                Input::Entered { view: View(12) },
                Input::Recorded { view: View(8) },
                Input::Recorded { view: V },
            ];
            for input in inputs {
                for output in step(&mut beacon, input) {
                    assert!(!matches!(output, Output::Release { view: V, .. }));
                    assert!(!matches!(output, Output::Known { .. }));
                }
                assert!(!gives_own_share(&beacon, V), "after {input:?}");
            }
        }
    }

    #[test]
    fn a_vote_takes_the_share_along_and_broadcasts_nothing() {
        let mut beacon = beacon(DiceRelease::AtFinalizeVote);
        assert_eq!(step(&mut beacon, Input::Voted { view: V }), vec![]);
        assert_eq!(beacon.attachment(V), Some(share(0, V)));
        assert_eq!(beacon.share_to_serve(V), Some(share(0, V)));
        assert_eq!(beacon.known_shares(V), vec![(ValidatorIndex(0), share(0, V))]);
        assert_eq!(step(&mut beacon, Input::Final { view: V }), vec![]);
        assert_eq!(beacon.attachment(V), Some(share(0, V)));
    }

    #[test]
    fn a_vote_takes_no_share_along_where_shares_are_released_after_finality() {
        let mut beacon = beacon(DiceRelease::AfterFinalization);
        assert_eq!(step(&mut beacon, Input::Voted { view: V }), vec![]);
        assert!(!gives_own_share(&beacon, V));
        assert_eq!(step(&mut beacon, Input::Final { view: V }), vec![release(V)]);
        assert_eq!(beacon.attachment(V), None);
        assert_eq!(beacon.share_to_serve(V), Some(share(0, V)));
    }

    #[test]
    fn finality_releases_the_share_of_who_did_not_vote_once() {
        let mut beacon = beacon(DiceRelease::AtFinalizeVote);
        assert_eq!(step(&mut beacon, Input::Final { view: V }), vec![release(V)]);
        assert_eq!(step(&mut beacon, Input::Final { view: V }), vec![]);
        assert_eq!(beacon.attachment(V), None);
        assert_eq!(beacon.share_to_serve(V), Some(share(0, V)));
    }

    #[test]
    fn a_known_coin_needs_no_release_but_the_own_share_is_served() {
        let mut beacon = beacon(DiceRelease::AfterFinalization);
        for index in [1, 2] {
            assert_eq!(step(&mut beacon, arrival(index, V)), vec![]);
        }
        assert_eq!(step(&mut beacon, arrival(3, V)), vec![known(V, [1, 2, 3])]);
        assert_eq!(step(&mut beacon, Input::Final { view: V }), vec![]);
        assert_eq!(beacon.share_to_serve(V), Some(share(0, V)));
        assert_eq!(beacon.deadline(), None);
    }

    #[test]
    fn the_own_share_counts_from_the_vote_on_and_may_complete_the_coin() {
        let mut beacon = beacon(DiceRelease::AtFinalizeVote);
        assert_eq!(step(&mut beacon, arrival(3, V)), vec![]);
        assert_eq!(step(&mut beacon, arrival(1, V)), vec![]);
        assert_eq!(step(&mut beacon, Input::Voted { view: V }), vec![known(V, [0, 1, 3])]);
        assert_eq!(step(&mut beacon, arrival(2, V)), vec![]);
        let members: Vec<_> = beacon.known_shares(V).iter().map(|(index, _)| index.0).collect();
        assert_eq!(members, [0, 1, 3]);
    }

    #[test]
    fn the_last_share_at_finality_is_released_and_completes_the_coin() {
        let mut beacon = beacon(DiceRelease::AfterFinalization);
        step(&mut beacon, arrival(1, V));
        step(&mut beacon, arrival(2, V));
        let expected = vec![known(V, [0, 1, 2]), release(V)];
        assert_eq!(step(&mut beacon, Input::Final { view: V }), expected);
        assert_eq!(beacon.deadline(), None);
    }

    #[test]
    fn who_has_no_secret_learns_the_coin_and_releases_nothing() {
        let mut beacon = custom(DiceRelease::AtFinalizeVote, Config::default(), false);
        step(&mut beacon, Input::Voted { view: V });
        assert_eq!(step(&mut beacon, Input::Final { view: V }), vec![]);
        assert_eq!((beacon.attachment(V), beacon.share_to_serve(V)), (None, None));
        step(&mut beacon, arrival(0, V));
        step(&mut beacon, arrival(1, V));
        assert_eq!(step(&mut beacon, arrival(2, V)), vec![known(V, [0, 1, 2])]);
    }

    #[test]
    fn a_bad_share_blames_its_link_and_does_not_stand_in_the_way_of_the_good_one() {
        let mut beacon = beacon(DiceRelease::AtFinalizeVote);
        for _ in 0..2 {
            assert_eq!(step(&mut beacon, forged(1, V)), vec![blame(Fault::BadShare)]);
            assert_eq!(beacon.known_shares(V), vec![]);
        }
        assert_eq!(step(&mut beacon, arrival(1, V)), vec![]);
        assert!(beacon.vouches_for(V, ValidatorIndex(1), &share(1, V)));
        assert!(!beacon.vouches_for(V, ValidatorIndex(1), &share(2, V)));
    }

    #[test]
    fn what_is_not_wanted_is_not_even_checked() {
        let mut beacon = beacon(DiceRelease::AtFinalizeVote);
        let Input::Share { share: wrong, .. } = forged(1, V) else { unreachable!() };
        let wrong = |index, view| Input::Share {
            link: LINK,
            index: ValidatorIndex(index),
            view,
            share: wrong,
        };
        assert_eq!(step(&mut beacon, wrong(4, V)), vec![blame(Fault::NotAValidator)]);
        let window = limits::VIEW_WINDOW;
        assert_eq!(step(&mut beacon, wrong(1, View(V.0 + window + 1))), vec![]);
        assert_eq!(step(&mut beacon, wrong(1, View(V.0 + window))), vec![blame(Fault::BadShare)]);
        step(&mut beacon, arrival(1, V));
        assert_eq!(step(&mut beacon, wrong(1, V)), vec![]);
        step(&mut beacon, arrival(2, V));
        step(&mut beacon, arrival(3, V));
        assert_eq!(step(&mut beacon, wrong(0, V)), vec![]);
        step(&mut beacon, Input::Recorded { view: V });
        assert_eq!(step(&mut beacon, wrong(0, V)), vec![]);
    }

    #[test]
    fn missing_shares_of_a_final_view_are_asked_for_with_growing_pauses() {
        let config = Config {
            ask_after: Duration::from_secs(1),
            ask_at_most: Duration::from_secs(3),
            ..Config::default()
        };
        let mut beacon = custom(DiceRelease::AtFinalizeVote, config, false);
        let second = |seconds| START + Duration::from_secs(seconds);
        step(&mut beacon, Input::Voted { view: V });
        assert_eq!(beacon.deadline(), None);
        step(&mut beacon, Input::Final { view: V });
        let mut asked = vec![];
        for now in 0..=12 {
            for output in at(second(now), &mut beacon, Input::Tick) {
                assert_eq!(output, Output::Ask { view: V, times: asked.len() as u32 });
                asked.push(now);
            }
        }
        assert_eq!(asked, [1, 3, 6, 9, 12]);
        for index in [1, 2, 3] {
            at(second(12), &mut beacon, arrival(index, V));
        }
        assert_eq!(beacon.deadline(), None);
    }

    #[test]
    fn a_recorded_coin_is_not_asked_for_and_the_last_few_are_still_served() {
        let config = Config { recorded_views: 2, ..Config::default() };
        let mut beacon = custom(DiceRelease::AtFinalizeVote, config, true);
        for view in [View(5), View(7), View(6)] {
            step(&mut beacon, Input::Final { view });
            step(&mut beacon, Input::Recorded { view });
            assert_eq!(beacon.deadline(), None);
        }
        assert_eq!(beacon.share_to_serve(View(5)), None);
        assert_eq!(beacon.share_to_serve(View(6)), Some(share(0, View(6))));
        assert_eq!(beacon.share_to_serve(View(7)), Some(share(0, View(7))));
        assert_eq!(step(&mut beacon, Input::Recorded { view: View(5) }), vec![]);
    }

    #[test]
    fn when_full_the_oldest_view_that_is_not_final_goes() {
        let config = Config { pending_views: 2, ..Config::default() };
        let mut beacon = custom(DiceRelease::AtFinalizeVote, config, true);
        let views = |beacon: &Beacon| beacon.collections.keys().map(|v| v.0).collect::<Vec<_>>();
        step(&mut beacon, arrival(1, View(10)));
        step(&mut beacon, Input::Voted { view: View(11) });
        step(&mut beacon, arrival(1, View(9)));
        assert_eq!(views(&beacon), [10, 11]);
        step(&mut beacon, arrival(1, View(12)));
        assert_eq!(views(&beacon), [11, 12]);
        step(&mut beacon, Input::Final { view: View(3) });
        assert_eq!(views(&beacon), [3, 12]);
        step(&mut beacon, Input::Final { view: View(4) });
        assert_eq!(views(&beacon), [3, 4]);
        assert_eq!(step(&mut beacon, Input::Final { view: View(5) }), vec![]);
        assert_eq!(step(&mut beacon, Input::Voted { view: View(13) }), vec![]);
        assert_eq!(step(&mut beacon, arrival(1, View(13))), vec![]);
        assert_eq!(views(&beacon), [3, 4]);
        assert!(!gives_own_share(&beacon, View(5)));
        step(&mut beacon, Input::Recorded { view: View(3) });
        assert_eq!(step(&mut beacon, Input::Final { view: View(5) }), vec![release(View(5))]);
        assert_eq!(views(&beacon), [3, 4, 5]);
    }

    #[test]
    fn early_shares_of_views_left_behind_are_forgotten_unless_voted_for() {
        let mut beacon = beacon(DiceRelease::AtFinalizeVote);
        step(&mut beacon, arrival(1, View(10)));
        step(&mut beacon, arrival(1, View(11)));
        step(&mut beacon, Input::Voted { view: View(9) });
        step(&mut beacon, Input::Entered { view: View(11 + limits::VIEW_WINDOW) });
        let views: Vec<_> = beacon.collections.keys().map(|view| view.0).collect();
        assert_eq!(views, [9, 11]);
        step(&mut beacon, Input::Entered { view: View(1) });
        assert_eq!(step(&mut beacon, arrival(1, View(10))), vec![]);
        assert_eq!(beacon.known_shares(View(10)), vec![]);
    }

    #[test]
    fn a_network_of_one_knows_the_coin_with_its_own_vote() {
        let dealt = dealt(1);
        let mut beacon = Beacon::new(Setup {
            network: NETWORK,
            epoch: EPOCH,
            key: dealt.key.table().unwrap(),
            secret: Some(share_secret(&dealt, 0)),
            release: DiceRelease::default(),
            config: Config::default(),
        });
        let outputs = step(&mut beacon, Input::Voted { view: V });
        let [Output::Known { proof, coin }] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert_eq!(proof.verify(&dealt.key, NETWORK, EPOCH), Ok(*coin));
        assert_eq!(step(&mut beacon, Input::Final { view: V }), vec![]);
    }

    #[test]
    #[should_panic(expected = "a share of another dice key")]
    fn a_beacon_does_not_start_with_the_share_of_another_key() {
        let secret = Some(share_secret(&dealt(7), 0));
        let key = dealt(4).key.table().unwrap();
        let config = Config::default();
        let release = DiceRelease::default();
        Beacon::new(Setup { network: NETWORK, epoch: EPOCH, key, secret, release, config });
    }

    fn any_input() -> impl Strategy<Value = Input> {
        let view = || (8..12u64).prop_map(View);
        prop_oneof![
            view().prop_map(|view| Input::Entered { view }),
            view().prop_map(|view| Input::Voted { view }),
            view().prop_map(|view| Input::Final { view }),
            view().prop_map(|view| Input::Recorded { view }),
            (1..4u16, view()).prop_map(|(index, view)| arrival(index, view)),
            (1..5u16, view()).prop_map(|(index, view)| forged(index, view)),
            Just(Input::Tick),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn no_history_gives_a_share_away_early_or_a_coin_away_twice_or_wrong(
            inputs in proptest::collection::vec((0..400u64, any_input()), 1..40),
            after_finalization: bool,
        ) {
            let release = match after_finalization {
                true => DiceRelease::AfterFinalization,
                false => DiceRelease::AtFinalizeVote,
            };
            let mut beacon = beacon(release);
            let mut allowed = BTreeSet::new();
            let mut coins = BTreeMap::new();
            let mut now = START;
            for (pause, input) in inputs {
                now = now + Duration::from_millis(pause);
                match input {
                    Input::Voted { view } if !after_finalization => _ = allowed.insert(view),
                    Input::Final { view } => _ = allowed.insert(view),
                    _ => {}
                }
                for output in at(now, &mut beacon, input) {
                    match output {
                        Output::Release { view, share: own } => {
                            prop_assert!(allowed.contains(&view));
                            prop_assert_eq!(own, share(0, view));
                        }
                        Output::Known { proof, coin } => {
                            let verified = proof.verify(&DEALT.key, NETWORK, EPOCH);
                            prop_assert_eq!(verified, Ok(coin));
                            prop_assert_eq!(coins.insert(proof.view, coin), None);
                        }
                        Output::Ask { view, .. } => prop_assert!(!coins.contains_key(&view)),
                        Output::Blame { link, .. } => prop_assert_eq!(link, LINK),
                    }
                }
                for view in (8..12).map(View).filter(|view| !allowed.contains(view)) {
                    prop_assert!(!gives_own_share(&beacon, view));
                }
            }
        }
    }
}
