//! The thread between the host and a radio: a runtime of its own, on which nothing overtakes
//! anything, and a second chance for a radio that is lost or that panics.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use bitcraps_host::{LinkInbound, LinkSink, Links};
use bitcraps_protocol::event::{CloseReason, Endpoint, LinkKind};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::time::Time;
use bytes::Bytes;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout};

use crate::greeting::Card;
use crate::policy::Policy;
use crate::radio::{Command, Condition, Event, Radio};
use crate::transport::{Input, Key, Output, TRANSPORT, Transport};

/// Commands on their way to the radio. Frames beyond are lost, as on the air.
const COMMANDS: usize = 1024;
/// Reports on their way from the radio; more are lost.
const EVENTS: usize = 1024;
/// Dials on their way from the node, which has fewer under way.
const DIALS: usize = 64;
/// How often people are told what has changed, at most, adapters apart.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);
const PANICKED: &str = "its driver panicked, which is a bug; it starts again";
/// How long a radio may take to say goodbye on the way out.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the driver needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the node advertises.
    pub card: Card,
    /// What it spends.
    pub policy: Policy,
    /// Random bytes of its own.
    pub seed: [u8; 32],
}

/// The Bluetooth links of one node, on a thread of their own. Dropping it ends them.
pub struct Bluetooth {
    stop: watch::Sender<bool>,
    tables: watch::Sender<u8>,
    thread: Option<thread::JoinHandle<()>>,
    report: Arc<Mutex<Report>>,
}

/// How the radio is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each adapter, and why it does nothing if so.
    pub adapters: Vec<(String, Option<String>)>,
    /// Why there is no radio at all, if so; a sentence that says what to do.
    pub lost: Option<String>,
    /// Nodes that are near, of this network or another.
    pub near: Vec<Near>,
    /// Links that are up.
    pub links: usize,
    /// Frames handed to the radio, with what this crate adds.
    pub frames_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

/// A node that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Its address.
    pub device: String,
    /// Who it says it is.
    pub card: Card,
    /// How many tables are open in its network, as it says; 255 are so many or more.
    pub tables: u8,
    /// How strongly it was heard, in dBm, if known.
    pub rssi: Option<i16>,
}

/// What the node's thread wants.
enum Request {
    Send { link: Key, frame: Bytes },
    Close { link: Key },
}

impl Bluetooth {
    /// Begins to look for others with `radio`, for the node behind `links`. A radio that does not
    /// work is no failure: it is tried again and again.
    ///
    /// # Errors
    ///
    /// If the operating system gives no thread.
    pub fn start(links: Links, config: Config, radio: impl Radio + 'static) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (tables, counted) = watch::channel(0);
        let report = Arc::new(Mutex::new(Report::default()));
        let reported = report.clone();
        let thread = thread::Builder::new()
            .name("bitcraps-bluetooth".to_owned())
            .spawn(move || live(&links, &config, radio, &stopped, &counted, &reported))?;
        Ok(Self { stop, tables, thread: Some(thread), report })
    }

    /// How the radio is.
    pub fn report(&self) -> Report {
        lock(&self.report).clone()
    }

    /// Takes how many tables are open, 255 for so many or more: others are told.
    pub fn tables(&self) -> watch::Sender<u8> {
        self.tables.clone()
    }

    /// Ends all links, and returns when they have ended. Blocks, for a second at most.
    pub fn shut_down(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic has been told already.
            drop(thread.join());
        }
    }
}

impl Drop for Bluetooth {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lives on whatever happens: after a panic of ours everything begins anew.
fn live(
    links: &Links,
    config: &Config,
    mut radio: impl Radio,
    stopped: &watch::Receiver<bool>,
    tables: &watch::Receiver<u8>,
    report: &Mutex<Report>,
) {
    let mut life = 0u64;
    while !*stopped.borrow() && !links.are_over() {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "no Bluetooth: cannot start a runtime"),
        };
        life += 1;
        let rng = Rng::new(config.seed).fork(&format!("life {life}"));
        let mut tables = tables.clone();
        let open = *tables.borrow_and_update();
        let transport = Transport::new(config.card, open, config.policy.clone(), rng);
        let turning = || {
            let driver = Driver::new(links, transport, tables, report);
            let retry_after = config.policy.retry_after;
            runtime.block_on(driver.run(&mut radio, stopped.clone(), retry_after));
        };
        if panic::catch_unwind(AssertUnwindSafe(turning)).is_err() {
            tracing::error!("Bluetooth: {PANICKED}");
            let lost = Some(PANICKED.to_owned());
            let mut report = lock(report);
            *report = Report {
                lost,
                frames_out: report.frames_out,
                bytes_out: report.bytes_out,
                ..Report::default()
            };
        }
        // Drops what the radio left running.
        runtime.shutdown_timeout(GOODBYE);
        let is_over = || *stopped.borrow() || links.are_over();
        let until = Instant::now() + config.policy.retry_after;
        while !is_over() && Instant::now() < until {
            thread::sleep(GOODBYE / 10);
        }
    }
}

/// One life of the transport.
struct Driver<'a> {
    links: &'a Links,
    transport: Transport,
    /// How many are open.
    tables: watch::Receiver<u8>,
    report: &'a Mutex<Report>,
    began: Instant,
    publish_at: Time,
    inbounds: BTreeMap<Key, LinkInbound>,
    requests: mpsc::UnboundedReceiver<Request>,
    /// The node sends no more than a window of frames for each link, and closes each once.
    requester: mpsc::UnboundedSender<Request>,
    dials: mpsc::Receiver<Endpoint>,
}

/// The node's end of a link.
struct Sink {
    link: Key,
    requests: mpsc::UnboundedSender<Request>,
}

impl<'a> Driver<'a> {
    fn new(
        links: &'a Links,
        transport: Transport,
        tables: watch::Receiver<u8>,
        report: &'a Mutex<Report>,
    ) -> Self {
        let (requester, requests) = mpsc::unbounded_channel();
        let (dialer, dials) = mpsc::channel(DIALS);
        let refusing = links.clone();
        links.dialer(TRANSPORT, move |endpoint| {
            if let Err(refused) = dialer.try_send(endpoint) {
                refusing.dial_failed(refused.into_inner());
            }
        });
        Self {
            links,
            transport,
            tables,
            report,
            began: Instant::now(),
            publish_at: Time::ZERO,
            inbounds: BTreeMap::new(),
            requests,
            requester,
            dials,
        }
    }

    /// Runs until it is stopped or the host is over.
    async fn run(
        mut self,
        radio: &mut impl Radio,
        mut stopped: watch::Receiver<bool>,
        retry_after: Duration,
    ) {
        loop {
            let (commander, commands) = mpsc::channel(COMMANDS);
            let (reporter, mut events) = mpsc::channel(EVENTS);
            let mut running = pin!(radio.run(commands, reporter));
            let lost = tokio::select! {
                () = self.turn(&commander, &mut events, &mut stopped) => None,
                reason = &mut running => Some(reason),
            };
            let Some(reason) = lost else {
                self.say_goodbye(&commander);
                drop(commander);
                drop(timeout(GOODBYE, running).await);
                return;
            };
            self.lose(reason);
            let (nowhere, _nobody) = mpsc::channel(1);
            let (_silent, mut nothing) = mpsc::channel(1);
            tokio::select! {
                () = self.turn(&nowhere, &mut nothing, &mut stopped) => return,
                () = sleep(retry_after) => {}
            }
        }
    }

    /// Carries everything between the host, the transport and a radio until it is stopped or the
    /// host is over.
    async fn turn(
        &mut self,
        commander: &mpsc::Sender<Command>,
        events: &mut mpsc::Receiver<Event>,
        stopped: &mut watch::Receiver<bool>,
    ) {
        loop {
            self.perform(commander);
            let deadline = self.transport.deadline().map(|at| {
                let at = Duration::from_micros(at.as_micros());
                tokio::time::Instant::from_std(self.began + at)
            });
            let due = async {
                match deadline {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let input = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                dial = self.dials.recv() => match dial {
                    Some(endpoint) => Input::Dial { endpoint },
                    None => return,
                },
                Some(request) = self.requests.recv() => match request {
                    Request::Send { link, frame } => Input::Send { link, frame },
                    Request::Close { link } => Input::Close { link },
                },
                Some(event) = events.recv() => self.heard(event),
                Ok(()) = self.tables.changed() => {
                    Input::Tables { open: *self.tables.borrow_and_update() }
                }
                () = due => Input::Tick,
            };
            let now = self.now();
            self.transport.handle(now, input);
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.began.elapsed()
    }

    /// Tells people of adapters that come and go.
    fn heard(&mut self, event: Event) -> Input {
        if matches!(event, Event::Adapter { .. } | Event::Gone { .. }) {
            self.publish_at = Time::ZERO;
        }
        match &event {
            Event::Adapter { adapter, condition: Condition::On { advertises: true } } => {
                tracing::info!(%adapter, "Bluetooth is on");
            }
            Event::Adapter { adapter, condition: Condition::On { advertises: false } } => {
                tracing::info!(%adapter, "Bluetooth is on; this node finds others, but they cannot \
                    find it: advertising works on Linux only, where the adapter is able to");
            }
            Event::Adapter { adapter, condition: Condition::Off { reason } } => {
                tracing::warn!(%adapter, "no Bluetooth: {reason}");
            }
            Event::Gone { adapter } => tracing::warn!(%adapter, "a Bluetooth adapter is gone"),
            Event::Seen { .. }
            | Event::Connected { .. }
            | Event::Unreachable { .. }
            | Event::Disconnected { .. }
            | Event::Unheard { .. }
            | Event::Received { .. }
            | Event::Left { .. } => {}
        }
        Input::Radio(event)
    }

    fn perform(&mut self, commander: &mpsc::Sender<Command>) {
        while let Some(output) = self.transport.poll() {
            match output {
                Output::Radio(command) => self.command(commander, command),
                Output::Up { link, mtu, direction, endpoint } => {
                    let there = String::from_utf8_lossy(&endpoint.bytes);
                    tracing::debug!(link = link.0, %there, mtu, ?direction, "a Bluetooth link");
                    let sink = Box::new(Sink { link, requests: self.requester.clone() });
                    let kind = LinkKind::Datagram;
                    // What finds no credit is lost, as on the air: nobody waits for more.
                    let inbound = self.links.open(kind, mtu, direction, endpoint, sink, || {});
                    self.inbounds.insert(link, inbound);
                }
                Output::Received { link, frame } => {
                    if let Some(inbound) = self.inbounds.get(&link) {
                        drop(inbound.try_receive(frame));
                    }
                }
                Output::Sent { link } => {
                    if let Some(inbound) = self.inbounds.get(&link) {
                        inbound.sent();
                    }
                }
                Output::Down { link } => {
                    tracing::debug!(link = link.0, "a Bluetooth link is over");
                    self.inbounds.remove(&link);
                }
                Output::DialFailed { endpoint } => self.links.dial_failed(endpoint),
                Output::Discovered { endpoint } => self.links.discovered(endpoint),
            }
        }
        self.publish();
    }

    /// Hands a command to the radio. If it is too busy, a frame is lost; that a connection or a
    /// scan did not come about is found out by time.
    fn command(&mut self, commander: &mpsc::Sender<Command>, command: Command) {
        if let Command::Send { frame, .. } = &command {
            let mut report = lock(self.report);
            report.frames_out += 1;
            report.bytes_out += frame.len() as u64;
        }
        let Err(refused) = commander.try_send(command) else { return };
        if let Command::Send { token, .. } = refused.into_inner() {
            let left = Input::Radio(Event::Left { token });
            self.transport.handle(self.now(), left);
        }
    }

    fn publish(&mut self) {
        let now = self.now();
        let mut report = lock(self.report);
        report.links = self.inbounds.len();
        if now < self.publish_at {
            return;
        }
        self.publish_at = now + PUBLISH_EVERY;
        let adapters = self.transport.adapters();
        let adapters = adapters.map(|(it, reason)| (it.to_string(), reason.map(Into::into)));
        report.adapters = adapters.collect();
        if !report.adapters.is_empty() {
            report.lost = None;
        }
        let near = self.transport.near(now).map(|(port, sighting)| Near {
            device: port.device.to_string(),
            card: sighting.beacon.card,
            tables: sighting.beacon.tables,
            rssi: sighting.rssi,
        });
        report.near = near.collect();
    }

    /// The radio is lost, and with it all links.
    fn lose(&mut self, reason: String) {
        let mut report = lock(self.report);
        // Told once, not with every attempt.
        if report.lost.as_ref() != Some(&reason) {
            tracing::warn!("no Bluetooth: {reason}");
        }
        report.lost = Some(reason);
        drop(report);
        self.publish_at = Time::ZERO;
        self.transport.handle(self.now(), Input::Lost);
    }

    fn say_goodbye(&mut self, commander: &mpsc::Sender<Command>) {
        let links: Vec<Key> = self.inbounds.keys().copied().collect();
        for link in links {
            self.transport.handle(self.now(), Input::Close { link });
        }
        self.perform(commander);
    }
}

impl LinkSink for Sink {
    fn send(&mut self, frame: Bytes) {
        // Only a driver that begins anew does not listen; its links are down.
        drop(self.requests.send(Request::Send { link: self.link, frame }));
    }

    fn close(&mut self, reason: CloseReason) {
        tracing::debug!(link = self.link.0, ?reason, "a Bluetooth link is closed");
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.requests.send(Request::Close { link: self.link }));
    }
}
