//! How a network begins: who validates, who owns what, and under which key the dice are thrown.
//! Its hash is the network's id, so two networks that differ in anything never mix.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::TableId;
use super::card::{BadCard, ValidatorCard};
use super::overlay::{Overlay, Writes};
use super::state::{Entry, Key, Meta, State};
use crate::beacon::{BadDiceKey, Dealt, DiceKey, DiceRelease, deal};
use crate::block::ValidatorIndex;
use crate::craps::Chips;
use crate::identity::{Address, Epoch, NetworkId, PeerId};
use crate::ledger::{self, Account};
use crate::rng::Rng;
use crate::time::BlockTime;
use crate::wire::{Hash, List, Malformed, Text, decode, encode, limits};

/// The beginning of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// What people call it.
    pub name: Text<{ limits::NAME_BYTES }>,
    /// When it was made: the agreed time before the first block.
    pub time: BlockTime,
    /// Leading zero bits that an identity's proof of work must have.
    pub proof_of_work_bits: u8,
    /// Who decides in epoch 0, in the order of their indices.
    pub validators: List<ValidatorCard, { limits::VALIDATORS }>,
    /// The accounts that exist from the start, and all the chips that there will ever be.
    pub allocations: List<(Address, Chips), { limits::GENESIS_ALLOCATIONS }>,
    /// Where the dice key of epoch 0 comes from.
    pub dice: DiceSetup,
    /// When validators give away their shares of a coin.
    pub dice_release: DiceRelease,
}

/// Where the dice key of epoch 0 comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiceSetup {
    /// From whoever made the genesis, who could know every roll: for development and play money,
    /// and every client says so.
    InsecureDealer(Dealt),
}

/// Why a genesis is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenesisRefusal {
    /// Nobody would decide anything.
    NoValidators,
    /// More validators than [`limits::VALIDATORS`], or accounts than
    /// [`limits::GENESIS_ALLOCATIONS`], or bytes than [`limits::GENESIS_BYTES`].
    TooLarge,
    /// Two validators are the same identity.
    SameValidator(ValidatorIndex),
    /// A validator's card does not hold.
    Card(ValidatorIndex, BadCard),
    /// Two allocations are for the same identity.
    SameAccount(PeerId),
    /// An account's identity is worth too little proof of work.
    TooLittleWork(PeerId),
    /// All chips together do not fit into 64 bits.
    TooManyChips,
    /// The dice key is not for these validators and their threshold.
    DiceKeySize,
    /// The dice key is none.
    DiceKey(BadDiceKey),
}

impl Genesis {
    /// A network whose dice key is dealt here and now: whoever runs this could know every roll.
    pub fn insecure(
        name: Text<{ limits::NAME_BYTES }>,
        cards: Vec<ValidatorCard>,
        allocations: Vec<(Address, Chips)>,
        time: BlockTime,
        proof_of_work_bits: u8,
        rng: &mut Rng,
    ) -> Result<Self, GenesisRefusal> {
        if cards.is_empty() {
            return Err(GenesisRefusal::NoValidators);
        }
        let validators = List::new(cards).map_err(|_| GenesisRefusal::TooLarge)?;
        let allocations = List::new(allocations).map_err(|_| GenesisRefusal::TooLarge)?;
        let members: Vec<_> =
            validators.iter().map(|card| (card.address.peer, card.sealing)).collect();
        let id = Hash::of("bitcraps 2026 genesis deal", &(&name, time));
        let dealt = deal(&members, dice_threshold(validators.len()), rng, &id);
        let genesis = Self {
            name,
            time,
            proof_of_work_bits,
            validators,
            allocations,
            dice: DiceSetup::InsecureDealer(dealt),
            dice_release: DiceRelease::default(),
        };
        genesis.check()?;
        Ok(genesis)
    }

    /// The same network with a dice key that any `threshold` shares make a coin of, which
    /// [`check`](Self::check) refuses unless it is n − f.
    #[cfg(feature = "simulation")]
    #[must_use]
    pub fn with_dice_threshold(mut self, threshold: u16, rng: &mut Rng) -> Self {
        let members: Vec<_> =
            self.validators.iter().map(|card| (card.address.peer, card.sealing)).collect();
        let id = Hash::of("bitcraps 2026 genesis deal", &(&self.name, self.time));
        self.dice = DiceSetup::InsecureDealer(deal(&members, threshold, rng, &id));
        self
    }

    /// Checks everything that can be wrong with a genesis made by somebody else.
    pub fn check(&self) -> Result<(), GenesisRefusal> {
        self.check_validators()?;
        self.check_allocations()?;
        let DiceSetup::InsecureDealer(dealt) = &self.dice;
        let size = self.validators.len();
        let right_size = dealt.key.members.len() == size && dealt.sealed.len() == size;
        if !right_size || dealt.key.threshold != dice_threshold(size) {
            return Err(GenesisRefusal::DiceKeySize);
        }
        dealt.key.table().map_err(GenesisRefusal::DiceKey)?;
        if self.encode().len() > limits::GENESIS_BYTES {
            return Err(GenesisRefusal::TooLarge);
        }
        Ok(())
    }

    /// Whether somebody could know every roll: the dice key was dealt, not generated together.
    pub const fn is_insecure(&self) -> bool {
        match self.dice {
            DiceSetup::InsecureDealer(_) => true,
        }
    }

    /// The network's id.
    pub fn network(&self) -> NetworkId {
        Hash::of("bitcraps 2026 genesis", self)
    }

    /// The genesis's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a genesis of at most [`limits::GENESIS_BYTES`] bytes; it is yet to be checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        decode(bytes, limits::GENESIS_BYTES)
    }

    /// The dice key of epoch 0.
    pub const fn dice_key(&self) -> &DiceKey {
        let DiceSetup::InsecureDealer(dealt) = &self.dice;
        &dealt.key
    }

    /// Hash of the validators of epoch 0, to which headers commit.
    pub fn validators_hash(&self) -> Hash {
        let peers: Vec<PeerId> = self.validators.iter().map(|card| card.address.peer).collect();
        Hash::of("bitcraps 2026 validators", &peers)
    }

    /// The root of the state before the first block.
    pub fn state_root(&self) -> Hash {
        self.state().root()
    }

    /// The state before the first block.
    pub(super) fn state(&self) -> State {
        let supply = ledger::total(self.allocations.iter().map(|(_, amount)| *amount))
            .expect("a checked genesis");
        let key = self.dice_key();
        let meta = Meta {
            supply,
            epoch: Epoch(0),
            validators: self.validators_hash(),
            dice_key: key.version,
            dice_key_hash: key.hash(),
            next_table: TableId(1),
            open_tables: 0,
            pending: List::new(Vec::new()).expect("nothing is not too much"),
        };
        let mut state = State::empty();
        let mut writes = Writes::new(Overlay { base: &state, deltas: Vec::new() });
        writes.set(Key::Meta, Entry::Meta(meta));
        writes.set(Key::DiceKey(Epoch(0), key.version), Entry::DiceKey(key.clone()));
        for (address, amount) in self.allocations.iter() {
            writes.set_account(address.peer, Account::holding(*amount));
        }
        let (delta, _) = writes.finish();
        state.apply(delta);
        state
    }

    fn check_validators(&self) -> Result<(), GenesisRefusal> {
        if self.validators.is_empty() {
            return Err(GenesisRefusal::NoValidators);
        }
        let mut seen = BTreeSet::new();
        for (index, card) in (0..).map(ValidatorIndex).zip(self.validators.iter()) {
            if !seen.insert(card.address.peer) {
                return Err(GenesisRefusal::SameValidator(index));
            }
            card.check(self.proof_of_work_bits).map_err(|bad| GenesisRefusal::Card(index, bad))?;
        }
        Ok(())
    }

    fn check_allocations(&self) -> Result<(), GenesisRefusal> {
        let mut seen = BTreeSet::new();
        for (address, _) in self.allocations.iter() {
            if !seen.insert(address.peer) {
                return Err(GenesisRefusal::SameAccount(address.peer));
            }
            if !address.is_worth(self.proof_of_work_bits) {
                return Err(GenesisRefusal::TooLittleWork(address.peer));
            }
        }
        ledger::total(self.allocations.iter().map(|(_, amount)| *amount))
            .map(|_| ())
            .ok_or(GenesisRefusal::TooManyChips)
    }
}

/// Shares that make a coin among `validators`: n − f, where f = ⌊(n − 1) / 3⌋ may be Byzantine.
fn dice_threshold(validators: usize) -> u16 {
    let threshold = validators - validators.saturating_sub(1) / 3;
    u16::try_from(threshold).expect("there are at most 512 validators")
}

impl fmt::Display for GenesisRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValidators => formatter.write_str("a network needs at least one validator"),
            Self::TooLarge => write!(
                formatter,
                "a network starts with at most {} validators, {} accounts and {} bytes",
                limits::VALIDATORS,
                limits::GENESIS_ALLOCATIONS,
                limits::GENESIS_BYTES
            ),
            Self::SameValidator(index) => {
                write!(formatter, "validator {index} is the same identity as an earlier one")
            }
            Self::Card(index, bad) => write!(formatter, "the card of validator {index}: {bad}"),
            Self::SameAccount(peer) => {
                write!(formatter, "two allocations are for the account {}", peer.short())
            }
            Self::TooLittleWork(peer) => write!(
                formatter,
                "the address of the account {} is worth too little proof of work",
                peer.short()
            ),
            Self::TooManyChips => formatter.write_str("all chips together exceed 64 bits"),
            Self::DiceKeySize => {
                formatter.write_str("the dice key is not made for these validators")
            }
            Self::DiceKey(bad) => bad.fmt(formatter),
        }
    }
}

impl core::error::Error for GenesisRefusal {}
