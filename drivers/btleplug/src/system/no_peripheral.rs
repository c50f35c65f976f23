//! Where nobody can advertise: this machine finds others, but they cannot find it.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::central::Order;
use crate::radio::{Adapter, Event};

/// The way to the peripheral role, which there is none.
pub(super) struct Peripherals;

/// An adapter as a peripheral, which there is none.
pub(super) enum Peripheral {}

impl Peripherals {
    pub(super) async fn open() -> Result<Self, String> {
        Ok(Self)
    }

    pub(super) async fn presented(&self) -> Result<BoxStream<'static, Adapter>, String> {
        Ok(stream::pending().boxed())
    }

    pub(super) async fn serve(
        &self,
        _adapter: &Adapter,
        _events: &mpsc::Sender<Event>,
        _tasks: &mut JoinSet<()>,
    ) -> Result<Option<Peripheral>, String> {
        Ok(None)
    }
}

impl Peripheral {
    pub(super) fn advertise(&self, _data: Option<Bytes>) {
        match *self {}
    }

    pub(super) fn notifications(&self) -> &mpsc::UnboundedSender<Order> {
        match *self {}
    }
}
