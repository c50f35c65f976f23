//! The driver's own thread, a host's inbox on one side, a scripted radio that dies on the other.

use std::time::{Duration, Instant};

use bitcraps_btleplug::radio::{Adapter, Command, Condition, Device, Event, Port, Radio, Role};
use bitcraps_btleplug::{Beacon, Bluetooth, Card, Config, Policy, Profile, TRANSPORT};
use bitcraps_host::Links;
use bitcraps_host::inbox::{Dialer, Inbox, Input, LinkUp, Taken};
use bitcraps_protocol::event::{Direction, Endpoint, Event as NodeEvent, LinkKind};
use bytes::Bytes;
use tokio::sync::mpsc;

/// Whatever takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const FRIEND: Card = Card { network: *b"netw", node: *b"frie" };

/// A radio that hears one device, which echoes what it is sent.
struct Echo {
    /// How each life ends, once so many frames have come back.
    ends: Vec<(usize, End)>,
}

#[derive(Clone, Copy)]
enum End {
    Panics,
    Fails,
    Lives,
}

fn port() -> Port {
    Port { adapter: Adapter("hci0".into()), device: Device("AA".into()) }
}

impl Radio for Echo {
    async fn run(
        &mut self,
        mut commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> String {
        let report = async |event| events.send(event).await.expect("the driver listens");
        let (mut left, end) = self.ends.pop().expect("no more lives than scripted");
        let condition = Condition::On { advertises: false };
        let adapter = port().adapter;
        report(Event::Adapter { adapter, condition }).await;
        let data = Beacon { card: FRIEND, tables: 2 }.encode();
        report(Event::Seen { port: port(), rssi: None, data }).await;
        while let Some(command) = commands.recv().await {
            match command {
                Command::Connect { port } => report(Event::Connected { port }).await,
                Command::Send { port, frame, token, .. } => {
                    let mut answer = frame.to_vec();
                    if frame[0] == 0 {
                        // A hello of eight bytes becomes a welcome to channel 5.
                        answer[1] = 2;
                        answer.splice(6.., [5, 100, 0]);
                    } else if left == 0 {
                        match end {
                            End::Panics => panic!("scripted"),
                            End::Fails => return "it was pulled out".to_owned(),
                            End::Lives => {}
                        }
                    } else {
                        left -= 1;
                    }
                    let (frame, role) = (Bytes::from(answer), Role::Central);
                    let back = Event::Received { port, role, frame, most_bytes: None };
                    report(back).await;
                    report(Event::Left { token }).await;
                }
                Command::Scan { .. } | Command::Advertise { .. } | Command::Disconnect { .. } => {}
            }
        }
        "nobody wants it".to_owned()
    }
}

/// The host's side.
struct Node {
    inbox: Inbox,
    waiting: Vec<Input>,
    dial: Option<Dialer>,
}

impl Node {
    /// The next input that is neither an offer to dial nor word of somebody near, who is dialled.
    fn next(&mut self) -> Input {
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "nothing happens");
            if self.waiting.is_empty() {
                match self.inbox.take(Duration::from_millis(50)) {
                    Taken::Inputs(inputs) => self.waiting.extend(inputs),
                    Taken::Stop => panic!("nobody stops this"),
                }
                continue;
            }
            match self.waiting.remove(0) {
                Input::Dialer(TRANSPORT, dial) => self.dial = Some(dial),
                Input::Event(NodeEvent::Discovered { endpoint }) => {
                    (self.dial.as_mut().expect("who finds somebody can dial"))(endpoint);
                }
                other => return other,
            }
        }
    }

    fn link(&mut self) -> LinkUp {
        let up = match self.next() {
            Input::LinkUp(up) => up,
            Input::Event(event) => panic!("{event:?}"),
            _ => panic!("something else than a link"),
        };
        let bytes = Bytes::from_static(b"AA");
        assert_eq!(up.endpoint, Endpoint { transport: TRANSPORT, bytes });
        assert_eq!((up.kind, up.direction, up.mtu), (LinkKind::Datagram, Direction::Outbound, 98));
        up
    }

    fn event(&mut self) -> NodeEvent {
        match self.next() {
            Input::Event(event) => event,
            _ => panic!("something else than an event"),
        }
    }
}

#[test]
fn a_radio_that_panics_or_fails_costs_its_links_and_comes_back() {
    let inbox = Inbox::new();
    let ends = vec![(2, End::Lives), (1, End::Fails), (1, End::Panics)];
    let policy = Policy { retry_after: Duration::from_millis(300), ..Profile::Desktop.policy() };
    let card = Card { network: *b"netw", node: *b"self" };
    let config = Config { card, policy, seed: [7; 32] };
    let bluetooth = Bluetooth::start(Links::of(&inbox), config, Echo { ends }).unwrap();
    let mut node = Node { inbox, waiting: Vec::new(), dial: None };
    for frames in [1, 1, 2] {
        let mut up = node.link();
        let link = up.link;
        for number in 0..frames {
            let frame = Bytes::from(vec![number; 98]);
            up.sink.send(frame.clone());
            assert_eq!(node.event(), NodeEvent::Received { link, frame });
            assert_eq!(node.event(), NodeEvent::Sent { link });
        }
        if frames == 2 {
            let report = bluetooth.report();
            assert_eq!((report.links, report.lost), (1, None));
            bluetooth.shut_down();
            assert_eq!(node.event(), NodeEvent::LinkDown { link });
            return;
        }
        up.sink.send(Bytes::from_static(b"the last straw"));
        assert_eq!(node.event(), NodeEvent::LinkDown { link });
    }
}

#[test]
fn a_host_that_has_stopped_ends_the_thread() {
    let inbox = Inbox::new();
    let config = Config {
        card: Card { network: *b"netw", node: *b"self" },
        policy: Profile::Mobile.policy(),
        seed: [7; 32],
    };
    let echo = Echo { ends: vec![(0, End::Lives)] };
    let bluetooth = Bluetooth::start(Links::of(&inbox), config, echo).unwrap();
    drop(inbox);
    let began = Instant::now();
    bluetooth.shut_down();
    assert!(began.elapsed() < PATIENCE);
}
