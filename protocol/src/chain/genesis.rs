//! How a network begins: who validates, who owns what, and under which key the dice are thrown.
//! Its hash is the network's id, so two networks that differ in anything never mix.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::TableId;
use super::card::{BadCard, ValidatorCard};
use super::overlay::{Overlay, Writes};
use super::state::{Entry, Key, Meta, State};
use crate::beacon::generation::{self, Generation, Member};
use crate::beacon::{BadDiceKey, Dealt, DiceKey, DiceRelease, deal, threshold};
use crate::block::{Height, ValidatorIndex};
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
    /// From the validators themselves, in the first blocks: nobody ever knows it, and until it is
    /// made no dice are rolled.
    OnChain,
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
    /// More validators than [`generation::MEMBERS`] cannot make a dice key together.
    TooManyForKeyGeneration,
    /// The dice key is not for these validators and their threshold.
    DiceKeySize,
    /// The dice key is none.
    DiceKey(BadDiceKey),
}

impl Genesis {
    /// A network whose validators make its dice key together in the first blocks.
    pub fn new(
        name: Text<{ limits::NAME_BYTES }>,
        cards: Vec<ValidatorCard>,
        allocations: Vec<(Address, Chips)>,
        time: BlockTime,
        proof_of_work_bits: u8,
    ) -> Result<Self, GenesisRefusal> {
        let genesis = Self {
            name,
            time,
            proof_of_work_bits,
            validators: List::new(cards).map_err(|_| GenesisRefusal::TooLarge)?,
            allocations: List::new(allocations).map_err(|_| GenesisRefusal::TooLarge)?,
            dice: DiceSetup::OnChain,
            dice_release: DiceRelease::default(),
        };
        genesis.check()?;
        Ok(genesis)
    }

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
        let dealt = deal(&members, threshold(validators.len()), rng, &id);
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
        self.check_dice()?;
        if self.encode().len() > limits::GENESIS_BYTES {
            return Err(GenesisRefusal::TooLarge);
        }
        Ok(())
    }

    /// Whether somebody could know every roll: the dice key was dealt, not generated together.
    pub const fn is_insecure(&self) -> bool {
        match self.dice {
            DiceSetup::InsecureDealer(_) => true,
            DiceSetup::OnChain => false,
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

    /// What a dealer dealt, if one did.
    pub const fn dealt(&self) -> Option<&Dealt> {
        match &self.dice {
            DiceSetup::InsecureDealer(dealt) => Some(dealt),
            DiceSetup::OnChain => None,
        }
    }

    /// K = n − f, how many validators' shares make a coin.
    pub fn dice_threshold(&self) -> u16 {
        threshold(self.validators.len())
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
        let key = self.dealt().map(|dealt| &dealt.key);
        let meta = Meta {
            supply,
            epoch: Epoch(0),
            validators: self.validators_hash(),
            dice_key: key.map(|key| key.version),
            dice_key_hash: key.map(DiceKey::hash).unwrap_or_default(),
            next_table: TableId(1),
            open_tables: 0,
            pending: List::new(Vec::new()).expect("nothing is not too much"),
        };
        let mut state = State::empty();
        let mut writes = Writes::new(Overlay { base: &state, deltas: Vec::new() });
        writes.set(Key::Meta, Entry::Meta(meta));
        match key {
            Some(key) => {
                let place = Key::DiceKey(Epoch(0), key.version);
                writes.set(place, Entry::DiceKey(key.clone()));
            }
            None => writes.set(Key::Generation, Entry::Generation(Box::new(self.generation()))),
        }
        for (address, amount) in self.allocations.iter() {
            writes.set_account(address.peer, Account::holding(*amount));
        }
        let (delta, _) = writes.finish();
        state.apply(delta);
        state
    }

    /// The first run, with the sealing keys of the validators' cards.
    fn generation(&self) -> Generation {
        let member =
            |card: &ValidatorCard| Member { peer: card.address.peer, sealing: card.sealing };
        let members = List::new(self.validators.iter().map(member).collect());
        let members = members.expect("a checked genesis has not more");
        Generation::open(Epoch(0), members, Height(0))
    }

    fn check_dice(&self) -> Result<(), GenesisRefusal> {
        let size = self.validators.len();
        match &self.dice {
            DiceSetup::InsecureDealer(dealt) => {
                let right_size = dealt.key.members.len() == size && dealt.sealed.len() == size;
                if !right_size || dealt.key.threshold != threshold(size) {
                    return Err(GenesisRefusal::DiceKeySize);
                }
                dealt.key.table().map_err(GenesisRefusal::DiceKey)?;
            }
            DiceSetup::OnChain if size > generation::MEMBERS => {
                return Err(GenesisRefusal::TooManyForKeyGeneration);
            }
            DiceSetup::OnChain => {}
        }
        Ok(())
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
            Self::TooManyForKeyGeneration => write!(
                formatter,
                "more than {} validators cannot make a dice key together; only an insecure dealer \
                 serves so many",
                generation::MEMBERS
            ),
            Self::DiceKeySize => {
                formatter.write_str("the dice key is not made for these validators")
            }
            Self::DiceKey(bad) => bad.fmt(formatter),
        }
    }
}

impl core::error::Error for GenesisRefusal {}
