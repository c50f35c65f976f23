//! The sizes that every node of a network must agree on. Changing one is a change of
//! [`VERSION`](super::VERSION).

/// Validators in one epoch. 100 is the recommended most; the wire allows more so that the
/// simulator can push it.
pub const VALIDATORS: usize = 512;

/// Bytes of a block's body.
pub const BODY_BYTES: usize = 256 * 1024;

/// Bytes of a block's body above which an honest leader adds no transaction.
pub const BODY_TARGET_BYTES: usize = 64 * 1024;

/// Bytes of one message inside a session, before it is split into records: a body, its
/// justification of two certificates, two certificates of its own, and room for their framing.
pub const MESSAGE_BYTES: usize = BODY_BYTES + 4 * VALIDATORS * 80 + 8192;

/// Bytes of one transaction.
pub const TRANSACTION_BYTES: usize = 8 * 1024;

/// Transactions in one block.
pub const BLOCK_TRANSACTIONS: usize = 1024;

/// Transactions of one account in one block.
pub const BLOCK_TRANSACTIONS_PER_ACCOUNT: usize = 64;

/// Accounts that one block may create.
pub const BLOCK_NEW_ACCOUNTS: usize = 64;

/// How far a nonce may run ahead of the account's last one.
pub const NONCE_GAP: u64 = 64;

/// How many blocks ahead a transaction's expiry may lie.
pub const EXPIRY_BLOCKS: u64 = 100_000;

/// Views ahead of one's own in which votes are kept.
pub const VIEW_WINDOW: u64 = 64;

/// Unfinalized blocks above which leaders propose empty ones.
pub const UNFINALIZED_BLOCKS: usize = 64;

/// Direct neighbours that one announcement may name: as many as there are validators at most, so
/// that in a full mesh nothing is relayed.
pub const NEIGHBOURS: usize = VALIDATORS;

/// Bytes of a network's or a table's name.
pub const NAME_BYTES: usize = 64;

/// Bytes of an encoded genesis.
pub const GENESIS_BYTES: usize = 256 * 1024;

/// Accounts that a genesis may fund.
pub const GENESIS_ALLOCATIONS: usize = 1024;
