//! An adapter as a peripheral: advertises, serves one characteristic, and notifies.

use std::future::ready;
use std::time::Duration;

use bluer::SessionEvent;
use bluer::adv::{Advertisement, AdvertisementHandle, Type};
use bluer::gatt::local::{
    Application, ApplicationHandle, Characteristic, CharacteristicNotifier, CharacteristicNotify,
    CharacteristicNotifyMethod, CharacteristicWrite, CharacteristicWriteMethod, ReqError, Service,
};
use bytes::Bytes;
use futures_util::future::OptionFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::central::Order;
use super::{FRAMES, SERVICE, call};
use crate::greeting::MOST_FRAME_BYTES;
use crate::radio::{Adapter, Device, Event, Port, Role};

/// Bytes of a packet that are not the frame's: 3 of a write, 5 of a notification among several.
const ATT_HEADER_BYTES: u16 = 5;
/// How long the daemon takes to withdraw an advertisement; some adapters have room for one only.
const WITHDRAWN: Duration = Duration::from_millis(100);

/// The way to the peripheral role.
pub(super) struct Peripherals {
    session: bluer::Session,
}

/// An adapter as a peripheral, until dropped.
pub(super) struct Peripheral {
    advertised: watch::Sender<Option<Bytes>>,
    notifications: mpsc::UnboundedSender<Order>,
    _application: ApplicationHandle,
}

impl Peripherals {
    pub(super) async fn open() -> Result<Self, String> {
        Ok(Self { session: call(bluer::Session::new()).await? })
    }

    /// The adapters that the daemon presents from now on, again if it was started anew: then it has
    /// forgotten what it was asked to serve.
    pub(super) async fn presented(&self) -> Result<BoxStream<'static, Adapter>, String> {
        let events = call(self.session.events()).await?;
        let presented = events.filter_map(|event| {
            ready(match event {
                SessionEvent::AdapterAdded(name) => Some(Adapter(name.into())),
                SessionEvent::AdapterRemoved(_) => None,
            })
        });
        Ok(presented.boxed())
    }

    /// Serves the characteristic; none if the adapter cannot.
    pub(super) async fn serve(
        &self,
        adapter: &Adapter,
        events: &mpsc::Sender<Event>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Option<Peripheral>, String> {
        let own = self.session.adapter(&adapter.0).map_err(|error| error.to_string())?;
        if call(own.supported_advertising_instances()).await? == 0 {
            return Ok(None);
        }
        let (subscribe, subscribers) = mpsc::unbounded_channel();
        let frames = Characteristic {
            uuid: FRAMES,
            write: Some(CharacteristicWrite {
                write_without_response: true,
                method: written(adapter.clone(), events.clone()),
                ..CharacteristicWrite::default()
            }),
            notify: Some(CharacteristicNotify {
                notify: true,
                method: CharacteristicNotifyMethod::Fun(Box::new(move |notifier| {
                    drop(subscribe.send(notifier));
                    Box::pin(ready(()))
                })),
                ..CharacteristicNotify::default()
            }),
            ..Characteristic::default()
        };
        let service = Service {
            uuid: SERVICE,
            primary: true,
            characteristics: vec![frames],
            ..Service::default()
        };
        let application = Application { services: vec![service], ..Application::default() };
        let application = call(own.serve_gatt_application(application)).await?;
        let (notifications, orders) = mpsc::unbounded_channel();
        tasks.spawn(notify(adapter.clone(), subscribers, orders, events.clone()));
        let (advertised, wanted) = watch::channel(None);
        tasks.spawn(advertise(adapter.clone(), own, wanted));
        Ok(Some(Peripheral { advertised, notifications, _application: application }))
    }
}

impl Peripheral {
    /// Advertises `data` from now on, anew if it does already.
    pub(super) fn advertise(&self, data: Option<Bytes>) {
        self.advertised.send_replace(data);
    }

    /// Where notifications go. No more of them wait than the node's windows allow.
    pub(super) const fn notifications(&self) -> &mpsc::UnboundedSender<Order> {
        &self.notifications
    }
}

/// Takes what is written. In the order in which it came: nothing is awaited before it is reported.
fn written(adapter: Adapter, events: mpsc::Sender<Event>) -> CharacteristicWriteMethod {
    CharacteristicWriteMethod::Fun(Box::new(move |frame, request| {
        if request.offset != 0 {
            return Box::pin(ready(Err(ReqError::InvalidOffset)));
        }
        let device = Device(request.device_address.to_string().into());
        let most = request.mtu.saturating_sub(ATT_HEADER_BYTES).min(MOST_FRAME_BYTES);
        let received = Event::Received {
            port: Port { adapter: adapter.clone(), device },
            role: Role::Peripheral,
            frame: Bytes::from(frame),
            most_bytes: Some(most),
        };
        // What finds no room is lost, as on the air.
        drop(events.try_send(received));
        Box::pin(ready(Ok(())))
    }))
}

/// Notifies whoever has subscribed, and tells when nobody has any more.
async fn notify(
    adapter: Adapter,
    mut subscribers: mpsc::UnboundedReceiver<CharacteristicNotifier>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::Sender<Event>,
) {
    let mut subscribed: Option<CharacteristicNotifier> = None;
    loop {
        let stopped = subscribed.as_ref().map(CharacteristicNotifier::stopped);
        tokio::select! {
            biased;
            Some(newest) = subscribers.recv() => subscribed = Some(newest),
            Some(()) = OptionFuture::from(stopped) => {
                subscribed = None;
                drop(events.send(Event::Unheard { adapter: adapter.clone() }).await);
            }
            order = orders.recv() => {
                let Some(Order { frame, token }) = order else { return };
                if let Some(subscribed) = &mut subscribed
                    && let Err(error) = subscribed.notify(frame.into()).await
                {
                    tracing::debug!(%error, "a frame was not notified");
                }
                drop(events.send(Event::Left { token }).await);
            }
        }
    }
}

/// Advertises what is wanted, until nobody wants anything any more.
async fn advertise(
    adapter: Adapter,
    own: bluer::Adapter,
    mut wanted: watch::Receiver<Option<Bytes>>,
) {
    let mut shown: Option<AdvertisementHandle> = None;
    while wanted.changed().await.is_ok() {
        let data = wanted.borrow_and_update().clone();
        if shown.take().is_some() {
            sleep(WITHDRAWN).await;
        }
        let Some(data) = data else { continue };
        let advertisement = Advertisement {
            advertisement_type: Type::Peripheral,
            service_data: [(SERVICE, data.to_vec())].into(),
            discoverable: Some(true),
            ..Advertisement::default()
        };
        match call(own.advertise(advertisement)).await {
            Ok(handle) => shown = Some(handle),
            Err(reason) => tracing::debug!(%adapter, reason, "cannot advertise"),
        }
    }
}
