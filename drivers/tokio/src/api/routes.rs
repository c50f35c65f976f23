//! Which path leads to which handler.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bitcraps_host::api::{
    self, AccountView, Code, Failure, InvitationRequest, InvitationView, Outcome, StatusView,
    SupplyView, TableSummary, TableView, TransactionRequest, TransactionView,
};
use bitcraps_protocol::chain::{TableId, TransactionId};
use bitcraps_protocol::event::Command;
use serde::Deserialize;
use tokio::time::Instant;

use super::Context;
use super::hands::hands_of;
use super::rolls;
use super::wire::{Input, Refused, lines};
use crate::ask;

/// How long a request waits for a transaction before it answers what is still missing.
const WAIT: Duration = Duration::from_secs(20);

pub(super) type Shared = State<Arc<Context>>;
pub(super) type Answer<T> = Result<Json<T>, Refused>;
type Segment = Result<Path<String>, PathRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    #[serde(default)]
    wait: bool,
}

pub(super) fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/supply", get(supply))
        .route("/v1/accounts/{id}", get(account))
        .route("/v1/tables", get(tables))
        .route("/v1/tables/{id}", get(table))
        .route("/v1/tables/{id}/odds", get(odds))
        .route("/v1/tables/{id}/hands", get(hands))
        .merge(rolls::router())
        .route("/v1/transactions", post(submit))
        .route("/v1/transactions/{id}", get(transaction))
        .route("/v1/invitations", post(invite))
        .route("/v1/events", get(events))
        .fallback(async || Refused(Failure::new(Code::NotFound, "there is no such path")))
        .method_not_allowed_fallback(async || {
            Refused(Failure::new(Code::MethodNotAllowed, "not with this method"))
        })
        .with_state(context)
}

async fn status(State(context): Shared) -> Json<StatusView> {
    Json(api::status(&context.handle.status()))
}

async fn supply(State(context): Shared) -> Answer<SupplyView> {
    Ok(Json(ask::query(&context.handle, api::supply).await?))
}

async fn account(State(context): Shared, id: Segment) -> Answer<AccountView> {
    let Path(id) = id?;
    let view = ask::query(&context.handle, move |node| api::account(node.state(), &id)).await??;
    Ok(Json(view))
}

async fn tables(State(context): Shared) -> Answer<Vec<TableSummary>> {
    Ok(Json(ask::query(&context.handle, |node| api::tables(node.state())).await?))
}

async fn table(State(context): Shared, id: Segment) -> Answer<TableView> {
    Ok(Json(table_view(&context, id).await?))
}

async fn odds(State(context): Shared, id: Segment) -> Result<Response, Refused> {
    let rules = table_view(&context, id).await?.rules;
    Ok(Json(&*context.odds.of(rules).await?).into_response())
}

async fn hands(State(context): Shared, id: Segment) -> Result<Response, Refused> {
    hands_of(&context, table_id(id)?).await
}

async fn table_view(context: &Context, id: Segment) -> Result<TableView, Refused> {
    let id = table_id(id)?;
    Ok(ask::query(&context.handle, move |node| api::table(node.state(), id)).await??)
}

fn table_id(id: Segment) -> Result<TableId, Refused> {
    let Path(id) = id?;
    let message = || format!("{id:?} is not the number of a table");
    Ok(TableId(id.parse().map_err(|_| Failure::new(Code::BadRequest, message()))?))
}

async fn submit(
    State(context): Shared,
    Input(request): Input<TransactionRequest>,
) -> Result<Response, Refused> {
    let roll = request.operation.roll();
    let operation = request.operation.operation()?;
    let id = ask::submit(&context.handle, Command::Operate(operation)).await?;
    context.hub.expect(id, roll);
    let outcome = if request.wait {
        context.hub.settled(id, Instant::now() + WAIT).await
    } else {
        context.hub.outcome(id)
    };
    if let Outcome::Failed { reason } = outcome {
        return Err(Failure::new(Code::Failed, reason).into());
    }
    Ok(answer(&context, id, outcome))
}

async fn transaction(
    State(context): Shared,
    id: Segment,
    waiting: Result<Query<Waiting>, QueryRejection>,
) -> Result<Response, Refused> {
    let Path(id) = id?;
    let Query(Waiting { wait }) = waiting?;
    let id = id.parse().map_err(|_| {
        Failure::new(Code::BadRequest, format!("{id:?} is not the id of a transaction"))
    })?;
    let outcome = if wait {
        context.hub.settled(id, Instant::now() + WAIT).await
    } else {
        context.hub.outcome(id)
    };
    if outcome == Outcome::Unknown {
        let message = "nothing is known of this transaction here";
        return Err(Failure::new(Code::NotFound, message).into());
    }
    Ok(answer(&context, id, outcome))
}

/// `202 Accepted` as long as there is something to wait for.
fn answer(context: &Context, id: TransactionId, outcome: Outcome) -> Response {
    let waits = outcome == Outcome::Waiting;
    let status = if waits { StatusCode::ACCEPTED } else { StatusCode::OK };
    let view = TransactionView::of(id, outcome, &context.handle.status().waiting_for);
    (status, Json(view)).into_response()
}

async fn invite(
    State(context): Shared,
    Input(request): Input<InvitationRequest>,
) -> Answer<InvitationView> {
    let deadline = Instant::now() + WAIT;
    Ok(Json(context.inviter.invite(&context.handle, &context.hub, request, deadline).await?))
}

async fn events(State(context): Shared) -> Response {
    lines(context.hub.watch(), context.stop.clone())
}
