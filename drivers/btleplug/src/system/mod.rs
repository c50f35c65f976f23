//! The machine's own radio: every adapter as a central through btleplug, and on Linux as a
//! peripheral through bluer, both through the system's Bluetooth daemon.
//!
//! Every call may hang when the daemon goes away, and tasks of these libraries may die unseen. So
//! every call has a time limit, the adapters are looked at every few seconds, and when that fails
//! everything is given up and begun anew by whoever runs this.

mod central;
#[cfg(target_os = "linux")]
mod peripheral;
#[cfg(not(target_os = "linux"))]
#[path = "no_peripheral.rs"]
mod peripheral;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{Central as _, CentralState, Manager as _, Peripheral as _};
use btleplug::platform::{Adapter as Central, Manager, PeripheralId};
use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::radio::{Adapter, Command, Condition, Device, Event, Port, Radio, Role};
use central::{Order, Word};
use peripheral::Peripherals;

/// The service that nodes offer, and under which they advertise their cards.
pub const SERVICE: Uuid = Uuid::from_u128(0xb17c_0001_c4a5_4e1d_9a5e_d1ce_7ab1_e000);
/// Its one characteristic: written without response by centrals, notified to them.
pub const FRAMES: Uuid = Uuid::from_u128(0xb17c_0002_c4a5_4e1d_9a5e_d1ce_7ab1_e000);

/// How long a question to the daemon may take. On a slow machine it was seen to stall for many
/// seconds and to go on; who gives up too early ends links that would have lived.
const CALL: Duration = Duration::from_secs(20);
/// How often the adapters are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Devices that a machine remembers how to reach; the victim is any of them.
const DEVICES: usize = 512;
/// What the adapters' watchers have to say and is not taken in yet.
const NEWS: usize = 256;

/// The machine's own radio.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// The adapters to use, as the system names them; all of them if empty.
    pub adapters: Vec<String>,
}

/// What a watcher of an adapter saw.
enum News {
    Seen { device: Device, id: PeripheralId, rssi: Option<i16>, data: Option<Bytes> },
    Disconnected { device: Device },
    Powered,
}

/// One life of the radio.
struct Life {
    only: Vec<String>,
    manager: Manager,
    peripherals: Peripherals,
    events: mpsc::Sender<Event>,
    news: mpsc::Sender<(Adapter, News)>,
    adapters: BTreeMap<Adapter, Air>,
    /// Everything that may die.
    tasks: JoinSet<()>,
}

/// An adapter that is there.
struct Air {
    central: Central,
    is_on: bool,
    /// Whether it is to look around.
    scans: watch::Sender<bool>,
    peripheral: Option<peripheral::Peripheral>,
    /// What each advertiser said last.
    known: BTreeMap<Device, Known>,
    /// Connections that this side made.
    ports: BTreeMap<Device, mpsc::UnboundedSender<Word>>,
    watcher: tokio::task::AbortHandle,
}

/// An advertiser.
struct Known {
    id: PeripheralId,
    data: Bytes,
    /// Whoever deals with it holds this.
    turn: Arc<Mutex<()>>,
}

impl Radio for System {
    async fn run(
        &mut self,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> String {
        match live(self.adapters.clone(), commands, events).await {
            Ok(()) => "it was told to stop".to_owned(),
            Err(reason) => reason,
        }
    }
}

async fn live(
    only: Vec<String>,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) -> Result<(), String> {
    let manager = call(Manager::new()).await?;
    let peripherals = Peripherals::open().await?;
    let mut presented = peripherals.presented().await?;
    let (news, mut newsstand) = mpsc::channel(NEWS);
    let adapters = BTreeMap::new();
    let tasks = JoinSet::new();
    let mut life = Life { only, manager, peripherals, events, news, adapters, tasks };
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => life.look().await?,
            command = commands.recv() => match command {
                Some(command) => life.obey(command).await,
                None => return life.end().await,
            },
            Some((adapter, news)) = newsstand.recv() => life.hear(adapter, news).await?,
            Some(adapter) = presented.next() => life.begin_anew(adapter).await?,
            Some(ended) = life.tasks.join_next() => check(ended)?,
        }
    }
}

/// A task may end, but not by a panic: then nothing is known any more.
fn check(ended: Result<(), JoinError>) -> Result<(), String> {
    match ended {
        Err(error) if error.is_panic() => {
            Err("a task of its driver died, which is a bug; it starts again".to_owned())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Asks the daemon, but not for ever.
async fn call<T, E: std::fmt::Display>(
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(CALL, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(advice(&error.to_string())),
        Err(_) => Err("the system's Bluetooth service does not answer; restart it".to_owned()),
    }
}

/// What to do about an error of the daemon, or of the bus that leads to it.
fn advice(error: &str) -> String {
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    let what = if has(&["AccessDenied", "NotAuthorized", "not allowed", "ermission"]) {
        "this user may not use it; on Linux it must be in the group `bluetooth`, on macOS the \
         terminal needs the permission"
    } else if has(&["ServiceUnknown", "NameHasNoOwner", "not provided by any"]) {
        "the system's Bluetooth service does not run; start it (`systemctl start bluetooth`)"
    } else if has(&["socket", "FileNotFound", "NoServer", "Disconnected"]) {
        "there is no system bus to reach the Bluetooth service by; start D-Bus"
    } else {
        return error.to_owned();
    };
    format!("{what} ({error})")
}

/// The address of a device. BlueZ names devices by path, other systems by an id of their own.
fn device_of(id: &PeripheralId) -> Device {
    let name = id.to_string();
    let name = match name.rsplit_once("dev_") {
        Some((_, address)) => address.replace('_', ":"),
        None => name,
    };
    Device(name.into())
}

impl Life {
    /// Compares the adapters with those that are known.
    async fn look(&mut self) -> Result<(), String> {
        let mut present = Vec::new();
        for central in call(self.manager.adapters()).await? {
            // Between the two questions it may have been pulled out.
            let Ok(info) = call(central.adapter_info()).await else { continue };
            let name = info.split_whitespace().next().unwrap_or(&info).to_owned();
            if self.only.is_empty() || self.only.contains(&name) {
                present.push((Adapter(name.into()), central));
            }
        }
        let gone: Vec<Adapter> = self
            .adapters
            .keys()
            .filter(|it| present.iter().all(|(name, _)| name != *it))
            .cloned()
            .collect();
        for adapter in gone {
            self.remove(&adapter);
            self.report(Event::Gone { adapter }).await;
        }
        if present.is_empty() {
            return Err(match self.only.as_slice() {
                [] => "this machine has no Bluetooth adapter; plug one in".to_owned(),
                only => format!("there is no adapter {}; plug it in", only.join(" or ")),
            });
        }
        for (adapter, central) in present {
            self.look_at(adapter, central).await?;
        }
        Ok(())
    }

    /// An adapter that was known is another one, or the daemon is.
    async fn begin_anew(&mut self, adapter: Adapter) -> Result<(), String> {
        if self.adapters.contains_key(&adapter) {
            self.remove(&adapter);
            self.report(Event::Gone { adapter }).await;
        }
        self.look().await
    }

    async fn look_at(&mut self, adapter: Adapter, central: Central) -> Result<(), String> {
        let is_on = call(central.adapter_state()).await? != CentralState::PoweredOff;
        match self.adapters.get(&adapter) {
            Some(known) if known.is_on == is_on => return Ok(()),
            Some(_) => self.remove(&adapter),
            None => {}
        }
        let mut peripheral = None;
        if is_on {
            match self.peripherals.serve(&adapter, &self.events, &mut self.tasks).await {
                Ok(serving) => peripheral = serving,
                Err(reason) => tracing::warn!(%adapter, "cannot advertise: {reason}"),
            }
        }
        let (scans, scanning) = watch::channel(false);
        self.tasks.spawn(central::scan(adapter.clone(), central.clone(), scanning));
        let watching = central::watch(adapter.clone(), central.clone(), self.news.clone());
        let condition = if is_on {
            Condition::On { advertises: peripheral.is_some() }
        } else {
            let reason = "it is switched off; switch Bluetooth on (`bluetoothctl power on`)";
            Condition::Off { reason: reason.to_owned() }
        };
        let air = Air {
            central,
            is_on,
            scans,
            peripheral,
            known: BTreeMap::new(),
            ports: BTreeMap::new(),
            watcher: self.tasks.spawn(watching),
        };
        self.adapters.insert(adapter.clone(), air);
        self.report(Event::Adapter { adapter, condition }).await;
        Ok(())
    }

    fn remove(&mut self, adapter: &Adapter) {
        if let Some(air) = self.adapters.remove(adapter) {
            air.watcher.abort();
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Scan { adapter, on } => {
                if let Some(air) = self.adapters.get(&adapter) {
                    air.scans.send_replace(on);
                }
            }
            Command::Advertise { adapter, data } => {
                let air = self.adapters.get(&adapter);
                if let Some(peripheral) = air.and_then(|air| air.peripheral.as_ref()) {
                    peripheral.advertise(data);
                }
            }
            Command::Connect { port } => self.connect(port).await,
            Command::Disconnect { port } => {
                let Some(air) = self.adapters.get_mut(&port.adapter) else { return };
                // Its task ends the connection after what it has still to send.
                let had = air.ports.remove(&port.device).is_some();
                if let (false, Some(known)) = (had, air.known.get(&port.device)) {
                    let (central, id) = (air.central.clone(), known.id.clone());
                    self.tasks.spawn(async move {
                        if let Ok(device) = call(central.peripheral(&id)).await {
                            drop(call(device.disconnect()).await);
                        }
                    });
                }
            }
            Command::Send { port, role, frame, token } => {
                let air = self.adapters.get(&port.adapter);
                let order = Order { frame, token };
                let is_taken = air.is_some_and(|air| match role {
                    Role::Central => air
                        .ports
                        .get(&port.device)
                        .is_some_and(|it| it.send(Word::Send(order)).is_ok()),
                    Role::Peripheral => air
                        .peripheral
                        .as_ref()
                        .is_some_and(|it| it.notifications().send(order).is_ok()),
                });
                if !is_taken {
                    self.report(Event::Left { token }).await;
                }
            }
        }
    }

    async fn connect(&mut self, port: Port) {
        let Some(air) = self.adapters.get_mut(&port.adapter) else { return };
        let Some(known) = air.known.get(&port.device) else {
            let reason = "it was never heard".to_owned();
            return self.report(Event::Unreachable { port, reason }).await;
        };
        let (id, turn) = (known.id.clone(), known.turn.clone());
        // Of connections that have ended there is no limit.
        air.ports.retain(|_, words| !words.is_closed());
        let (words, spoken) = mpsc::unbounded_channel();
        air.ports.insert(port.device.clone(), words);
        let (central, events) = (air.central.clone(), self.events.clone());
        self.tasks.spawn(central::serve(central, id, port, turn, spoken, events));
    }

    async fn hear(&mut self, adapter: Adapter, news: News) -> Result<(), String> {
        let Some(air) = self.adapters.get_mut(&adapter) else { return Ok(()) };
        match news {
            News::Seen { device, id, rssi, data } => {
                if let Some(data) = data {
                    if air.known.len() >= DEVICES && !air.known.contains_key(&device) {
                        air.known.pop_first();
                    }
                    let new = || Known { id, data: Bytes::new(), turn: Arc::default() };
                    air.known.entry(device.clone()).or_insert_with(new).data = data;
                }
                if let Some(known) = air.known.get(&device) {
                    let data = known.data.clone();
                    let seen = Event::Seen { port: Port { adapter, device }, rssi, data };
                    // Heard again soon if there is no room now.
                    drop(self.events.try_send(seen));
                }
            }
            News::Disconnected { device } => {
                if let Some(words) = air.ports.get(&device) {
                    // A task that has ended knows.
                    drop(words.send(Word::Ended));
                }
                self.report(Event::Disconnected { port: Port { adapter, device } }).await;
            }
            News::Powered => self.look().await?,
        }
        Ok(())
    }

    /// Reports what must not be lost. The other side never waits for this one.
    async fn report(&self, event: Event) {
        // Nobody listens only when everything ends.
        drop(self.events.send(event).await);
    }

    /// Lets every connection say what it has still to say, and ends it.
    async fn end(mut self) -> Result<(), String> {
        // What is left of each ends its tasks.
        for air in std::mem::take(&mut self.adapters).into_values() {
            air.watcher.abort();
        }
        while let Some(ended) = self.tasks.join_next().await {
            check(ended)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_bus_become_sentences_that_say_what_to_do() {
        let denied = advice("org.freedesktop.DBus.Error.AccessDenied: Rejected send message");
        assert!(denied.contains("group `bluetooth`"), "{denied}");
        let absent = advice("The name org.bluez was not provided by any .service files");
        assert!(absent.contains("systemctl start bluetooth"), "{absent}");
        let bus = advice("Failed to connect to socket /run/dbus/system_bus_socket: No such file");
        assert!(bus.contains("start D-Bus"), "{bus}");
        assert_eq!(advice("something else"), "something else");
    }

    #[tokio::test]
    async fn a_task_that_dies_ends_the_radio_and_one_that_ends_does_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async { panic!("scripted") });
        let reason = check(tasks.join_next().await.unwrap()).unwrap_err();
        assert!(reason.contains("starts again"), "{reason}");
        tasks.spawn(async {});
        tasks.spawn(std::future::pending()).abort();
        while let Some(ended) = tasks.join_next().await {
            assert_eq!(check(ended), Ok(()));
        }
    }

    #[tokio::test]
    async fn without_a_bus_the_radio_is_lost_with_a_sentence() {
        // Whatever this machine has: no adapter of this name.
        let mut system = System { adapters: vec!["no such adapter".to_owned()] };
        let (_commander, commands) = mpsc::channel(1);
        let (reporter, _events) = mpsc::channel(1);
        let reason = system.run(commands, reporter).await;
        assert!(
            ["start", "plug", "restart", "must be"].iter().any(|it| reason.contains(it)),
            "{reason}"
        );
    }
}
