//! How a newcomer, who knows a network only by its id, gets the genesis from somebody who has it:
//! a link like any other, one question, one answer. The id is the genesis' hash, so it does not
//! matter who answers.

use std::io;
use std::time::Duration;

use bitcraps_host::clock::Clock;
use bitcraps_host::tcp::frame;
use bitcraps_protocol::chain::{Genesis, GenesisRefusal};
use bitcraps_protocol::event::{CloseReason, Direction, Fault, LinkId, LinkKind};
use bitcraps_protocol::identity::{Keypair, NetworkId, ProofOfWork};
use bitcraps_protocol::keyring::NetworkKey;
use bitcraps_protocol::mesh::{Config, Input, Lane, Mesh, Output};
use bitcraps_protocol::node::{Introduction, OldKey};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::session::LocalIdentity;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::tcp::{FRAME_BYTES, Limits, connect, endpoint_of};

/// How long one endpoint may take from the first packet to the genesis.
const PATIENCE: Duration = Duration::from_secs(15);

/// The only link there is.
const LINK: LinkId = LinkId(1);

/// Why there is no genesis.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There was nobody to ask.
    #[error("there is nobody to ask")]
    NoEndpoints,
    /// None of those asked gave it. One sentence for each.
    #[error("{}", .0.join("; "))]
    NobodyAnswered(Vec<String>),
}

/// Why one endpoint did not give it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot be reached ({0})")]
    Unreachable(io::Error),
    #[error("ended the connection")]
    Ended,
    #[error("keeps to itself: the network is private, and the ticket does not hold its newest key")]
    OldKey,
    #[error("the connection broke ({0})")]
    Broken(#[from] io::Error),
    #[error("took too long")]
    TooSlow,
    #[error("is on another network")]
    OtherNetwork,
    #[error("does not speak this protocol ({0:?})")]
    Misbehaved(Fault),
    #[error("gave something that is not a valid genesis ({0:?})")]
    Invalid(GenesisRefusal),
}

/// Asks `endpoints`, each a `host:port`, one after the other for the genesis of `network`, under its
/// `key` if it is private. What it returns has been checked. Must be called within a tokio runtime with I/O and time.
///
/// It asks under a key of its own that it forgets, worth the usual proof of work: a network that
/// asks for more does not answer it.
pub async fn fetch_genesis(
    endpoints: &[String],
    network: NetworkId,
    key: Option<&NetworkKey>,
) -> Result<Genesis, FetchError> {
    if endpoints.is_empty() {
        return Err(FetchError::NoEndpoints);
    }
    let mut reasons = Vec::new();
    for endpoint in endpoints {
        match fetch_from(endpoint, network, key).await {
            Ok(genesis) => return Ok(genesis),
            Err(failure) => reasons.push(format!("{endpoint} {failure}")),
        }
    }
    Err(FetchError::NobodyAnswered(reasons))
}

async fn fetch_from(
    endpoint: &str,
    network: NetworkId,
    key: Option<&NetworkKey>,
) -> Result<Genesis, Failure> {
    let stream = connect(endpoint, &Limits::default()).await.map_err(Failure::Unreachable)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
    let newcomer = Newcomer::new(stream, endpoint, network, key, Rng::new(seed));
    let genesis = timeout(PATIENCE, newcomer.ask()).await.map_err(|_| Failure::TooSlow)??;
    if genesis.network() != network {
        return Err(Failure::OtherNetwork);
    }
    genesis.check().map_err(Failure::Invalid)?;
    Ok(genesis)
}

/// A mesh of one link.
struct Newcomer {
    network: NetworkId,
    key: Option<NetworkKey>,
    keypair: Keypair,
    /// Once it is known who answers.
    talk: Option<Introduction>,
    mesh: Mesh,
    clock: Clock,
    stream: TcpStream,
    received: BytesMut,
}

impl Newcomer {
    fn new(
        stream: TcpStream,
        endpoint: &str,
        network: NetworkId,
        key: Option<&NetworkKey>,
        rng: Rng,
    ) -> Self {
        let keypair = Keypair::from_seed(rng.fork("key").bytes32());
        let proof = ProofOfWork::mine(keypair.peer(), ProofOfWork::DEFAULT_BITS);
        // What the other side's identity has cost does not matter: its answer proves itself.
        let identity = LocalIdentity::new(&keypair, proof, network, 0);
        let mut mesh = Mesh::new(identity, rng.fork("mesh"), Config::default());
        let clock = Clock::start();
        mesh.handle(
            clock.now(),
            Input::LinkUp {
                link: LINK,
                kind: LinkKind::Stream,
                mtu: u32::try_from(FRAME_BYTES).expect("a frame's length is a u32"),
                direction: Direction::Outbound,
                endpoint: endpoint_of(endpoint),
            },
        );
        let (key, talk, received) = (key.cloned(), None, BytesMut::new());
        Self { network, key, keypair, talk, mesh, clock, stream, received }
    }

    async fn ask(mut self) -> Result<Genesis, Failure> {
        loop {
            while let Some(output) = self.mesh.poll() {
                if let Some(genesis) = self.perform(output).await? {
                    return Ok(genesis);
                }
            }
            let input = self.next_input().await?;
            self.mesh.handle(self.clock.now(), input);
        }
    }

    async fn perform(&mut self, output: Output) -> Result<Option<Genesis>, Failure> {
        match output {
            Output::Send { link, frame } => {
                self.write(&frame).await?;
                self.mesh.handle(self.clock.now(), Input::Sent { link });
            }
            Output::PeerUp { link, peer } => {
                let (key, peer) = (self.key.clone(), peer.peer);
                let talk = Introduction::new(self.network, key, &self.keypair, peer);
                let message = talk.request();
                self.talk = Some(talk);
                let ask = Input::Unicast { link, lane: Lane::Control, message };
                self.mesh.handle(self.clock.now(), ask);
            }
            Output::Deliver { message, .. } => {
                let Some(talk) = &self.talk else { return Ok(None) };
                return talk.read_answer(message).map_err(|OldKey| Failure::OldKey);
            }
            Output::Misbehaved { fault: Fault::WrongNetwork, .. } => {
                return Err(Failure::OtherNetwork);
            }
            Output::Misbehaved { fault, .. }
            | Output::Close { reason: CloseReason::Fault(fault), .. } => {
                return Err(Failure::Misbehaved(fault));
            }
            Output::Close { .. } => return Err(Failure::Ended),
            Output::PeerDown { .. } | Output::Dial { .. } => {}
        }
        Ok(None)
    }

    async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(frame.len() + 4);
        frame::put(&mut bytes, frame);
        self.stream.write_all(&bytes).await
    }

    async fn next_input(&mut self) -> Result<Input, Failure> {
        let wait = self.mesh.deadline().map(|deadline| deadline.since(self.clock.now()));
        match timeout(wait.unwrap_or(PATIENCE), self.next_frame()).await {
            Ok(frame) => Ok(Input::Received { link: LINK, frame: frame? }),
            Err(_) => Ok(Input::Tick),
        }
    }

    async fn next_frame(&mut self) -> Result<Bytes, Failure> {
        loop {
            if let Some(frame) = frame::take(&mut self.received).map_err(io::Error::from)? {
                return Ok(frame);
            }
            self.received.reserve(frame::missing(&self.received));
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(Failure::Ended);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bitcraps_host::inbox::{Inbox, Input as HostInput, LinkUp, Taken};
    use bitcraps_host::{LinkSink, Links};
    use bitcraps_protocol::chain::ValidatorCard;
    use bitcraps_protocol::event::Event;
    use bitcraps_protocol::time::BlockTime;
    use bitcraps_protocol::wire::{Hash, Text};
    use tokio::net::TcpListener;

    use super::*;
    use crate::tcp::{Tcp, TcpConfig};

    fn genesis(name: &str) -> Genesis {
        let keypair = Keypair::from_seed([1; 32]);
        let card = ValidatorCard::new(&keypair, ProofOfWork::mine(keypair.peer(), 4));
        let name = Text::new(name).unwrap();
        let rng = &mut Rng::new([2; 32]);
        Genesis::insecure(name, vec![card], vec![], BlockTime(1), 4, rng).unwrap()
    }

    /// A node that knows nothing but how to answer with a genesis; where it listens.
    fn serve(genesis: Genesis, network: NetworkId, key: Option<NetworkKey>) -> (Tcp, String) {
        let inbox = Inbox::new();
        let listen = Some("127.0.0.1:0".parse().unwrap());
        let config = TcpConfig { listen, ..TcpConfig::default() };
        let tcp = Tcp::start(Links::of(&inbox), config).unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        std::thread::spawn(move || answer(inbox, &genesis, network, key));
        (tcp, address)
    }

    fn answer(mut inbox: Inbox, genesis: &Genesis, network: NetworkId, key: Option<NetworkKey>) {
        let keypair = Keypair::from_seed([3; 32]);
        let identity = LocalIdentity::new(&keypair, ProofOfWork(0), network, 16);
        let mut mesh = Mesh::new(identity, Rng::new([4; 32]), Config::default());
        let clock = Clock::start();
        let mut sinks: BTreeMap<LinkId, Box<dyn LinkSink>> = BTreeMap::new();
        while let Taken::Inputs(inputs) = inbox.take(Duration::from_millis(50)) {
            for input in inputs {
                let input = match input {
                    HostInput::LinkUp(LinkUp { link, kind, mtu, direction, endpoint, sink }) => {
                        sinks.insert(link, sink);
                        Input::LinkUp { link, kind, mtu, direction, endpoint }
                    }
                    HostInput::Event(Event::Received { link, frame }) => {
                        Input::Received { link, frame }
                    }
                    HostInput::Event(Event::Sent { link }) => Input::Sent { link },
                    HostInput::Event(Event::LinkDown { link }) => Input::LinkDown { link },
                    _ => continue,
                };
                mesh.handle(clock.now(), input);
            }
            while let Some(output) = mesh.poll() {
                match output {
                    Output::Send { link, frame } => {
                        if let Some(sink) = sinks.get_mut(&link) {
                            sink.send(frame);
                        }
                    }
                    Output::Close { link, .. } => drop(sinks.remove(&link)),
                    Output::Deliver { link, peer, message, .. } => {
                        let talk = Introduction::new(network, key.clone(), &keypair, peer);
                        // What it cannot read it answers too, for the sake of the test.
                        assert!(talk.is_request(message) || key.is_some());
                        let message = talk.answer(genesis);
                        let answer = Input::Unicast { link, lane: Lane::Sync, message };
                        mesh.handle(clock.now(), answer);
                    }
                    _ => {}
                }
            }
        }
    }

    async fn failure(endpoint: String, network: NetworkId) -> String {
        let error = fetch_genesis(&[endpoint], network, None).await.unwrap_err().to_string();
        error.split_once(' ').unwrap().1.to_owned()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_genesis_comes_from_the_first_endpoint_that_has_it() {
        let wanted = genesis("wanted");
        let network = wanted.network();
        let (_tcp, right) = serve(wanted.clone(), network, None);
        let endpoints = ["127.0.0.1:1".to_owned(), right];
        assert_eq!(fetch_genesis(&endpoints, network, None).await.unwrap(), wanted);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn that_of_a_private_network_is_for_those_who_have_its_key() {
        let wanted = genesis("wanted");
        let network = wanted.network();
        let key = NetworkKey::first(&mut Rng::new([1; 32]));
        let (_tcp, member) = serve(wanted.clone(), network, Some(key.clone()));
        let endpoints = [member.clone()];
        assert_eq!(fetch_genesis(&endpoints, network, Some(&key)).await.unwrap(), wanted);
        let refused = failure(member, network).await;
        assert!(refused.starts_with("keeps to itself: the network is private"), "{refused}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_does_not_have_it_is_named_with_the_reason() {
        let network = genesis("wanted").network();
        let other = genesis("other");
        let (_tcp, liar) = serve(other.clone(), network, None);
        assert_eq!(failure(liar, network).await, "is on another network");
        let (_tcp, stranger) = serve(other.clone(), other.network(), None);
        assert_eq!(failure(stranger, network).await, "is on another network");

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nonsense = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"\0\0\0\x04HTTP").await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
        });
        assert_eq!(failure(nonsense, network).await, "does not speak this protocol (Malformed)");

        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap().to_string();
        drop(silent);
        assert!(failure(address, network).await.starts_with("cannot be reached ("));
        let nobody = fetch_genesis(&[], Hash([0; 32]), None).await.unwrap_err();
        assert_eq!(nobody.to_string(), "there is nobody to ask");
    }
}
