//! Final blocks, page by page, for whoever reads the chain's history.

use bitcraps_protocol::block::{Header, Height};
use bitcraps_protocol::chain::{Body, Entry as StateEntry, Key};
use bitcraps_protocol::journal::Entry;
use bitcraps_protocol::node::Node;
use bitcraps_protocol::receipt::History;
use bitcraps_protocol::wire::{Hash, decode, encode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Code, Failure, hex, unhex};

/// Blocks of one page at most: reading them takes the node's thread a few milliseconds.
pub const PAGE_BLOCKS: u64 = 64;

/// Bytes of headers and bodies after which a page ends.
pub const PAGE_BYTES: usize = 2 << 20;

/// Bytes of the largest encoded header.
const HEADER_BYTES: usize = 1024;

/// Some final blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlocksView {
    /// Consecutive blocks, from the first that was asked for or the first that is kept.
    pub blocks: Vec<BlockView>,
    /// From where to go on; missing if these are the newest.
    pub next: Option<u64>,
    /// The dice keys of this chain so far.
    pub dice_keys: Vec<DiceKeyView>,
    /// The hash of the one that was in force after genesis; zero if there was none.
    pub first_dice_key: String,
}

/// A final block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockView {
    /// Its height.
    pub height: u64,
    /// Its header's bytes in hexadecimal.
    pub header: String,
    /// Its body's.
    pub body: String,
}

/// A dice key of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiceKeyView {
    /// Which of its epoch's keys it is.
    pub version: u32,
    /// Its hash, as headers name it.
    pub hash: String,
}

/// `GET /v1/blocks?from=…`, its first half, on the node's thread: the newest height, and a page
/// without blocks.
pub fn blocks_frame(node: &Node) -> (Height, BlocksView) {
    let state = node.state();
    let epoch = state.meta().epoch;
    let keys = (0..).map_while(|version| state.prove(&Key::DiceKey(epoch, version)));
    let keys = keys.filter_map(|(entry, _)| match entry {
        StateEntry::DiceKey(key) => {
            Some(DiceKeyView { version: key.version, hash: key.hash().to_string() })
        }
        _ => None,
    });
    let first = node.genesis().dealt().map(|dealt| dealt.key.hash()).unwrap_or_default();
    let frame = BlocksView {
        blocks: Vec::new(),
        next: None,
        dice_keys: keys.collect(),
        first_dice_key: first.to_string(),
    };
    (node.header().height, frame)
}

/// Its second half, on any thread: the page with the blocks of these records.
pub fn blocks(
    (newest, mut page): (Height, BlocksView),
    records: Vec<(Height, Bytes)>,
) -> Result<BlocksView, Failure> {
    let mut size = 0;
    for (height, bytes) in records {
        let Ok(Entry::Decided(decided)) = Entry::from_bytes(&bytes) else {
            let message = format!("the journal's record of block {height} is none");
            return Err(Failure::new(Code::Failed, message));
        };
        if size > PAGE_BYTES {
            break;
        }
        size += decided.block.body.len() + HEADER_BYTES;
        page.next = Some(height.0 + 1).filter(|next| *next <= newest.0);
        page.blocks.push(BlockView {
            height: height.0,
            header: hex(&encode(&decided.block.header)),
            body: hex(&decided.block.body),
        });
    }
    Ok(page)
}

impl BlocksView {
    /// The history that begins with the first of these blocks.
    pub fn history(&self) -> History {
        match (self.blocks.first(), self.first_dice_key.parse()) {
            (Some(first), Ok(key)) if first.height == 1 => History::new(key),
            _ => History::from_the_middle(),
        }
    }

    /// The blocks, if these are some.
    pub fn read(&self, history: &mut History) -> Option<Vec<(Header, Body)>> {
        for key in &self.dice_keys {
            history.know(key.hash.parse::<Hash>().ok()?, key.version);
        }
        let read = |block: &BlockView| {
            let header: Header = decode(&unhex(&block.header)?, HEADER_BYTES).ok()?;
            let body = Body::of(&header, &unhex(&block.body)?)?;
            Some((header, body))
        };
        self.blocks.iter().map(read).collect()
    }
}
