//! What a light node answers: what neighbours prove to it.

use bitcraps_protocol::block::Header;
use bitcraps_protocol::chain::{Entry, Key, TableId};
use bitcraps_protocol::craps::Round;
use bitcraps_protocol::identity::PeerId;
use bitcraps_protocol::light::{Proven, Subject};

use super::{AccountView, Code, Failure, HeaderView, ReceiptView, TableView, ask, peer};
use crate::Handle;

/// What an account holds, proved.
pub(super) async fn account(handle: &Handle, id: &str) -> Result<AccountView, Failure> {
    let peer = peer(id)?;
    let (header, entry) = entry(handle, Key::Account(peer)).await?;
    let account = match entry {
        None => None,
        Some(Entry::Account(account)) => Some(account),
        Some(_) => return Err(no_sense()),
    };
    let proved_at = Some(header.height.0);
    Ok(AccountView { proved_at, ..AccountView::of(peer, account) })
}

/// A table with everything on it, proved.
pub(super) async fn table(handle: &Handle, id: TableId) -> Result<TableView, Failure> {
    match entry(handle, Key::Table(id)).await?.1 {
        Some(Entry::Table(entry)) => Ok(TableView::of(id, &entry, handle.status().insecure_dealer)),
        Some(_) => Err(no_sense()),
        None => Err(super::no_table(id)),
    }
}

/// The receipt of a roll, checked.
pub(super) async fn receipt(
    handle: &Handle,
    table: TableId,
    round: Round,
    player: Option<PeerId>,
) -> Result<ReceiptView, Failure> {
    match ask::prove(handle, Subject::Receipt { table, round, player }).await? {
        Proven::Receipt(receipt, proven) => Ok(ReceiptView::of(&receipt, &proven)),
        Proven::Headers(_) | Proven::Entry(..) => Err(no_sense()),
    }
}

/// The newest header.
pub(super) async fn header(handle: &Handle) -> Result<HeaderView, Failure> {
    match ask::prove(handle, Subject::Headers).await? {
        Proven::Headers(header) => Ok(HeaderView::of(&header)),
        Proven::Entry(..) | Proven::Receipt(..) => Err(no_sense()),
    }
}

/// What lies under a key, and after which block.
async fn entry(handle: &Handle, key: Key) -> Result<(Header, Option<Entry>), Failure> {
    match ask::prove(handle, Subject::Entry(key)).await? {
        Proven::Entry(header, entry) => Ok((*header, entry.map(|entry| *entry))),
        Proven::Headers(_) | Proven::Receipt(..) => Err(no_sense()),
    }
}

/// A quorum signed a state in which something of another kind lies under a key.
fn no_sense() -> Failure {
    Failure::new(Code::Failed, "this is a bug: what is proved answers another question")
}

/// A light node does not do that.
pub(super) fn refuses(what: &str) -> Failure {
    let message = format!(
        "this is a light node: it follows headers and proofs, and cannot {what}; ask a full node"
    );
    Failure::new(Code::Refused, message)
}
