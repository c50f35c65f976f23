//! A chain with many accounts, and blocks of transfers between them.

use bitcraps_protocol::block::{BlockHash, Header, Height, Parent};
use bitcraps_protocol::chain::{
    Chain, Genesis, Nonce, Operation, Slot, Transaction, ValidatorCard, VerifiedTransaction,
};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::identity::{Epoch, Keypair};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::BlockTime;
use bitcraps_protocol::wire::{Hash, Text, encode};
use bytes::Bytes;

use super::{address, keypair};

/// Transfers of one account that may wait at one time.
const PER_ACCOUNT: usize = 64;

/// Accounts with chips, and the genesis that funds them.
pub struct Bank {
    /// The network's beginning: four validators.
    pub genesis: Genesis,
    accounts: Vec<Keypair>,
}

impl Bank {
    /// So many accounts, at most 1,024.
    pub fn new(accounts: u16) -> Self {
        let accounts: Vec<Keypair> = (0..accounts).map(|number| keypair(1_000 + number)).collect();
        let genesis = Genesis::insecure(
            Text::new("benchmark").expect("a short name"),
            (0..4).map(keypair).map(|it| ValidatorCard::new(&it, address(&it).proof)).collect(),
            accounts.iter().map(|it| (address(it), Chips(1_000_000))).collect(),
            BlockTime(1_000_000),
            0,
            &mut Rng::new([7; 32]),
        );
        Self { genesis: genesis.expect("a good genesis"), accounts }
    }

    /// The chain before its first block.
    pub fn chain(&self) -> Chain {
        Chain::new(&self.genesis)
    }

    /// So many transfers of one chip each, everybody in turn to the next; at most 64 of each account.
    pub fn transfers(&self, count: usize) -> Vec<VerifiedTransaction> {
        assert!(count <= self.accounts.len() * PER_ACCOUNT, "more than may wait");
        let network = self.genesis.network();
        let transfer = |number: usize| {
            let accounts = self.accounts.len();
            let (from, to) = (number % accounts, (number + 1) % accounts);
            let sender = &self.accounts[from];
            let transaction = Transaction {
                sender: address(sender),
                nonce: Nonce((number / accounts) as u64 + 1),
                expires: Height(1_000),
                operation: Operation::Transfer {
                    to: address(&self.accounts[to]),
                    amount: Chips(1),
                },
            };
            transaction.sign(sender, network)
        };
        (0..count).map(transfer).collect()
    }

    /// The blocks that leaders make of what waits in `chain`, which executes and finalizes them.
    pub fn blocks(chain: &mut Chain) -> Vec<(Header, Bytes)> {
        let mut blocks = Vec::new();
        while chain.mempool_len() > 0 {
            let block = Self::next(chain);
            execute(chain, &block);
            blocks.push(block);
        }
        blocks
    }

    /// The next block of what waits in `chain`: transactions executed, their state's root found.
    pub fn next(chain: &mut Chain) -> (Header, Bytes) {
        let (parent, at): (BlockHash, Slot) = chain.finalized();
        let time = at.time.plus_millis(1_000);
        let slot = Slot { view: at.view.next(), height: at.height.next(), time };
        let (body, commitments) =
            chain.build(&parent, slot, Vec::new(), false).expect("its parent is final");
        let header = Header {
            network: chain.network(),
            epoch: Epoch(0),
            view: slot.view,
            height: slot.height,
            parent: Parent { view: at.view, hash: parent },
            time,
            body: Hash::default(),
            commitments,
            justification: Hash::default(),
        };
        (header, body)
    }
}

/// Has these transactions wait.
pub fn submit(chain: &mut Chain, transfers: &[VerifiedTransaction]) {
    for transfer in transfers {
        chain.submit(transfer.clone()).expect("there is room");
    }
}

/// Executes a block somebody else made, and makes it final.
pub fn execute(chain: &mut Chain, (header, body): &(Header, Bytes)) {
    chain.check(header, body).expect("it is valid");
    chain.finalize(&header.hash());
}

/// All accounts of a state as one string of bytes.
pub fn whole(chain: &Chain) -> Vec<u8> {
    chain.state().accounts().flat_map(|account| encode(&account)).collect()
}
