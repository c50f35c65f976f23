//! An adapter as a central: looks around, and keeps a connection as long as somebody wants it.

use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{
    Central as _, CentralEvent, Characteristic, Peripheral as _, ScanFilter, ValueNotification,
    WriteType,
};
use btleplug::platform::{Adapter as Central, Peripheral, PeripheralId};
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::{FRAMES, News, SERVICE, call, device_of};
use crate::radio::{Adapter, Event, Port, Role, Token};

/// How long connecting may take, with what is needed to use the connection. Whoever asked for it has
/// less patience, except where the other side uses the connection already.
const CONNECT: Duration = Duration::from_secs(60);
/// The pause before a device is asked again for a service that it does not show yet.
const AGAIN: Duration = Duration::from_millis(300);

/// What the task of a connection is told.
pub(super) enum Word {
    Send(Order),
    /// The connection has ended, or an earlier one with the same device.
    Ended,
}

/// A frame to send.
pub(super) struct Order {
    pub(super) frame: Bytes,
    pub(super) token: Token,
}

/// Tells of what an adapter notices, until that ends.
pub(super) async fn watch(adapter: Adapter, central: Central, news: mpsc::Sender<(Adapter, News)>) {
    let mut events = match call(central.events()).await {
        Ok(events) => events,
        Err(reason) => return tracing::warn!(%adapter, "cannot look around: {reason}"),
    };
    while let Some(event) = events.next().await {
        let Some(one) = read(&central, event).await else { continue };
        if news.send((adapter.clone(), one)).await.is_err() {
            return;
        }
    }
}

/// What an event means here, if anything. Filters of a scan are only wishes, so all kinds of
/// devices come by.
async fn read(central: &Central, event: CentralEvent) -> Option<News> {
    let ours = |id: PeripheralId, rssi, data: Option<&Vec<u8>>| {
        let data = Bytes::copy_from_slice(data?);
        Some(News::Seen { device: device_of(&id), id, rssi, data: Some(data) })
    };
    match event {
        CentralEvent::ServiceDataAdvertisement { id, service_data } => {
            ours(id, None, service_data.get(&SERVICE))
        }
        CentralEvent::DeviceDiscovered(id) | CentralEvent::DeviceUpdated(id) => {
            let device = call(central.peripheral(&id)).await.ok()?;
            let properties = call(device.properties()).await.ok()??;
            ours(id, properties.rssi, properties.service_data.get(&SERVICE))
        }
        CentralEvent::RssiUpdate { id, rssi } => {
            Some(News::Seen { device: device_of(&id), id, rssi: Some(rssi), data: None })
        }
        CentralEvent::DeviceDisconnected(id) => Some(News::Disconnected { device: device_of(&id) }),
        CentralEvent::StateUpdate(_) => Some(News::Powered),
        CentralEvent::DeviceConnected(_)
        | CentralEvent::DeviceServicesModified(_)
        | CentralEvent::ManufacturerDataAdvertisement { .. }
        | CentralEvent::ServicesAdvertisement { .. } => None,
    }
}

/// Looks around while that is wanted, until nobody wants anything any more. One thing after the
/// other: a daemon that is slow would get them in any order.
pub(super) async fn scan(adapter: Adapter, central: Central, mut wanted: watch::Receiver<bool>) {
    while wanted.changed().await.is_ok() {
        let on = *wanted.borrow_and_update();
        let scanned = if on {
            // No filter: BlueZ would match it against the list of services, which has no room
            // beside the card.
            call(central.start_scan(ScanFilter::default())).await
        } else {
            call(central.stop_scan()).await
        };
        if let Err(reason) = scanned {
            tracing::debug!(%adapter, on, reason, "scan");
        }
    }
}

/// Makes a connection and keeps it until nobody wants it or it ends. Only one of these at a time
/// deals with a device: an earlier one may still be ending its connection, which would be this one's.
pub(super) async fn serve(
    central: Central,
    id: PeripheralId,
    port: Port,
    turn: Arc<Mutex<()>>,
    mut words: mpsc::UnboundedReceiver<Word>,
    events: mpsc::Sender<Event>,
) {
    let _turn = turn.lock().await;
    let device = match call(central.peripheral(&id)).await {
        Ok(device) => device,
        Err(reason) => {
            drop(events.send(Event::Unreachable { port, reason }).await);
            return refuse(&mut words, &events, |_| false).await;
        }
    };
    let connected = tokio::select! {
        connected = timeout(CONNECT, connect(&device, &port)) => {
            Some(connected.unwrap_or_else(|_| Err("it takes too long".to_owned())))
        }
        // That an earlier connection ended is nothing new.
        () = refuse(&mut words, &events, |_| false) => None,
    };
    match connected {
        Some(Ok((characteristic, mut notifications))) => {
            drop(events.send(Event::Connected { port: port.clone() }).await);
            loop {
                tokio::select! {
                    word = words.recv() => match word {
                        Some(Word::Send(order)) => {
                            write(&device, &characteristic, order, &port, &events).await;
                        }
                        Some(Word::Ended) | None => break,
                    },
                    notification = notifications.next() => match notification {
                        Some(notification) => {
                            let frame = Bytes::from(notification.value);
                            let (port, role) = (port.clone(), Role::Central);
                            let received = Event::Received { port, role, frame, most_bytes: None };
                            // What finds no room is lost, as on the air.
                            drop(events.try_send(received));
                        }
                        None => break,
                    },
                }
            }
        }
        Some(Err(reason)) => {
            drop(events.send(Event::Unreachable { port, reason }).await);
            // The other side may use the connection, which stays then.
            refuse(&mut words, &events, |word| matches!(word, Word::Ended)).await;
        }
        None => {}
    }
    drop(call(device.disconnect()).await);
    words.close();
    refuse(&mut words, &events, |_| false).await;
}

/// Sends nothing, until nobody wants anything any more or a word says that it is `over`.
async fn refuse(
    words: &mut mpsc::UnboundedReceiver<Word>,
    events: &mpsc::Sender<Event>,
    over: impl Fn(&Word) -> bool,
) {
    while let Some(word) = words.recv().await {
        let is_over = over(&word);
        match word {
            Word::Send(order) => drop(events.send(Event::Left { token: order.token }).await),
            Word::Ended => {}
        }
        if is_over {
            return;
        }
    }
}

async fn connect(
    device: &Peripheral,
    port: &Port,
) -> Result<(Characteristic, impl Stream<Item = ValueNotification> + use<>), String> {
    // The other side may have made the connection.
    let is_theirs = call(device.is_connected()).await?;
    if !is_theirs {
        device.connect().await.map_err(|error| error.to_string())?;
    }
    tracing::debug!(%port, is_theirs, "a connection");
    let characteristic = loop {
        call(device.discover_services()).await?;
        let ours = |it: &Characteristic| it.uuid == FRAMES && it.service_uuid == SERVICE;
        if let Some(found) = device.characteristics().into_iter().find(ours) {
            break found;
        }
        sleep(AGAIN).await;
    };
    tracing::debug!(%port, "the service is there");
    // Before subscribing: the answer may come at once.
    let notifications = call(device.notifications()).await?;
    // Not with the patience of a mere question: the other side has to answer.
    device.subscribe(&characteristic).await.map_err(|error| error.to_string())?;
    let ours = |it: &ValueNotification| it.uuid == FRAMES;
    Ok((characteristic, notifications.filter(move |it| std::future::ready(ours(it)))))
}

async fn write(
    device: &Peripheral,
    characteristic: &Characteristic,
    Order { frame, token }: Order,
    port: &Port,
    events: &mpsc::Sender<Event>,
) {
    let written = call(device.write(characteristic, &frame, WriteType::WithoutResponse)).await;
    if let Err(reason) = written {
        tracing::debug!(%port, reason, "a frame was not written");
    }
    drop(events.send(Event::Left { token }).await);
}
