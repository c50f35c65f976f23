//! `GET /v1/tables/{id}/hands`: a table's hands as a hand file, written while it is read.

use std::sync::Arc;

use axum::body::Bytes;
use axum::response::Response;
use bitcraps_host::Handle;
use bitcraps_host::api::{Code, Failure, HandLine, Hands};
use bitcraps_protocol::beacon::DiceKey;
use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::TableId;
use bitcraps_protocol::identity::Epoch;
use tokio::sync::mpsc;

use super::Context;
use super::wire::{FailureBody, Refused, streamed};
use crate::{ask, hands};

/// Streams the hands of `table`, from its opening to the newest final block. What goes wrong on the
/// way is the last line: a failure, as other answers state it, which no hand file can contain.
pub(super) async fn hands_of(context: &Arc<Context>, table: TableId) -> Result<Response, Refused> {
    let known = ask::query(&context.handle, move |node| {
        table > TableId(0) && table < node.state().meta().next_table
    });
    if !known.await? {
        let message = format!("there never was a table {}", table.0);
        return Err(Failure::new(Code::NotFound, message).into());
    }
    let (lines, response) = streamed();
    let (handle, mut stop) = (context.handle.clone(), context.stop.clone());
    tokio::spawn(async move {
        let written = tokio::select! {
            written = write(&handle, table, &lines) => written,
            _ = stop.wait_for(|stopping| *stopping) => Err(Failure::halted()),
        };
        if let Err(error) = written {
            let text = serde_json::to_vec(&FailureBody { error });
            let text = text.expect("our own plain types have a JSON form");
            // Fails only if nobody reads any more, or too slowly to be waited for at the end.
            let _ = lines.try_send([&text[..], b"\n"].concat().into());
        }
    });
    Ok(response)
}

async fn write(
    handle: &Handle,
    table: TableId,
    lines: &mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    let end = handle.status().height;
    let (mut writer, mut height) = (Hands::new(table), Height(0));
    while height < end {
        let blocks = ask::blocks(handle, height.next()).await?;
        if blocks.first().is_none_or(|(first, _)| *first != height.next()) {
            let message = format!("block {} is not kept here: ask another node", height.next());
            return Err(Failure::new(Code::NotFound, message));
        }
        let keys: Vec<(Epoch, DiceKey)> = ask::query(handle, |node| {
            node.state().dice_keys().map(|(epoch, key)| (epoch, key.clone())).collect()
        })
        .await?;
        for (at, block) in blocks {
            if at != height.next() || height >= end {
                break;
            }
            height = at;
            if send(lines, writer.block(&block, &keys)?).await.is_err() {
                return Ok(());
            }
        }
    }
    // Fails only if nobody reads any more.
    let _ = send(lines, writer.finish()).await;
    Ok(())
}

async fn send(
    lines: &mpsc::Sender<Bytes>,
    played: Vec<HandLine>,
) -> Result<(), mpsc::error::SendError<Bytes>> {
    for line in played {
        lines.send(hands::line(line).into()).await?;
    }
    Ok(())
}
