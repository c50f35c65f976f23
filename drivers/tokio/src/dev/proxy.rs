//! Partitions without privileges: between two nodes that would dial each other directly stands a
//! relay of ours, which passes bytes on, holds them back, or lets nobody through.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes passed on at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How two parts of a network are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separation {
    /// Connections break, and new ones do too.
    Cut,
    /// Connections stay, and nothing arrives on them.
    Silent,
}

/// Who is separated from all others, and how; nobody at first.
#[derive(Clone, Debug, Default)]
struct Partition {
    apart: BTreeSet<usize>,
    separation: Option<Separation>,
}

/// All relays between the nodes of one network.
pub(super) struct Proxies {
    state: Arc<watch::Sender<Partition>>,
    relays: JoinSet<()>,
}

impl Proxies {
    pub(super) fn new() -> Self {
        let (state, _) = watch::channel(Partition::default());
        Self { state: Arc::new(state), relays: JoinSet::new() }
    }

    /// Sets up a relay over which node `from` reaches node `to`, which listens at `place`; where
    /// `from` must dial.
    pub(super) async fn relay(
        &mut self,
        from: usize,
        to: usize,
        place: SocketAddr,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let dial = listener.local_addr()?;
        let state = self.state.subscribe();
        self.relays.spawn(serve(listener, place, Between { from, to, state }));
        Ok(dial)
    }

    /// Separates these nodes from all others; among themselves they can talk.
    pub(super) fn separate(&self, apart: &[usize], separation: Separation) {
        let apart = apart.iter().copied().collect();
        self.state.send_replace(Partition { apart, separation: Some(separation) });
    }

    /// Lets everybody talk to everybody.
    pub(super) fn heal(&self) {
        self.state.send_replace(Partition::default());
    }
}

/// The two ends of a relay.
#[derive(Clone)]
struct Between {
    from: usize,
    to: usize,
    state: watch::Receiver<Partition>,
}

impl Between {
    /// How the two are kept apart now, if they are.
    fn separation(&self) -> Option<Separation> {
        separation(&self.state.borrow(), self.from, self.to)
    }

    /// Waits until the two can talk; false if their connection must break.
    async fn passes(&mut self) -> bool {
        let (from, to) = (self.from, self.to);
        let decided = |state: &Partition| separation(state, from, to) != Some(Separation::Silent);
        let Ok(state) = self.state.wait_for(decided).await else { return false };
        separation(&state, from, to).is_none()
    }

    /// Waits until their connection must break.
    async fn breaks(&mut self) {
        let (from, to) = (self.from, self.to);
        let is_cut = |state: &Partition| separation(state, from, to) == Some(Separation::Cut);
        // If nobody can separate them any more, the relay itself is about to end.
        let _ = self.state.wait_for(is_cut).await;
    }
}

fn separation(state: &Partition, from: usize, to: usize) -> Option<Separation> {
    let are_apart = state.apart.contains(&from) != state.apart.contains(&to);
    state.separation.filter(|_| are_apart)
}

async fn serve(listener: TcpListener, place: SocketAddr, between: Between) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                if between.separation() == Some(Separation::Cut) {
                    continue;
                }
                connections.spawn(connect(near, place, between.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(near: TcpStream, place: SocketAddr, between: Between) {
    let Ok(far) = TcpStream::connect(place).await else { return };
    // Votes are small, and a relay should not add to what they take.
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let mut cut = between.clone();
    tokio::select! {
        _ = pass_on(near_in, far_out, between.clone()) => {}
        _ = pass_on(far_in, near_out, between) => {}
        () = cut.breaks() => {}
    }
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut between: Between,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).await?;
        if count == 0 || !between.passes().await {
            return Ok(());
        }
        to.write_all(&chunk[..count]).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_partition_is_silent_or_cut_and_heals() {
        let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxies = Proxies::new();
        let dial = proxies.relay(0, 1, far.local_addr().unwrap()).await.unwrap();
        let mut near = TcpStream::connect(dial).await.unwrap();
        let (mut far_end, _) = far.accept().await.unwrap();
        let mut byte = [0];
        near.write_all(b"a").await.unwrap();
        far_end.read_exact(&mut byte).await.unwrap();

        proxies.separate(&[1], Separation::Silent);
        near.write_all(b"b").await.unwrap();
        assert!(timeout(SOON, far_end.read_exact(&mut byte)).await.is_err());
        proxies.heal();
        far_end.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"b", "what was held back arrives");

        proxies.separate(&[0, 1], Separation::Cut);
        near.write_all(b"c").await.unwrap();
        far_end.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"c", "they are on one side");

        proxies.separate(&[0], Separation::Cut);
        assert_eq!(near.read(&mut byte).await.unwrap_or(0), 0);
        let mut refused = TcpStream::connect(dial).await.unwrap();
        assert_eq!(refused.read(&mut byte).await.unwrap_or(0), 0);
        proxies.heal();
        let _near = TcpStream::connect(dial).await.unwrap();
        timeout(SOON, far.accept()).await.unwrap().unwrap();
    }
}
