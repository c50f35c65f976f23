//! What people say, as JSON states it.

use bitcraps_protocol::chain::TableId;
use bitcraps_protocol::chat::{Line, Room, Words};
use bitcraps_protocol::node::Node;
use serde::{Deserialize, Serialize};

use super::{Code, Failure, peer};

/// `POST /v1/chat`: say something at a table or to one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// At which table; either this or `peer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// To whom: an address or the hexadecimal digits of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What, in one line of at most [`TEXT_BYTES`](bitcraps_protocol::chat::TEXT_BYTES) bytes.
    pub text: String,
}

/// What `POST /v1/chat` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatView {
    /// Names what was said to a peer in the events `delivered` and `undelivered`.
    pub id: String,
}

/// `GET /v1/tables/{id}/chat` and `GET /v1/peers/{id}/chat`: what was said lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesView {
    /// Oldest first.
    pub lines: Vec<LineView>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineView {
    /// Whose, by key.
    pub from: String,
    /// When it was heard, in Unix milliseconds.
    pub at_ms: u64,
    /// What.
    pub text: String,
}

impl ChatRequest {
    /// Where to say what.
    pub fn said(self) -> Result<(Room, Words), Failure> {
        let bad = |message: &str| Failure::new(Code::BadRequest, message);
        let room = match (self.table, self.peer) {
            (Some(table), None) => Room::Table(TableId(table)),
            (None, Some(id)) => Room::Peer(peer(&id)?),
            (None, None) | (Some(_), Some(_)) => return Err(bad("say either a table or a peer")),
        };
        let words = Words::new(self.text).map_err(|error| {
            bad(&format!("what is said is {error} bytes, or holds control characters"))
        })?;
        Ok((room, words))
    }
}

/// What was said in a room lately.
pub fn lines(node: &Node, room: Room) -> LinesView {
    LinesView { lines: node.lines(room).map(LineView::of).collect() }
}

impl LineView {
    fn of(line: &Line) -> Self {
        let Line { from, at, words } = line;
        Self { from: from.to_string(), at_ms: at.as_millis(), text: words.to_string() }
    }
}
