//! What strangers and admitted cheats can do to nodes over real sockets: lose their link. The
//! node lives, its memory stays bounded, and no chip moves.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]
#![allow(clippy::print_stdout, reason = "a failed test shows what led to it")]

mod cluster;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitcraps_host::Identity;
use bitcraps_host::api::{EventView, OperationRequest, SupplyView};
use bitcraps_host::clock::Clock;
use bitcraps_protocol::beacon::{CoinShare, DiceKeyId};
use bitcraps_protocol::block::{Height, ValidatorIndex, View};
use bitcraps_protocol::chain::{Genesis, Nonce, Operation, SignedTransaction, Transaction};
use bitcraps_protocol::consensus::{
    Certificate, Message, Notarization, Nullification, Statement, Status, Vote,
};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::event::{Direction, Endpoint, LinkId, LinkKind};
use bitcraps_protocol::identity::{
    Address, Context, Domain, Epoch, Keypair, NetworkId, ProofOfWork, Signature,
};
use bitcraps_protocol::mesh::{Attempt, Config, Input, Lane, Mesh, Output};
use bitcraps_protocol::node::Introduction;
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::session::LocalIdentity;
use bitcraps_protocol::time::BlockTime;
use bitcraps_protocol::wire::{Hash, VERSION, decode, encode};
use bitcraps_tokio::client::Events;
use bitcraps_tokio::home::Home;
use bytes::{Buf as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use snow::Builder;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Random};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use cluster::{Cluster, Member, PATIENCE, until};

/// Bytes by which a node's resident memory may have grown after everything.
const GROWTH: u64 = 48 * 1024 * 1024;
/// The longest frame of a TCP link.
const FRAME_BYTES: u32 = 65_535;
const LINK: LinkId = LinkId(1);

/// Connects from 127.0.0.`host`.
async fn connect_from(host: u8, member: &Member) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
    timeout(PATIENCE, socket.connect(member.place.parse().unwrap())).await.unwrap().unwrap()
}

async fn connect(member: &Member) -> TcpStream {
    connect_from(2, member).await
}

/// Waits until the other side has ended the connection.
async fn ended(stream: &mut TcpStream) {
    let end = async { while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {} };
    timeout(PATIENCE, end).await.expect("the node ends the connection");
}

async fn write_frame(stream: &mut TcpStream, frame: &[u8]) {
    let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
    // The node may have ended the connection already.
    let _ = stream.write_all(&[&length[..], frame].concat()).await;
}

async fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let length = timeout(PATIENCE, stream.read_u32()).await.unwrap().unwrap();
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await.unwrap();
    frame
}

/// The next misdeed that a node tells of.
async fn blamed(events: &mut Events) -> String {
    let next = async {
        loop {
            if let EventView::Misbehaved { fault, .. } = events.next().await.unwrap().unwrap() {
                return fault;
            }
        }
    };
    timeout(PATIENCE, next).await.unwrap_or_else(|_| "no fault".to_owned())
}

async fn network(member: &Member) -> NetworkId {
    member.client.status().await.unwrap().network.parse().unwrap()
}

fn resident_bytes(member: &Member) -> u64 {
    let process = member.process.as_ref().and_then(Child::id).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// What a newcomer says to a network that is not private; it does not matter who that is.
fn introduction() -> Introduction {
    let keypair = Keypair::from_seed([0; 32]);
    Introduction::new(Hash::default(), None, &keypair, keypair.peer())
}

fn genesis_request() -> Bytes {
    introduction().request()
}

/// Who is in the handshake, in the author's own words.
#[derive(Serialize)]

struct Credentials {
    network: NetworkId,
    address: Address,
    signature: Signature,
}

fn keypair(seed: u8) -> Keypair {
    Keypair::from_seed([seed; 32])
}

fn address(keypair: &Keypair) -> Address {
    let peer = keypair.peer();
    Address { peer, proof: ProofOfWork::mine(peer, ProofOfWork::DEFAULT_BITS) }
}

/// A handshake by another hand: whatever `credentials` makes of the static key, sealed as it should
/// be.
async fn handshake(member: &Member, credentials: impl FnOnce(&[u8]) -> Vec<u8>) -> TcpStream {
    let mut stream = connect(member).await;
    let prologue = [&b"bitcraps/session/"[..], &VERSION.to_le_bytes()].concat();
    let parameters = "Noise_XX_25519_ChaChaPoly_BLAKE2s".parse().unwrap();
    let mut key = DefaultResolver.resolve_dh(&DHChoice::Curve25519).unwrap();
    key.generate(&mut Entropy).unwrap();
    let noise = Builder::with_resolver(parameters, Box::new(Entropy)).prologue(&prologue).unwrap();
    let mut noise = noise.local_private_key(key.privkey()).unwrap().build_initiator().unwrap();
    let mut buffer = [0; 1024];
    let length = noise.write_message(&[], &mut buffer).unwrap();
    write_frame(&mut stream, &[&[1], &buffer[..length]].concat()).await;
    let second = read_frame(&mut stream).await;
    assert_eq!(second[0], 2);
    noise.read_message(&second[1..], &mut buffer).unwrap();
    let length = noise.write_message(&credentials(key.pubkey()), &mut buffer).unwrap();
    write_frame(&mut stream, &[&[3], &buffer[..length]].concat()).await;
    stream
}

/// Snow's own cryptography, whose build leaves it to its user to bring randomness.
struct Entropy;

impl Random for Entropy {
    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), snow::Error> {
        getrandom::fill(destination).map_err(|_| snow::Error::Rng)
    }
}

impl CryptoResolver for Entropy {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Self))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn snow::types::Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

fn session_signature(keypair: &Keypair, network: NetworkId, static_key: &[u8]) -> Signature {
    let context = Context { network, epoch: Epoch(0) };
    keypair.sign(Domain::Session, &context, &[static_key, &[0]].concat())
}

/// What a node says to another, as a cheat would write it down.
#[derive(Debug, Serialize)]
#[expect(clippy::large_enum_variant, reason = "the shape of the original")]
enum Packet {
    Consensus(Message),
    #[expect(dead_code, reason = "holds a place in the encoding")]
    Finalize,
    Share {
        view: View,
        key: DiceKeyId,
        index: ValidatorIndex,
        share: CoinShare,
    },
    #[expect(dead_code, reason = "holds a place in the encoding")]
    AskShares,
    Transaction(SignedTransaction),
    AskGenesis,
    Genesis(Bytes),
}

/// Somebody with an honest handshake.
struct Guest {
    mesh: Mesh,
    clock: Clock,
    stream: TcpStream,
    received: BytesMut,
    is_up: bool,
    delivered: Vec<Bytes>,
}

impl Guest {
    /// Everybody comes from an address of their own: one with many faults is kept out as a whole.
    async fn enter(member: &Member, keypair: &Keypair) -> Self {
        let stream = connect_from(10 + keypair.peer().0[0] % 200, member).await;
        let proof = address(keypair).proof;
        let identity = LocalIdentity::new(keypair, proof, network(member).await, 0);
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let mut mesh = Mesh::new(identity, Rng::new(seed), Config::default());
        let clock = Clock::start();
        let endpoint = Endpoint { transport: 0, bytes: Bytes::new() };
        let (kind, direction) = (LinkKind::Stream, Direction::Outbound);
        let up = Input::LinkUp { link: LINK, kind, mtu: FRAME_BYTES, direction, endpoint };
        mesh.handle(clock.now(), up);
        let (received, delivered) = (BytesMut::new(), Vec::new());
        let mut guest = Self { mesh, clock, stream, received, is_up: false, delivered };
        while !guest.is_up {
            // Whoever is refused learns of it after its own handshake is through.
            assert!(guest.exchange().await || guest.is_up, "the node does not admit us");
        }
        guest
    }

    /// Sends what there is to send, then takes what comes; false if the connection has ended.
    async fn exchange(&mut self) -> bool {
        self.flush().await && self.take().await
    }

    async fn flush(&mut self) -> bool {
        while let Some(output) = self.mesh.poll() {
            match output {
                Output::Send { frame, .. } => {
                    let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
                    let frame = [&length[..], &frame].concat();
                    if self.stream.write_all(&frame).await.is_err() {
                        return false;
                    }
                    self.mesh.handle(self.clock.now(), Input::Sent { link: LINK });
                }
                Output::PeerUp { .. } => self.is_up = true,
                Output::Deliver { message, .. } => self.delivered.push(message),
                Output::PeerDown { .. } | Output::Dial { .. } => {}
                Output::Close { .. } | Output::Misbehaved { .. } => return false,
            }
        }
        true
    }

    async fn take(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
        if !read.expect("the node says something").is_ok_and(|count| count > 0) {
            return false;
        }
        while let Some(length) = self.received.first_chunk().map(|it| u32::from_be_bytes(*it)) {
            if self.received.len() < 4 + length as usize {
                break;
            }
            self.received.advance(4);
            let frame = self.received.split_to(length as usize).freeze();
            self.mesh.handle(self.clock.now(), Input::Received { link: LINK, frame });
        }
        true
    }

    /// Does for some time what an honest peer does; false if the connection has ended.
    async fn live_for(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while self.flush().await {
            match timeout_at(end, self.take()).await {
                Ok(true) => {}
                Ok(false) => return false,
                Err(_) => return true,
            }
        }
        false
    }

    /// Says it to everybody; false if the connection has ended.
    async fn broadcast(&mut self, message: Bytes, attempt: u8) -> bool {
        let (lane, attempt) = (Lane::Votes, Attempt(attempt));
        let input =
            Input::Broadcast { lane, author: None, serial: None, attempt, message, from: None };
        self.mesh.handle(self.clock.now(), input);
        self.flush().await
    }

    /// Says it to the node; false if the connection has ended.
    async fn say(&mut self, message: Bytes) -> bool {
        let input = Input::Unicast { link: LINK, lane: Lane::Control, message };
        self.mesh.handle(self.clock.now(), input);
        self.flush().await
    }

    /// Waits until the node has read all that was said: it answers what is asked now.
    async fn was_heard(&mut self) {
        assert!(self.say(genesis_request()).await);
        while self
            .delivered
            .drain(..)
            .all(|message| introduction().read_answer(message) == Ok(None))
        {
            assert!(self.exchange().await);
        }
    }

    /// Waits until the node has ended the connection.
    async fn dropped(mut self) {
        let end = async { while self.exchange().await {} };
        timeout(PATIENCE, end).await.expect("the node ends the connection");
    }
}

/// That every chip is where it was; empty blocks may have passed.
async fn nothing_moved(cluster: &Cluster, before: &SupplyView) {
    let after = cluster.level().await;
    assert_eq!(SupplyView { height: before.height, ..after }, *before);
}

/// That `member` lives, finalizes what is honest, and has not grown.
async fn is_well(cluster: &Cluster, member: &Member, before: u64) {
    let to = member.address().await;
    member.pay(&to).await;
    cluster.level().await;
    cluster.agreement.holds();
    let after = resident_bytes(member);
    println!("{}: {before} bytes before, {after} bytes after", member.name);
    assert!(after < before + GROWTH, "{before} bytes became {after}");
    assert_eq!(member.client.status().await.unwrap().halted, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_speak_the_protocol_loses_the_connection() {
    let cluster = Cluster::start(1).await;
    let member = &cluster.members[0];
    member.open_table(1000).await;
    let before = (cluster.level().await, resident_bytes(member));
    let mut events = member.client.events().await.unwrap();

    // Lengths that no frame has end the connection before anything is read.
    for bad in [0, FRAME_BYTES + 1, u32::MAX, u32::from_be_bytes(*b"GET ")] {
        let mut stream = connect(member).await;
        stream.write_all(&bad.to_be_bytes()).await.unwrap();
        ended(&mut stream).await;
    }
    let frames = [
        (vec![0; 100], "Malformed"),
        (vec![9; FRAME_BYTES as usize], "Malformed"),
        (vec![4; 100], "Handshake"),
        (vec![1, 2, 3], "Handshake"),
        (vec![3; 200], "Handshake"),
    ];
    for (frame, fault) in frames {
        let mut stream = connect(member).await;
        write_frame(&mut stream, &frame).await;
        assert_eq!(blamed(&mut events).await, fault);
        ended(&mut stream).await;
    }
    // A truncated frame and a hang-up: nobody's fault.
    let mut stream = connect(member).await;
    stream.write_all(&[0, 0, 1, 0, 1, 2, 3]).await.unwrap();
    drop(stream);
    let rng = &mut Rng::new([7; 32]);
    for _ in 0..100 {
        let mut noise = vec![0; rng.below(2000) as usize];
        rng.fill(&mut noise);
        let mut stream = connect(member).await;
        let _ = stream.write_all(&noise).await;
        let _ = stream.shutdown().await;
        ended(&mut stream).await;
    }
    nothing_moved(&cluster, &before.0).await;
    is_well(&cluster, member, before.1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_handshake_is_a_fault_by_name() {
    let cluster = Cluster::start(1).await;
    let member = &cluster.members[0];
    let before = (cluster.level().await, resident_bytes(member));
    let mut events = member.client.events().await.unwrap();
    let network = network(member).await;
    let (own, other) = (keypair(1), keypair(2));
    let honest = address(&own);
    let worthless = (0..).map(ProofOfWork).find(|proof| proof.bits(own.peer()) < 8).unwrap();
    let signed = |key: &[u8]| session_signature(&own, network, key);
    let credentials = |network, address, signature: Signature| -> Vec<u8> {
        encode(&Credentials { network, address, signature })
    };
    let elsewhere = Hash([8; 32]);
    let unworthy = Address { proof: worthless, ..honest };

    let stream = handshake(member, |key| {
        credentials(elsewhere, honest, session_signature(&own, elsewhere, key))
    })
    .await;
    expect(&mut events, stream, "WrongNetwork").await;
    let stream = handshake(member, |key| credentials(network, unworthy, signed(key))).await;
    expect(&mut events, stream, "TooLittleWork").await;
    // Signed by somebody else, for another key, for another network, for the other role.
    let stream = handshake(member, |key| {
        credentials(network, honest, session_signature(&other, network, key))
    })
    .await;
    expect(&mut events, stream, "WrongIdentity").await;
    let stream = handshake(member, |_| credentials(network, honest, signed(&[5; 32]))).await;
    expect(&mut events, stream, "WrongIdentity").await;
    let stream = handshake(member, |key| {
        credentials(network, honest, session_signature(&own, elsewhere, key))
    })
    .await;
    expect(&mut events, stream, "WrongIdentity").await;
    let stream = handshake(member, |_| vec![0; 20]).await;
    expect(&mut events, stream, "Malformed").await;
    nothing_moved(&cluster, &before.0).await;
    // The same hand, honest for once.
    let _admitted = handshake(member, |key| credentials(network, honest, signed(key))).await;
    until("the honest handshake is admitted", async || {
        let peers = member.client.status().await.unwrap().peers;
        peers.iter().any(|peer| peer.peer == own.peer().to_string()).then_some(())
    })
    .await;
    is_well(&cluster, member, before.1).await;
}

async fn expect(events: &mut Events, mut stream: TcpStream, fault: &str) {
    assert_eq!(blamed(events).await, fault);
    ended(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stalls_or_dribbles_loses_the_connection_in_time() {
    let cluster = Cluster::start(1).await;
    let member = &cluster.members[0];
    let before = (cluster.level().await, resident_bytes(member));
    let first = [&[0, 0, 0, 33, 1][..], &[9; 32]].concat();
    let silent = async { ended(&mut connect(member).await).await };
    let in_the_handshake = async {
        let mut stream = connect(member).await;
        stream.write_all(&first).await.unwrap();
        assert_eq!(read_frame(&mut stream).await[0], 2);
        ended(&mut stream).await;
    };
    let in_a_frame = async {
        let mut stream = connect(member).await;
        stream.write_all(&[0, 0, 0xff, 0, 1, 2, 3]).await.unwrap();
        ended(&mut stream).await;
    };
    let byte_by_byte = async {
        let mut stream = connect(member).await;
        stream.set_nodelay(true).unwrap();
        stream.write_all(&u32::to_be_bytes(FRAME_BYTES)).await.unwrap();
        while stream.write_all(&[1]).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    // Admitted, and then silent in the middle of a frame: that takes the node's whole patience
    // with a link.
    let after_the_handshake = async {
        let mut guest = Guest::enter(member, &keypair(1)).await;
        guest.stream.write_all(&[0, 0, 0xff, 0, 4, 2, 3]).await.unwrap();
        ended(&mut guest.stream).await;
    };
    tokio::join!(silent, in_the_handshake, in_a_frame, byte_by_byte, after_the_handshake);
    nothing_moved(&cluster, &before.0).await;
    is_well(&cluster, member, before.1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_is_held_off_and_leaves_the_validators_linked() {
    let cluster = Cluster::start(4).await;
    let member = &cluster.members[0];
    cluster.members[1].pay(&member.address().await).await;
    let before = resident_bytes(member);
    for round in 0..3 {
        let mut streams = Vec::new();
        for host in 2..=8 {
            for _ in 0..100 {
                streams.push(connect_from(host, member).await);
            }
        }
        // Somebody is always let in, and nobody more than there are seats.
        let mut open = 0;
        for stream in &mut streams {
            let read = timeout(Duration::from_millis(1), stream.read(&mut [0; 16])).await;
            open += usize::from(read.is_err());
        }
        println!("round {round}: {open} of {} connections are open", streams.len());
        assert!(open <= 256, "{open}");
        is_well(&cluster, member, before).await;
    }
    let links = member.client.status().await.unwrap().peers;
    let validators: BTreeSet<_> = links.iter().filter_map(|peer| peer.validator).collect();
    assert_eq!(validators.len(), 3);
    Guest::enter(member, &keypair(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admitted_cheat_loses_its_link_and_moves_nothing() {
    let cluster = Cluster::start(4).await;
    let member = &cluster.members[0];
    member.open_table(1000).await;
    let cheat = keypair(1);
    let network = network(member).await;
    let before = (cluster.level().await, resident_bytes(member));
    // What is said of a view that is over is not looked at, and blocks may still follow.
    let view = View(member.client.status().await.unwrap().view + 3);
    let mut events = member.client.events().await.unwrap();

    let junk = cheat.sign(Domain::Vote, &Context { network, epoch: Epoch(0) }, b"junk");
    let (block, time) = (Hash([6; 32]), BlockTime(1));
    let vote = |voter, statement| {
        let vote = Vote { voter: ValidatorIndex(voter), statement, signature: junk };
        Packet::Consensus(Message::Vote(vote))
    };
    let certificate = |certificate| Packet::Consensus(Message::Certificate(certificate));
    let quorum = |with| (0..3).map(|index| (ValidatorIndex(index), with, junk)).collect::<Vec<_>>();
    let notarization: Notarization = same_bytes(&(view, block, quorum(1)));
    let nullification: Nullification = same_bytes(&(view, quorum(0)));
    let nobody: Notarization = same_bytes(&(view, block, [0u64; 0].to_vec()));
    let share: CoinShare = same_bytes(&([7u8; 32], [8u8; 32], [9u8; 32]));
    let operation = Operation::Transfer { to: address(&cheat), amount: Chips(1_000) };
    let identity = Identity::load(&member.data_dir, None).unwrap().unwrap();
    let robbed = Transaction {
        sender: identity.address(),
        nonce: Nonce(100),
        expires: Height(10_000),
        operation,
    };
    let robbery: SignedTransaction = same_bytes(&(Bytes::from(encode(&robbed)), junk));
    let no_transaction: SignedTransaction = same_bytes(&(Bytes::from_static(b"none"), junk));
    let key = DiceKeyId { epoch: Epoch(0), version: 0 };
    let cases = [
        (vote(0, Statement::Notarize { view, block, time }), "BadSignature"),
        (vote(1, Statement::Nullify { view, highest: View(0) }), "BadSignature"),
        (vote(2, Statement::Finalize { view, block }), "BadSignature"),
        (vote(9, Statement::Finalize { view, block }), "NotAValidator"),
        // Whoever needs one asks a neighbour.
        (certificate(Certificate::Notarization(notarization.clone())), "Unsolicited"),
        (Packet::Share { view, key, index: ValidatorIndex(0), share }, "BadShare"),
        (Packet::Share { view, key, index: ValidatorIndex(9), share }, "NotAValidator"),
        (Packet::Transaction(robbery), "ForgedTransaction"),
        (Packet::Transaction(no_transaction), "Malformed"),
        (Packet::AskGenesis, "Unsolicited"),
    ];
    // A new face each time: the same one would be kept out after the second.
    let mut faces = (100..).map(keypair);
    let mut face = || faces.next().unwrap();
    for (packet, fault) in cases {
        let mut guest = Guest::enter(member, &face()).await;
        let message = Bytes::from(encode(&packet));
        guest.broadcast(message, 0).await;
        assert_eq!(blamed(&mut events).await, fault, "{packet:?}");
        guest.dropped().await;
    }
    let bad = [
        Certificate::Notarization(notarization),
        Certificate::Notarization(nobody),
        Certificate::Nullification(nullification, None),
    ];
    let bad = bad.map(|it| (Bytes::from(encode(&certificate(it))), "BadCertificate"));
    let alone = [
        (Bytes::from(encode(&Packet::Genesis(Bytes::from_static(b"false")))), "Unsolicited"),
        (Bytes::from_static(b"\xff\xff\xff"), "Malformed"),
        (Bytes::new(), "Malformed"),
    ];
    for (message, fault) in bad.into_iter().chain(alone) {
        let mut guest = Guest::enter(member, &face()).await;
        guest.say(message.clone()).await;
        assert_eq!(blamed(&mut events).await, fault, "{message:?}");
        guest.dropped().await;
    }
    // A record that was not sealed in this session.
    let mut guest = Guest::enter(member, &face()).await;
    write_frame(&mut guest.stream, &[4; 100]).await;
    guest.dropped().await;
    assert_eq!(blamed(&mut events).await, "Decryption");
    nothing_moved(&cluster, &before.0).await;
    is_well(&cluster, member, before.1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_denied_or_banned_is_kept_out_and_status_says_so() {
    let (cheat, denied) = (keypair(1), format!("peer:{}", keypair(5).peer()));
    let deny = format!("address:127.0.0.6,{denied}");
    let flags = ["--deny", &deny, "--allow", "address:127.0.0.1"];
    let cluster = Cluster::wired(1, |_| Vec::new(), &flags).await;
    let member = &cluster.members[0];
    let mut events = member.client.events().await.unwrap();
    ended(&mut connect_from(6, member).await).await;
    Guest::enter(member, &keypair(5)).await.dropped().await;
    for expected in ["disconnected", "banned for 60 s"] {
        let mut guest = Guest::enter(member, &cheat).await;
        guest.say(Bytes::new()).await;
        let told = async {
            loop {
                let event = events.next().await.unwrap().unwrap();
                if let EventView::Misbehaved { peer, response, .. } = event {
                    return (peer, response);
                }
            }
        };
        let told = timeout(PATIENCE, told).await.unwrap();
        assert_eq!(told, (Some(cheat.peer().to_string()), expected.to_owned()));
        guest.dropped().await;
    }
    Guest::enter(member, &cheat).await.dropped().await;
    let status = until("the status says who is banned", async || {
        let status = member.client.status().await.unwrap();
        (!status.bans.is_empty() && status.peers.is_empty()).then_some(status)
    })
    .await;
    assert_eq!(status.bans[0].culprit, format!("peer:{}", cheat.peer()));
    assert!((1..=60).contains(&status.bans[0].seconds));
    assert_eq!(status.deny, ["address:127.0.0.6".to_owned(), denied]);
    assert_eq!(status.allow, ["address:127.0.0.1"]);
    // Others are let in as ever.
    Guest::enter(member, &keypair(2)).await.was_heard().await;
}

/// The value whose encoding is that of `parts`: how a cheat makes what only honest code can make.
fn same_bytes<T: Serialize + for<'a> Deserialize<'a>>(parts: &impl Serialize) -> T {
    decode(&encode(parts), 1 << 16).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_messages_costs_the_link_or_is_borne() {
    let cluster = Cluster::start(4).await;
    let member = &cluster.members[0];
    let before = (cluster.level().await, resident_bytes(member));
    let status = Status { view: View(0), finalized: Height(0) };
    let status = Bytes::from(encode(&Packet::Consensus(Message::Status(status))));
    // What takes the node the most work for the least of ours.
    for message in [status, genesis_request()] {
        let mut guest = Guest::enter(member, &keypair(1)).await;
        let flood = async {
            for _ in 0..100_000 {
                if !guest.say(message.clone()).await {
                    return;
                }
            }
        };
        // If the node takes no more while its answers are not read, that is as good.
        let _ = timeout(Duration::from_secs(5), flood).await;
        is_well(&cluster, member, before.1).await;
    }
}

/// How many payments become final one after the other in some time.
async fn payments(member: &Member, to: &str, time: Duration) -> u32 {
    let end = Instant::now() + time;
    let mut count = 0;
    while timeout_at(end, member.pay(to)).await.is_ok() {
        count += 1;
    }
    count
}

/// Floods with one kind of message until it is over, each time under a new identity.
async fn flood(
    member: &Member,
    is_over: &AtomicBool,
    first: u8,
    message: impl Fn(u32) -> Bytes,
    gossips: bool,
) {
    for seed in first.. {
        let mut guest = Guest::enter(member, &keypair(seed)).await;
        for number in 0.. {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let message = message(number);
            let goes_on = match gossips {
                true => guest.broadcast(message, 0).await,
                false => guest.say(message).await,
            };
            if !goes_on {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The least share of payments that become final in the time, with three floods at once. Most of
/// what is lost is lost to those who flood: they compute on the same machine.
const HONEST_SHARE_PERCENT: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_traffic_keeps_its_share_through_floods() {
    let cluster = Cluster::start(4).await;
    let (member, to) = (&cluster.members[0], cluster.members[1].address().await);
    let before = (cluster.level().await, resident_bytes(member));
    let time = Duration::from_secs(4);
    let alone = payments(member, &to, time).await;
    let status = Status { view: View(0), finalized: Height(0) };
    let status = Bytes::from(encode(&Packet::Consensus(Message::Status(status))));
    let context = Context { network: network(member).await, epoch: Epoch(0) };
    let junk = keypair(1).sign(Domain::Vote, &context, b"junk");
    // Of a view long past, so that it is decoded and judged each time, and nobody is to blame.
    let vote = |number: u32| {
        let statement = Statement::Finalize { view: View(1), block: Hash::of("junk", &number) };
        let vote = Vote { voter: ValidatorIndex(0), statement, signature: junk };
        Bytes::from(encode(&Packet::Consensus(Message::Vote(vote))))
    };
    let is_over = &AtomicBool::new(false);
    let floods = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::join!(
                flood(member, is_over, 10, |_| status.clone(), false),
                flood(member, is_over, 90, |_| genesis_request(), false),
                flood(member, is_over, 170, vote, true),
            )
        });
    };
    let here = tokio::runtime::Handle::current();
    let besieged = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            scope.spawn(floods);
            let count = here.block_on(payments(member, &to, time));
            is_over.store(true, Ordering::Relaxed);
            count
        })
    });
    println!("{alone} payments in {time:?} alone, {besieged} among floods");
    assert!(besieged * 100 >= alone * HONEST_SHARE_PERCENT, "{besieged} of {alone}");
    is_well(&cluster, member, before.1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_transaction_moves_its_chips_once() {
    let cluster = Cluster::start(4).await;
    let (member, other) = (&cluster.members[0], &cluster.members[1]);
    let player = keypair(1);
    let own = address(&player);
    let fund = OperationRequest::Transfer { to: own.to_string(), amount: 100 };
    member.carry_out(fund).await;
    let to: Address = other.address().await.parse().unwrap();
    let pay = |nonce, amount| {
        let operation = Operation::Transfer { to, amount: Chips(amount) };
        Transaction { sender: own, nonce: Nonce(nonce), expires: Height(10_000), operation }
    };
    let network = network(member).await;
    let sealed = |transaction: Transaction| {
        let signed = transaction.sign(&player, network).signed().clone();
        Bytes::from(encode(&Packet::Transaction(signed)))
    };
    let balance = async || member.client.account(&own.peer.to_string()).await.unwrap().balance;
    let mut guest = Guest::enter(member, &player).await;
    let once = sealed(pay(1, 10));
    assert!(guest.broadcast(once.clone(), 0).await);
    until("the payment is final", async || (balance().await == 90).then_some(())).await;
    let before = cluster.level().await;
    // Again at once, on another link, at another node, and for another network; more than there
    // is; with the same nonce; with one that is far ahead; too late.
    for attempt in 1..=20 {
        assert!(guest.broadcast(once.clone(), attempt).await);
    }
    for elsewhere in &cluster.members[1..] {
        let mut guest = Guest::enter(elsewhere, &player).await;
        assert!(guest.broadcast(once.clone(), 0).await);
        for (attempt, replay) in
            [pay(1, 20), pay(2, 91), pay(2, u64::MAX), pay(u64::MAX, 1), pay(2, 0)]
                .into_iter()
                .enumerate()
        {
            assert!(guest.broadcast(sealed(replay), attempt as u8).await);
        }
        let late = Transaction { expires: Height(1), ..pay(2, 10) };
        assert!(guest.broadcast(sealed(late), 0).await);
    }
    guest.was_heard().await;
    let mut guest = Guest::enter(member, &player).await;
    assert!(guest.broadcast(once.clone(), 0).await);
    guest.was_heard().await;
    nothing_moved(&cluster, &before).await;
    assert_eq!(balance().await, 90);
    // The others with this nonce give way at every node that it reaches; until it has reached the
    // leader, it is told again.
    let (rest, mut attempt) = (sealed(pay(2, 90)), 0);
    until("all the rest is paid", async || {
        assert!(guest.broadcast(rest.clone(), attempt).await);
        attempt += 1;
        assert!(guest.live_for(Duration::from_millis(500)).await);
        (balance().await == 0).then_some(())
    })
    .await;
    let foreign = pay(3, 1).sign(&player, Hash([8; 32])).signed().clone();
    let mut events = member.client.events().await.unwrap();
    guest.broadcast(Bytes::from(encode(&Packet::Transaction(foreign))), 0).await;
    guest.dropped().await;
    assert_eq!(blamed(&mut events).await, "ForgedTransaction");
    cluster.level().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_contradicts_itself_is_told_of_and_changes_nothing() {
    let mut cluster = Cluster::start(4).await;
    let traitor = Identity::load(&cluster.members[3].data_dir, None).unwrap().unwrap();
    cluster.kill(3).await;
    let member = &cluster.members[0];
    let to = member.address().await;
    let genesis: Genesis = Home::new(&member.data_dir).genesis().unwrap();
    let context = Context { network: genesis.network(), epoch: Epoch(0) };
    let index = genesis.validators.iter().position(|it| it.address == traitor.address()).unwrap();
    let index = ValidatorIndex(index as u16);
    let mut events = member.client.events().await.unwrap();
    let mut guest = Guest::enter(member, &traitor.keypair).await;
    let view = View(member.client.status().await.unwrap().view);
    for block in [Hash([1; 32]), Hash([2; 32])] {
        let statements = [
            Statement::Notarize { view, block, time: BlockTime(1) },
            Statement::Finalize { view, block },
            Statement::Nullify { view, highest: View(0) },
        ];
        for statement in statements {
            let vote = statement.sign(index, &traitor.keypair, &context).into_inner();
            let message = Bytes::from(encode(&Packet::Consensus(Message::Vote(vote))));
            assert!(guest.broadcast(message, 0).await);
        }
    }
    let told = async {
        loop {
            if let EventView::Evidence { validator, .. } = events.next().await.unwrap().unwrap() {
                return validator;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, told).await.unwrap(), index.0);
    for _ in 0..4 {
        member.pay(&to).await;
    }
    cluster.level().await;
    cluster.agreement.holds();
}
