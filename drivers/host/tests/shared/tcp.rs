//! What every TCP driver must do, over real sockets on loopback; the test itself is the node's
//! thread, at the other end of the inbox. A driver's tests include this file and name in `super`
//! the `Transport` to test.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use bitcraps_host::inbox::{CREDIT_FRAMES, Dialer, Inbox, Input, LinkUp, Taken};
use bitcraps_host::tcp::{FRAME_BYTES, Limits, TRANSPORT, TcpConfig, endpoint_of, frame};
use bitcraps_host::{LinkSink, Links};
use bitcraps_protocol::event::{CloseReason, Direction, Event, LinkId};
use bytes::Bytes;

use super::Transport;

/// Whatever takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

struct Node {
    inbox: Inbox,
    waiting: VecDeque<Input>,
    dial: Dialer,
    tcp: Transport,
}

impl Node {
    fn start(config: TcpConfig) -> Self {
        let mut inbox = Inbox::new();
        let tcp = Transport::start(Links::of(&inbox), config);
        let mut waiting: VecDeque<Input> = take(&mut inbox, PATIENCE).into();
        let Some(Input::Dialer(TRANSPORT, dial)) = waiting.pop_front() else {
            panic!("a transport begins by offering to dial");
        };
        Self { inbox, waiting, dial, tcp }
    }

    fn listening(limits: Limits) -> Self {
        let listen = Some("127.0.0.1:0".parse().unwrap());
        Self::start(TcpConfig { listen, peers: Vec::new(), limits })
    }

    fn address(&self) -> SocketAddr {
        self.tcp.local_addr()
    }

    fn connect(&self) -> TcpStream {
        connect(self.address())
    }

    /// The next input, if there is one soon.
    fn next_within(&mut self, patience: Duration) -> Option<Input> {
        let end = Instant::now() + patience;
        while self.waiting.is_empty() && Instant::now() < end {
            self.waiting = take(&mut self.inbox, Duration::from_millis(20)).into();
        }
        self.waiting.pop_front()
    }

    fn next_event(&mut self) -> Event {
        match self.next_within(PATIENCE) {
            Some(Input::Event(event)) => event,
            Some(_) => panic!("something else than an event"),
            None => panic!("no event"),
        }
    }

    fn next_link(&mut self) -> LinkUp {
        match self.next_within(PATIENCE) {
            Some(Input::LinkUp(up)) => up,
            Some(Input::Event(event)) => panic!("{event:?} instead of a link"),
            _ => panic!("no link"),
        }
    }

    #[track_caller]
    fn assert_quiet(&mut self) {
        assert!(self.next_within(Duration::from_millis(100)).is_none());
    }
}

fn take(inbox: &mut Inbox, patience: Duration) -> Vec<Input> {
    match inbox.take(patience) {
        Taken::Inputs(inputs) => inputs,
        Taken::Stop => panic!("nobody stops this"),
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// That the other side has ended the connection, or soon does.
fn assert_ended(stream: &mut TcpStream) {
    let began = Instant::now();
    assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
    assert!(began.elapsed() < PATIENCE);
}

fn framed(frames: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        frame::put(&mut bytes, frame);
    }
    bytes
}

fn received(link: LinkId, frame: impl Into<Bytes>) -> Event {
    Event::Received { link, frame: frame.into() }
}

fn limits() -> Limits {
    Limits::default()
}

#[test]
fn two_nodes_exchange_frames_in_both_directions() {
    let mut server = Node::listening(limits());
    let peer = server.address().to_string();
    let peers = vec![peer.clone()];
    let mut client = Node::start(TcpConfig { listen: None, peers, limits: limits() });
    assert_eq!(client.next_event(), Event::Discovered { endpoint: endpoint_of(&peer) });
    (client.dial)(endpoint_of(&peer));
    let mut out = client.next_link();
    let mut into = server.next_link();
    assert_eq!((out.direction, &out.endpoint.bytes[..]), (Direction::Outbound, peer.as_bytes()));
    assert_eq!((into.direction, into.endpoint.transport), (Direction::Inbound, TRANSPORT));
    assert_eq!((out.mtu as usize, into.mtu as usize), (FRAME_BYTES, FRAME_BYTES));

    let long = Bytes::from(vec![7; FRAME_BYTES]);
    for frame in [Bytes::from_static(b"first"), long.clone(), Bytes::from_static(b"last")] {
        out.sink.send(frame);
    }
    into.sink.send(Bytes::from_static(b"back"));
    for frame in [Bytes::from_static(b"first"), long, Bytes::from_static(b"last")] {
        let event = loop {
            let event = server.next_event();
            if event != (Event::Sent { link: into.link }) {
                break event;
            }
        };
        assert_eq!(event, received(into.link, frame));
    }
    let mut events: Vec<Event> = (0..4).map(|_| client.next_event()).collect();
    events.retain(|event| *event != Event::Sent { link: out.link });
    assert_eq!(events, [received(out.link, "back")]);

    into.sink.close(CloseReason::Full);
    drop(into);
    assert_eq!(client.next_event(), Event::LinkDown { link: out.link });
}

#[test]
fn a_frame_arrives_when_its_last_byte_does() {
    let mut node = Node::listening(limits());
    let mut stream = node.connect();
    let up = node.next_link();
    let link = up.link;
    let bytes = framed(&[b"one", b"two"]);
    let (most, last) = bytes.split_at(bytes.len() - 1);
    stream.write_all(most).unwrap();
    assert_eq!(node.next_event(), received(link, "one"));
    node.assert_quiet();
    stream.write_all(last).unwrap();
    assert_eq!(node.next_event(), received(link, "two"));
    stream.write_all(&[0, 0]).unwrap();
    drop(stream);
    assert_eq!(node.next_event(), Event::LinkDown { link });
}

#[test]
fn lengths_that_no_frame_has_end_the_link() {
    let mut node = Node::listening(limits());
    for bad in [0, FRAME_BYTES as u32 + 1, 0x4745_5420] {
        let mut stream = node.connect();
        let up = node.next_link();
        stream.write_all(&bad.to_be_bytes()).unwrap();
        assert_eq!(node.next_event(), Event::LinkDown { link: up.link });
        assert_ended(&mut stream);
    }
}

#[test]
fn one_source_gets_so_many_connections_and_a_new_one_when_one_ends() {
    let mut node = Node::listening(Limits { inbound_per_source: 2, ..limits() });
    let first = node.connect();
    let _second = node.connect();
    let links = [node.next_link(), node.next_link()];
    let mut third = node.connect();
    assert_ended(&mut third);
    node.assert_quiet();
    drop(first);
    // The two may have come up in either order.
    let down = node.next_event();
    assert!(links.iter().any(|up| down == Event::LinkDown { link: up.link }), "{down:?}");
    let mut fourth = node.connect();
    let up = node.next_link();
    fourth.write_all(&framed(&[b"x"])).unwrap();
    assert_eq!(node.next_event(), received(up.link, "x"));
}

#[test]
fn a_flood_is_held_back_at_its_source_and_nothing_of_it_is_lost() {
    let mut node = Node::listening(limits());
    let mut stream = node.connect();
    let up = node.next_link();
    let link = up.link;
    let frame = [9; 1000];
    let flood = thread::spawn(move || {
        for _ in 0..20 * CREDIT_FRAMES {
            stream.write_all(&framed(&[&frame])).unwrap();
        }
        stream
    });
    sleep(Duration::from_millis(200));
    for _ in 0..20 * CREDIT_FRAMES {
        assert_eq!(node.next_event(), received(link, Bytes::copy_from_slice(&frame)));
    }
    node.assert_quiet();
    drop(flood.join().unwrap());
    assert_eq!(node.next_event(), Event::LinkDown { link });
}

#[test]
fn a_peer_that_does_not_read_loses_its_link() {
    let mut node =
        Node::listening(Limits { write_timeout: Duration::from_millis(200), ..limits() });
    let _stream = node.connect();
    let mut up = node.next_link();
    let frame = Bytes::from(vec![1; FRAME_BYTES]);
    let mut left = 0;
    loop {
        up.sink.send(frame.clone());
        let event = node.next_event();
        if event == (Event::LinkDown { link: up.link }) {
            break;
        }
        assert_eq!(event, Event::Sent { link: up.link });
        left += 1;
        assert!(left < 1000, "64 MB and more have left to nobody");
    }
}

#[test]
fn what_the_node_dials_comes_up_or_fails() {
    let mut node = Node::listening(limits());
    let there = endpoint_of(&node.address().to_string());
    (node.dial)(there.clone());
    let ups = [node.next_link(), node.next_link()];
    let outbound = ups.iter().find(|up| up.direction == Direction::Outbound).unwrap();
    assert_eq!(outbound.endpoint, there);

    let place = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = endpoint_of(&place.local_addr().unwrap().to_string());
    drop(place);
    for endpoint in [nobody, endpoint_of("not an address"), endpoint_of("")] {
        (node.dial)(endpoint.clone());
        assert_eq!(node.next_event(), Event::DialFailed { endpoint });
    }
}

#[test]
fn shutting_down_ends_all_links_and_the_listening() {
    let mut node = Node::listening(limits());
    let mut stream = node.connect();
    let up = node.next_link();
    let address = node.address();
    let Node { mut inbox, tcp, mut dial, .. } = node;
    tcp.shut_down();
    assert_ended(&mut stream);
    assert!(TcpStream::connect(address).is_err());
    let endpoint = endpoint_of("127.0.0.1:1");
    dial(endpoint.clone());
    let events: Vec<Event> = take(&mut inbox, PATIENCE)
        .into_iter()
        .filter_map(|input| if let Input::Event(event) = input { Some(event) } else { None })
        .collect();
    assert_eq!(events, [Event::LinkDown { link: up.link }, Event::DialFailed { endpoint }]);
}

#[test]
fn a_host_that_has_stopped_ends_all_links() {
    let node = Node::listening(limits());
    let mut stream = node.connect();
    let address = node.address();
    let Node { inbox, waiting, tcp, .. } = node;
    drop((inbox, waiting));
    let mut later = connect(address);
    assert_ended(&mut stream);
    assert_ended(&mut later);
    drop(tcp);
}

#[test]
fn sending_on_a_link_that_is_down_is_harmless() {
    let mut node = Node::listening(limits());
    let stream = node.connect();
    let mut up = node.next_link();
    drop(stream);
    assert_eq!(node.next_event(), Event::LinkDown { link: up.link });
    let sink: &mut dyn LinkSink = &mut *up.sink;
    sink.send(Bytes::from_static(b"late"));
    sink.close(CloseReason::TimedOut);
}
