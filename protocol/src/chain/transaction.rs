//! What an account can ask of the chain, and the signed envelope in which it asks.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::block::Height;
use crate::craps::{Bet, Chips, Round, Rules};
use crate::hooks::Hooks;
use crate::identity::{
    Address, BadSignature, Context, Domain, Epoch, Keypair, NetworkId, Signature,
};
#[cfg(feature = "simulation")]
use crate::simulation::Signatures;
use crate::wire::{Hash, Malformed, Text, decode, encode, limits};

/// A table's number on its chain, counted from 1 in the order in which tables were opened.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TableId(pub u32);

/// A transaction's place among its sender's: strictly increasing, gaps up to
/// [`limits::NONCE_GAP`] allowed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Nonce(pub u64);

/// The hash of a transaction's signed bytes. The signature is not part of it.
pub type TransactionId = Hash;

/// What an account can ask for.
#[expect(
    clippy::large_enum_variant,
    reason = "at most some ten thousand wait at one time, and few of them open tables"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Pays `amount` to another account, which is created if need be.
    Transfer {
        /// Whom to pay; the proof of work is checked when the account is created.
        to: Address,
        /// How much.
        amount: Chips,
    },
    /// Opens a table whose bank is funded by the sender.
    OpenTable {
        /// What the table is called.
        name: Text<{ limits::NAME_BYTES }>,
        /// Its house rules, fixed while it is open.
        rules: Rules,
        /// What the sender puts into its bank.
        bank: Chips,
    },
    /// Closes one's own table once no bet is up; the bank returns to its owner.
    CloseTable {
        /// Which.
        table: TableId,
    },
    /// Takes a seat.
    Sit {
        /// Where.
        table: TableId,
    },
    /// Leaves: takes removable bets down, waits for contract bets.
    Stand {
        /// Where.
        table: TableId,
    },
    /// Puts chips on a bet.
    Bet {
        /// Where.
        table: TableId,
        /// For which roll.
        round: Round,
        /// On what.
        bet: Bet,
        /// How much is added.
        amount: Chips,
    },
    /// Takes a bet down, or a part of it.
    TakeDown {
        /// Where.
        table: TableId,
        /// Before which roll.
        round: Round,
        /// Which.
        bet: Bet,
        /// How much of it; all if left out.
        amount: Option<Chips>,
    },
    /// Agrees to roll before the betting window has passed.
    Ready {
        /// Where.
        table: TableId,
        /// For which roll.
        round: Round,
    },
    /// Throws the dice; the shooter's right.
    Roll {
        /// Where.
        table: TableId,
        /// Which roll.
        round: Round,
    },
    /// Calls a bet on or off.
    SetWorking {
        /// Where.
        table: TableId,
        /// Before which roll.
        round: Round,
        /// Which.
        bet: Bet,
        /// Whether it is to work.
        on: bool,
    },
    /// Adds to a table's bank.
    Fund {
        /// Whose.
        table: TableId,
        /// How much.
        amount: Chips,
    },
    /// Draws chips that no bet needs out of the bank of one's own table.
    Draw {
        /// Whose.
        table: TableId,
        /// How much.
        amount: Chips,
    },
    /// Passes the dice to the next player; the shooter's right.
    PassDice {
        /// Where.
        table: TableId,
        /// Before which roll.
        round: Round,
    },
}

/// One account's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Who asks.
    pub sender: Address,
    /// Protects against replay.
    pub nonce: Nonce,
    /// The last height at which it may be included.
    pub expires: Height,
    /// What is asked.
    pub operation: Operation,
}

/// A transaction as it travels: exact bytes and their signature, neither yet believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTransaction {
    bytes: Bytes,
    signature: Signature,
}

/// A transaction that its sender is known to have signed for this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTransaction {
    id: TransactionId,
    signed: SignedTransaction,
    transaction: Transaction,
}

/// Why a transaction is not what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAuthentic {
    /// The signed bytes are not a transaction.
    Malformed(Malformed),
    /// The sender did not sign them for this network.
    BadSignature,
}

impl Operation {
    /// The table that is named and, where one is named, the round it is meant for.
    pub const fn place(&self) -> Option<(TableId, Option<Round>)> {
        match self {
            Self::Transfer { .. } | Self::OpenTable { .. } => None,
            Self::CloseTable { table }
            | Self::Sit { table }
            | Self::Stand { table }
            | Self::Fund { table, .. }
            | Self::Draw { table, .. } => Some((*table, None)),
            Self::Bet { table, round, .. }
            | Self::SetWorking { table, round, .. }
            | Self::TakeDown { table, round, .. }
            | Self::Ready { table, round }
            | Self::PassDice { table, round }
            | Self::Roll { table, round } => Some((*table, Some(*round))),
        }
    }
}

impl Transaction {
    /// Signs this transaction, whose sender must be `keypair`'s identity.
    pub fn sign(self, keypair: &Keypair, network: NetworkId) -> VerifiedTransaction {
        assert_eq!(keypair.peer(), self.sender.peer, "a transaction is signed by its sender");
        let bytes = Bytes::from(encode(&self));
        let signature = keypair.sign(Domain::Transaction, &context(network), &bytes);
        let signed = SignedTransaction { bytes, signature };
        VerifiedTransaction { id: signed.id(), signed, transaction: self }
    }
}

impl SignedTransaction {
    /// The transaction's id.
    pub fn id(&self) -> TransactionId {
        Hash::of_bytes("bitcraps 2026 transaction", &self.bytes)
    }

    /// Bytes that it takes in a block, give or take its framing.
    pub fn size(&self) -> usize {
        self.bytes.len() + 64
    }

    /// What the signed bytes say; whether anybody signed them is not looked at.
    pub fn read(&self) -> Result<Transaction, Malformed> {
        decode(&self.bytes, limits::TRANSACTION_BYTES)
    }

    /// Decodes the signed bytes and checks the signature over them.
    pub fn verify(self, network: NetworkId) -> Result<VerifiedTransaction, NotAuthentic> {
        self.verify_by(&Hooks::default(), network)
    }

    /// As [`verify`](Self::verify), in a simulation with these signatures.
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(feature = "simulation")]
    pub fn verify_with(
        self,
        signatures: &Signatures,
        network: NetworkId,
    ) -> Result<VerifiedTransaction, NotAuthentic> {
        let hooks = Hooks { signatures: signatures.clone(), ..Hooks::default() };
        self.verify_by(&hooks, network)
    }

    pub(super) fn verify_by(
        self,
        hooks: &Hooks,
        network: NetworkId,
    ) -> Result<VerifiedTransaction, NotAuthentic> {
        let transaction = self.read().map_err(NotAuthentic::Malformed)?;
        let (peer, context) = (&transaction.sender.peer, context(network));
        hooks
            .verify(peer, Domain::Transaction, &context, &self.bytes, &self.signature)
            .map_err(|BadSignature| NotAuthentic::BadSignature)?;
        Ok(VerifiedTransaction { id: self.id(), signed: self, transaction })
    }
}

impl VerifiedTransaction {
    /// The transaction's id.
    pub const fn id(&self) -> TransactionId {
        self.id
    }

    /// What was signed.
    pub const fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The bytes and signature, to travel on.
    pub const fn signed(&self) -> &SignedTransaction {
        &self.signed
    }
}

/// Transactions outlive epochs, so their signatures name none.
const fn context(network: NetworkId) -> Context {
    Context { network, epoch: Epoch(0) }
}
