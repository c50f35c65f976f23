//! What is left of rolls: receipts, and the blocks in which everybody can look them up.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use bitcraps_host::api::{self, BlocksView, Code, Failure, HeaderView, ReceiptView};
use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::TableId;
use bitcraps_protocol::craps::Round;
use serde::Deserialize;

use super::Context;
use super::routes::{Answer, Shared};
use crate::ask;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    player: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    from: u64,
}

pub(super) fn router() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/header", get(header))
        .route("/v1/blocks", get(blocks))
        .route("/v1/tables/{id}/rolls/{round}/receipt", get(receipt))
}

async fn header(State(context): Shared) -> Answer<HeaderView> {
    Ok(Json(ask::query(&context.handle, api::header).await?))
}

async fn receipt(
    State(context): Shared,
    roll: Result<Path<(u32, u64)>, PathRejection>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Answer<ReceiptView> {
    let Path((table, round)) = roll?;
    let Query(Whose { player }) = whose?;
    let player = player.map(|player| api::peer(&player)).transpose()?;
    let find = move |node: &_| api::receipt_material(node, TableId(table), Round(round));
    let material = ask::query(&context.handle, find).await??;
    Ok(Json(elsewhere(move || api::receipt(material, player)).await?))
}

async fn blocks(
    State(context): Shared,
    from: Result<Query<From>, QueryRejection>,
) -> Answer<BlocksView> {
    let Query(From { from }) = from?;
    let records = ask::blocks(&context.handle, Height(from)).await?;
    // Asked after the blocks, so that their dice keys are all known.
    let frame = ask::query(&context.handle, api::blocks_frame).await?;
    Ok(Json(elsewhere(move || api::blocks(frame, records)).await?))
}

/// What takes milliseconds is done where nobody waits for it.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Failure::new(Code::Failed, "this is a bug: the answer panicked"))?
}
