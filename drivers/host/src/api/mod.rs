//! The local API: what programs on this machine may ask a node, as plain functions from the node's
//! state and a request to an answer. [`Route`] says which path leads to which of them and
//! [`Service`] answers for one running node; a driver carries requests and answers over HTTP.
//!
//! The types of requests and answers serve both ends. Keys, hashes and ids are texts, chips and
//! heights numbers, times Unix milliseconds.

mod answer;
pub(crate) mod ask;
mod blocks;
mod chat;
mod elsewhere;
mod failure;
mod hand_file;
mod hands;
mod hub;
mod invite;
mod light;
mod odds;
mod odds_memory;
mod outcome;
mod receipt;
mod request;
pub mod route;
mod service;
mod view;

use bitcraps_protocol::chain::{State, TableId};
use bitcraps_protocol::event::Notice;
use bitcraps_protocol::identity::{Address, PeerId};
use bitcraps_protocol::node::{Node, Status};
use bitcraps_protocol::wire::Hash;

pub use answer::{Answer, Body, FailureBody, Lines};
pub use blocks::{
    BlockView, BlocksView, DiceKeyView, PAGE_BLOCKS, PAGE_BYTES, blocks, blocks_frame,
};
pub use chat::{ChatRequest, ChatView, LineView, LinesView, lines};
pub use failure::{Code, Failure};
pub use hands::{BANKROLL, HandLine, Hands};
pub use hub::Hub;
pub use odds::{OddsView, Share};
pub use outcome::{Outcome, Outcomes};
pub use receipt::{DecidedView, HeaderView, ReceiptView, header, receipt, receipt_material};
pub use request::{
    InvitationRequest, OperationRequest, RotationRequest, RotationView, TransactionRequest,
};
pub use route::Route;
pub use service::{SOCKET_NAME, Service, listen};
pub use view::{
    AccountView, BanView, BetView, DiceView, EventView, InvitationView, Path, PeerView,
    PendingKeyView, PrivateView, RelayView, SeatView, SnapshotView, StatusView, SupplyView,
    TableSummary, TableView, TransactionState, TransactionView,
};

/// `GET /v1/status`: the node's condition.
pub fn status(status: &Status) -> StatusView {
    StatusView::of(status)
}

/// `GET /v1/accounts/{id}`: what an account holds; one that does not exist holds nothing. `id` is
/// an address or the hexadecimal digits of its key.
pub fn account(state: &State, id: &str) -> Result<AccountView, Failure> {
    let peer = peer(id)?;
    Ok(AccountView::of(peer, state.account(&peer)))
}

/// `GET /v1/supply`: where all chips are.
pub fn supply(node: &Node) -> SupplyView {
    SupplyView::of(node)
}

/// `GET /v1/tables`: all open tables.
pub fn tables(state: &State) -> Vec<TableSummary> {
    let insecure = state.is_dealt();
    state.tables().map(|(id, entry)| TableSummary::of(id, entry, insecure)).collect()
}

/// `GET /v1/tables/{id}`: one table with everything on it.
pub fn table(state: &State, id: TableId) -> Result<TableView, Failure> {
    let entry = state.table(id).ok_or_else(|| no_table(id))?;
    Ok(TableView::of(id, entry, state.is_dealt()))
}

fn no_table(id: TableId) -> Failure {
    Failure::new(Code::NotFound, format!("there is no open table {}", id.0))
}

/// `GET /v1/events`: how a notice is told to programs.
pub fn event(notice: &Notice) -> EventView {
    EventView::of(notice)
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The bytes behind hexadecimal digits.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER.decode(digits.as_bytes()).ok()
}

/// Reads an account's id: its address, or the hexadecimal digits of its key.
pub fn peer(id: &str) -> Result<PeerId, Failure> {
    if let Ok(Hash(bytes)) = id.parse() {
        return Ok(PeerId(bytes));
    }
    let address = id
        .parse::<Address>()
        .map_err(|error| Failure::new(Code::BadRequest, format!("the account {id:?} {error}")))?;
    Ok(address.peer)
}
