//! One transport and a radio that does exactly what the test says.

use std::time::Duration;

use super::*;
use crate::policy::Profile;

const OWN: Card = Card { network: *b"netw", node: *b"able" };
const FRIEND: Card = Card { network: *b"netw", node: *b"frie" };

struct Rig {
    now: Time,
    transport: Transport,
}

fn adapter(name: &str) -> Adapter {
    Adapter(name.into())
}

fn port(adapter_name: &str, device: &str) -> Port {
    Port { adapter: adapter(adapter_name), device: Device(device.into()) }
}

fn place(device: &str) -> Endpoint {
    endpoint(&Device(device.into()))
}

fn send(port: &Port, role: Role, said: &Said, token: u64) -> Output {
    let (port, frame, token) = (port.clone(), said.encode(), Token(token));
    Output::Radio(Command::Send { port, role, frame, token })
}

impl Rig {
    /// With an adapter `hci0` that is on; it scans and advertises by now.
    fn new() -> Self {
        Self::with(Profile::Desktop.policy())
    }

    fn with(policy: Policy) -> Self {
        let transport = Transport::new(OWN, 0, policy, Rng::new([1; 32]));
        let mut rig = Self { now: Time::ZERO, transport };
        rig.switch_on("hci0");
        rig
    }

    fn switch_on(&mut self, name: &str) -> Vec<Output> {
        let condition = Condition::On { advertises: true };
        self.hear(radio::Event::Adapter { adapter: adapter(name), condition })
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.transport.handle(self.now, input);
        assert!(self.transport.deadline().is_none_or(|at| at > self.now), "a missed deadline");
        std::iter::from_fn(|| self.transport.poll()).collect()
    }

    fn hear(&mut self, event: radio::Event) -> Vec<Output> {
        self.give(Input::Radio(event))
    }

    fn see(&mut self, port: &Port, card: Card, rssi: i16) -> Vec<Output> {
        let (port, data) = (port.clone(), Beacon { card, tables: 0 }.encode());
        self.hear(radio::Event::Seen { port, rssi: Some(rssi), data })
    }

    fn get(&mut self, port: &Port, role: Role, said: &Said, most: u16) -> Vec<Output> {
        let (port, frame) = (port.clone(), said.encode());
        let most_bytes = matches!(role, Role::Peripheral).then_some(most);
        self.hear(radio::Event::Received { port, role, frame, most_bytes })
    }

    /// Everything that happens by itself within so many milliseconds, scans and advertisements
    /// apart.
    fn wait(&mut self, millis: u64) -> Vec<Output> {
        let end = self.now + Duration::from_millis(millis);
        let mut outputs = Vec::new();
        while let Some(at) = self.transport.deadline().filter(|at| *at <= end) {
            self.now = at;
            outputs.extend(self.give(Input::Tick));
        }
        self.now = end;
        outputs.retain(|it| {
            let quiet =
                matches!(it, Output::Radio(Command::Scan { .. } | Command::Advertise { .. }));
            !quiet
        });
        outputs
    }

    /// Dials a device that was seen, up to the hello; its nonce.
    fn greet(&mut self, port: &Port) -> Nonce {
        self.see(port, FRIEND, -50);
        let endpoint = endpoint(&port.device);
        self.give(Input::Dial { endpoint });
        let connect = Output::Radio(Command::Connect { port: port.clone() });
        assert_eq!(self.wait(1000), [connect]);
        let outputs = self.hear(radio::Event::Connected { port: port.clone() });
        let [Output::Radio(Command::Send { frame, .. })] = outputs.as_slice() else {
            panic!("{outputs:?}");
        };
        let Some(Said::Hello { nonce, .. }) = Said::decode(frame) else { panic!("{frame:?}") };
        nonce
    }

    /// Dials until the link is up; its name.
    fn link(&mut self, port: &Port) -> Key {
        let nonce = self.greet(port);
        let channel = Some(Channel(9));
        let welcome = Said::Welcome { nonce, channel, most_bytes: 100 };
        let outputs = self.get(port, Role::Central, &welcome, 0);
        let [Output::Up { link, mtu: 98, direction: Direction::Outbound, .. }, ..] =
            outputs.as_slice()
        else {
            panic!("{outputs:?}");
        };
        *link
    }

    /// The other side opens a link, or is refused.
    fn visit(&mut self, port: &Port, nonce: u32, most: u16) -> Option<(Key, Channel, u32)> {
        let hello = Said::Hello { nonce: Nonce(nonce), most_bytes: 510 };
        let outputs = self.get(port, Role::Peripheral, &hello, most);
        let up = outputs.iter().find_map(|output| match output {
            Output::Up { link, mtu, direction: Direction::Inbound, .. } => Some((*link, *mtu)),
            _ => None,
        });
        let said = outputs.iter().find_map(|output| match output {
            Output::Radio(Command::Send { frame, .. }) => Said::decode(frame),
            _ => None,
        });
        let Some(Said::Welcome { channel, .. }) = said else { panic!("{outputs:?}") };
        let (link, mtu) = up?;
        Some((link, channel.expect("who has a link has a channel"), mtu))
    }
}

#[test]
fn an_adapter_that_is_switched_on_scans_and_advertises_and_off_does_not() {
    let mut rig = Rig::new();
    let hci1 = adapter("hci1");
    let data = Some(Beacon { card: OWN, tables: 0 }.encode());
    assert_eq!(
        rig.switch_on("hci1"),
        [
            Output::Radio(Command::Advertise { adapter: hci1.clone(), data }),
            Output::Radio(Command::Scan { adapter: hci1.clone(), on: true }),
        ]
    );
    let condition = Condition::Off { reason: "it is off".into() };
    assert_eq!(rig.hear(radio::Event::Adapter { adapter: hci1.clone(), condition }), []);
    let adapters: Vec<_> = rig.transport.adapters().collect();
    assert_eq!(adapters, [(&adapter("hci0"), None), (&hci1, Some("it is off"))]);
    assert_eq!(rig.hear(radio::Event::Gone { adapter: hci1 }), []);
    assert_eq!(rig.give(Input::Lost), []);
    assert_eq!(rig.transport.deadline(), None);
}

#[test]
fn a_table_that_opens_is_advertised_at_once() {
    let mut rig = Rig::new();
    let data = Some(Beacon { card: OWN, tables: 1 }.encode());
    let advertised = Output::Radio(Command::Advertise { adapter: adapter("hci0"), data });
    assert_eq!(rig.give(Input::Tables { open: 1 }), [advertised]);
    assert_eq!(rig.give(Input::Tables { open: 1 }), []);
}

#[test]
fn only_friends_that_are_heard_well_are_told_of() {
    let mut rig = Rig::new();
    let near = port("hci0", "AA");
    assert_eq!(rig.see(&near, FRIEND, -91), [], "too weak");
    assert_eq!(rig.see(&near, OWN, -50), [], "this node's other adapter");
    assert_eq!(rig.see(&near, Card { network: *b"othr", ..FRIEND }, -50), []);
    assert_eq!(rig.see(&near, FRIEND, -50), [Output::Discovered { endpoint: place("AA") }]);
    assert_eq!(rig.see(&near, FRIEND, -50), [], "not again at once");
}

#[test]
fn a_dial_connects_greets_and_becomes_a_link_with_the_size_that_the_other_side_says() {
    let mut rig = Rig::new();
    let there = port("hci0", "AA");
    let nonce = rig.greet(&there);
    let hello = Said::Hello { nonce, most_bytes: 510 };
    assert_eq!(rig.wait(1000), [send(&there, Role::Central, &hello, 0)], "once more");
    let other = Said::Welcome { nonce: Nonce(nonce.0 ^ 1), channel: None, most_bytes: 20 };
    assert_eq!(rig.get(&there, Role::Central, &other, 0), [], "for somebody else");
    let channel = Some(Channel(3));
    let welcome = Said::Welcome { nonce, channel, most_bytes: 182 };
    let up = Output::Up {
        link: Key(1),
        mtu: 180,
        direction: Direction::Outbound,
        endpoint: place("AA"),
    };
    let outputs = rig.get(&there, Role::Central, &welcome, 0);
    assert_eq!(outputs[0], up);
    assert_eq!(rig.get(&there, Role::Central, &welcome, 0), [], "a welcome that came twice");

    let frame = Bytes::from(vec![7; 180]);
    let said = Said::Frame { channel: Channel(3), frame: frame.clone() };
    let sent = rig.give(Input::Send { link: Key(1), frame: frame.clone() });
    assert_eq!(sent, [send(&there, Role::Central, &said, 1)]);
    let left = rig.hear(radio::Event::Left { token: Token(1) });
    assert_eq!(left, [Output::Sent { link: Key(1) }]);
    let received = rig.get(&there, Role::Central, &said, 0);
    assert_eq!(received, [Output::Received { link: Key(1), frame }]);
    let elsewhere = Said::Frame { channel: Channel(4), frame: Bytes::from_static(b"x") };
    assert_eq!(rig.get(&there, Role::Central, &elsewhere, 0), [], "for another subscriber");

    let bye = Said::Bye { channel: Channel(3) };
    let disconnect = Output::Radio(Command::Disconnect { port: there.clone() });
    assert_eq!(
        rig.give(Input::Close { link: Key(1) }),
        [send(&there, Role::Central, &bye, 0), Output::Down { link: Key(1) }, disconnect.clone()]
    );
}

#[test]
fn a_dial_fails_where_nobody_was_heard_and_when_nobody_answers() {
    let mut rig = Rig::new();
    let failed = Output::DialFailed { endpoint: place("AA") };
    rig.give(Input::Dial { endpoint: place("AA") });
    assert_eq!(rig.wait(500), std::slice::from_ref(&failed));
    let there = port("hci0", "AA");
    let disconnect = Output::Radio(Command::Disconnect { port: there.clone() });

    rig.see(&there, FRIEND, -50);
    rig.give(Input::Dial { endpoint: place("AA") });
    let connect = Output::Radio(Command::Connect { port: there.clone() });
    let outputs = rig.wait(9_000);
    assert_eq!(outputs, [connect, disconnect.clone(), failed.clone()]);

    rig.wait(2_000);
    rig.greet(&there);
    let outputs = rig.wait(4_000);
    assert_eq!(outputs[outputs.len() - 2..], [disconnect, failed.clone()]);

    rig.give(Input::Dial { endpoint: place("AA") });
    assert_eq!(rig.wait(500), [failed], "not tried again at once");
}

#[test]
fn of_a_pair_the_node_with_the_higher_key_leaves_the_other_time_to_be_first() {
    let mut rig = Rig::new();
    let there = port("hci0", "AA");
    rig.see(&there, Card { node: *b"aaaa", ..FRIEND }, -50);
    rig.give(Input::Dial { endpoint: place("AA") });
    assert_eq!(rig.wait(9_900), []);
    assert_eq!(rig.wait(600), [Output::Radio(Command::Connect { port: there })]);
}

#[test]
fn a_node_that_is_linked_is_not_dialled_at_its_other_adapters_for_minutes() {
    let mut rig = Rig::new();
    rig.switch_on("hci1");
    let other = port("hci1", "BB");
    rig.link(&port("hci0", "AA"));
    assert_eq!(rig.see(&other, FRIEND, -50), []);
    rig.give(Input::Dial { endpoint: place("BB") });
    assert_eq!(rig.wait(1000), [Output::DialFailed { endpoint: place("BB") }]);
    rig.now = rig.now + SPARED;
    rig.give(Input::Tick);
    assert_eq!(rig.see(&other, FRIEND, -50), [Output::Discovered { endpoint: place("BB") }]);
}

#[test]
fn a_crowd_of_dials_is_made_one_at_a_time_and_what_waits_too_long_fails() {
    let mut rig = Rig::new();
    for device in 0..10 {
        rig.see(&port("hci0", &format!("D{device}")), FRIEND, -50);
    }
    let mut failed = 0;
    for device in 0..10 {
        let outputs = rig.give(Input::Dial { endpoint: place(&format!("D{device}")) });
        failed += outputs.len();
    }
    assert_eq!(failed, 2, "eight wait");
    let outputs = rig.wait(30_000);
    let connects = |it: &&Output| matches!(it, Output::Radio(Command::Connect { .. }));
    let fails = outputs.iter().filter(|it| matches!(it, Output::DialFailed { .. })).count();
    assert_eq!((outputs.iter().filter(connects).count(), fails), (2, 8));
}

#[test]
fn who_comes_is_welcomed_with_what_its_connection_carries() {
    let mut rig = Rig::new();
    for (index, (measured, mtu)) in [(20, 18), (182, 180), (514, 508), (0, 16)].iter().enumerate() {
        let there = port("hci0", &format!("D{index}"));
        let (_, _, told) = rig.visit(&there, 5, *measured).unwrap();
        assert_eq!(told, *mtu);
    }
}

#[test]
fn a_hello_that_is_repeated_gets_the_same_welcome_and_a_new_one_a_new_link() {
    let mut rig = Rig::new();
    let there = port("hci0", "AA");
    let (first, channel, _) = rig.visit(&there, 5, 514).unwrap();
    let hello = Said::Hello { nonce: Nonce(5), most_bytes: 510 };
    let welcome = |nonce, channel, most_bytes| {
        send(&there, Role::Peripheral, &Said::Welcome { nonce, channel, most_bytes }, 0)
    };
    assert_eq!(
        rig.get(&there, Role::Peripheral, &hello, 20),
        [welcome(Nonce(5), Some(channel), 510)]
    );
    let hello = Said::Hello { nonce: Nonce(6), most_bytes: 510 };
    let outputs = rig.get(&there, Role::Peripheral, &hello, 20);
    assert_eq!(outputs[0], Output::Down { link: first });
    assert_eq!(outputs[2], welcome(Nonce(6), Some(Channel(channel.0 + 1)), 20));
    let late = Said::Frame { channel, frame: Bytes::from_static(b"late") };
    let bye = send(&there, Role::Peripheral, &Said::Bye { channel }, 0);
    assert_eq!(rig.get(&there, Role::Peripheral, &late, 20), [bye], "of an earlier life");
}

#[test]
fn there_are_so_many_links_of_each_kind_and_no_more() {
    let mut rig = Rig::with(Policy { inbound: 2, outbound: 1, ..Profile::Desktop.policy() });
    assert!(rig.visit(&port("hci0", "A"), 1, 514).is_some());
    assert!(rig.visit(&port("hci0", "B"), 2, 514).is_some());
    assert!(rig.visit(&port("hci0", "C"), 3, 514).is_none());
    let silent = rig
        .transport
        .adapters
        .values()
        .all(|it| it.on.as_ref().is_some_and(|on| on.is_advertising));
    assert!(silent, "until it is renewed");
    rig.now = rig.now + Duration::from_secs(60);
    let hci0 = adapter("hci0");
    let withdrawn = Output::Radio(Command::Advertise { adapter: hci0, data: None });
    assert!(rig.give(Input::Tick).contains(&withdrawn));
    rig.link(&port("hci0", "D"));
    rig.see(&port("hci0", "E"), Card { node: *b"more", ..FRIEND }, -50);
    rig.give(Input::Dial { endpoint: place("E") });
    assert_eq!(rig.wait(1000), [Output::DialFailed { endpoint: place("E") }]);
}

#[test]
fn of_two_greetings_that_cross_over_one_connection_one_counts_for_both_sides() {
    let mut rig = Rig::new();
    let there = port("hci0", "AA");
    let own = rig.greet(&there);
    assert!(rig.visit(&there, own.0 + 1, 514).is_none(), "the own greeting counts");
    assert!(rig.visit(&there, own.0 - 1, 514).is_some(), "the other one does");
    let welcome = Said::Welcome { nonce: own, channel: Some(Channel(1)), most_bytes: 100 };
    assert_eq!(rig.get(&there, Role::Central, &welcome, 0), [], "the own is over");

    let mut rig = Rig::new();
    rig.link(&there);
    assert!(rig.visit(&there, 1, 514).is_none(), "there is a link already");
}

#[test]
fn a_connection_stays_for_the_link_that_still_uses_it() {
    let mut rig = Rig::new();
    let there = port("hci0", "AA");
    rig.visit(&there, 1, 514).unwrap();
    let endpoint = place("AA");
    rig.see(&there, FRIEND, -50);
    rig.give(Input::Dial { endpoint: endpoint.clone() });
    assert_eq!(rig.wait(500), [Output::DialFailed { endpoint }], "it is linked");
    let stray = rig.hear(radio::Event::Connected { port: there.clone() });
    assert_eq!(stray, [], "the other side uses it");
    let unused = port("hci0", "CC");
    let stray = rig.hear(radio::Event::Connected { port: unused.clone() });
    assert_eq!(stray, [Output::Radio(Command::Disconnect { port: unused })]);
}

#[test]
fn what_a_connection_or_an_adapter_carried_ends_with_it() {
    let mut rig = Rig::new();
    rig.switch_on("hci1");
    let there = port("hci0", "AA");
    let link = rig.link(&there);
    assert_eq!(rig.hear(radio::Event::Disconnected { port: there }), [Output::Down { link }]);
    let (one, ..) = rig.visit(&port("hci0", "BB"), 1, 514).unwrap();
    let (other, ..) = rig.visit(&port("hci1", "CC"), 1, 514).unwrap();
    let outputs = rig.hear(radio::Event::Gone { adapter: adapter("hci0") });
    assert_eq!(outputs, [Output::Down { link: one }]);
    assert_eq!(rig.give(Input::Lost), [Output::Down { link: other }]);
    assert_eq!(rig.transport.links.len() + rig.transport.by_port.len(), 0);
}

#[test]
fn where_nobody_hears_notifications_those_who_came_are_gone_and_those_dialled_are_not() {
    let mut rig = Rig::new();
    rig.switch_on("hci1");
    rig.link(&port("hci0", "AA"));
    let (guest, ..) = rig.visit(&port("hci0", "BB"), 1, 514).unwrap();
    rig.visit(&port("hci1", "CC"), 1, 514).unwrap();
    let outputs = rig.hear(radio::Event::Unheard { adapter: adapter("hci0") });
    assert_eq!(outputs, [Output::Down { link: guest }]);
    assert_eq!(rig.transport.links.len(), 2);
}

#[test]
fn an_adapter_does_not_scan_while_it_connects() {
    let mut rig = Rig::new();
    let there = port("hci0", "AA");
    rig.see(&there, FRIEND, -50);
    rig.give(Input::Dial { endpoint: place("AA") });
    let mut scans = Vec::new();
    while let Some(at) = rig.transport.deadline().filter(|at| at.as_micros() < 6_000_000) {
        rig.now = at;
        scans.extend(rig.give(Input::Tick).into_iter().filter_map(|it| match it {
            Output::Radio(Command::Scan { on, .. }) => Some(on),
            _ => None,
        }));
    }
    assert_eq!(scans, [false]);
    let reason = "it went away".to_owned();
    let outputs = rig.hear(radio::Event::Unreachable { port: there, reason });
    let again = Output::Radio(Command::Scan { adapter: adapter("hci0"), on: true });
    assert!(outputs.contains(&again), "{outputs:?}");
}
