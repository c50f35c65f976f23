//! `bitcraps chat`.

use anyhow::anyhow;
use bitcraps_host::api::{ChatRequest, EventView, LineView};
use bitcraps_tokio::client::{Client, Events};
use tokio::signal::ctrl_c;

use crate::cli::Chat;
use crate::exit::Stopped;
use crate::output::{Output, aside};
use crate::words;

/// Where something is said.
enum Room {
    Table(u32),
    Peer(String),
}

/// Says something, shows what was said, or follows it.
pub(crate) async fn run(client: &Client, chat: Chat, output: Output) -> anyhow::Result<()> {
    let Chat { room, text, follow, no_wait } = chat;
    let room = match room.parse() {
        Ok(table) => Room::Table(table),
        Err(_) => Room::Peer(room),
    };
    let own = client.status().await?.peer;
    // Before anything is said, so that nothing is missed.
    let mut events = client.events().await?;
    if text.is_empty() || follow {
        for line in client.lines_of(room.table(), room.peer()).await?.lines {
            show(&line, &own, output)?;
        }
    }
    if !text.is_empty() {
        let (table, peer) = (room.table(), room.peer().map(Into::into));
        let said = client.chat(&ChatRequest { table, peer, text: text.join(" ") }).await?;
        if room.peer().is_some() && !no_wait && !follow {
            return delivered(&mut events, &said.id, output).await;
        }
    }
    if !follow {
        return Ok(());
    }
    tokio::select! {
        followed = self::follow(client, &room, &own, &mut events, output) => followed,
        interrupted = ctrl_c() => Ok(interrupted?),
    }
}

impl Room {
    const fn table(&self) -> Option<u32> {
        match self {
            Self::Table(table) => Some(*table),
            Self::Peer(_) => None,
        }
    }

    fn peer(&self) -> Option<&str> {
        match self {
            Self::Table(_) => None,
            Self::Peer(peer) => Some(peer),
        }
    }
}

fn show(line: &LineView, own: &str, output: Output) -> anyhow::Result<()> {
    let from = if line.from == own { "you" } else { words::short(&line.from) };
    output.answer(line, || format!("{from}: {}", line.text))?;
    Ok(())
}

/// Waits until a letter has arrived or is given up.
async fn delivered(events: &mut Events, of: &str, output: Output) -> anyhow::Result<()> {
    while let Some(event) = events.next().await? {
        if let EventView::Delivered { id, .. } = &event
            && id == of
        {
            output.answer(&event, || "delivered".into())?;
            return Ok(());
        }
        if let EventView::Undelivered { id, .. } = &event
            && id == of
        {
            return Err(anyhow!("nobody there has answered: it was not delivered"));
        }
        if let EventView::Halted { reason } = event {
            return Err(Stopped::halted(reason).into());
        }
    }
    Err(Stopped::halted("it was told to".into()).into())
}

async fn follow(
    client: &Client,
    room: &Room,
    own: &str,
    events: &mut Events,
    output: Output,
) -> anyhow::Result<()> {
    let account = match room.peer() {
        Some(id) => Some(client.account(id).await?.peer),
        None => None,
    };
    while let Some(event) = events.next().await? {
        if let EventView::Said { table, peer, from, at_ms, text } = event {
            if table == room.table() && peer == account {
                show(&LineView { from, at_ms, text }, own, output)?;
            }
        } else if let EventView::Undelivered { to, .. } = event {
            if Some(to) == account {
                aside("what you said last was not delivered");
            }
        } else if let EventView::Halted { reason } = event {
            return Err(Stopped::halted(reason).into());
        }
    }
    Err(Stopped::halted("it was told to".into()).into())
}
