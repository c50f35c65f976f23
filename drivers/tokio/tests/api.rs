//! The local API of a real node over its real sockets: what it answers, and that no request,
//! however bad, does more than get a typed answer.

#![allow(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod requests;
mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bitcraps_host::Exit;
use bitcraps_host::api::{
    Code, EventView, InvitationRequest, OperationRequest, SupplyView, TransactionState,
    TransactionView,
};
use bitcraps_protocol::identity::Address;
use bitcraps_tokio::client::{Client, ClientError};
use bitcraps_tokio::runtime::{Chips, Running};
use bitcraps_tokio::ticket::Ticket;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use requests::exchange;

const PATIENCE: Duration = Duration::from_secs(30);

struct Node {
    running: Running,
    client: Client,
    data_dir: PathBuf,
    address: Address,
    _directory: tempfile::TempDir,
}

impl Node {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data_dir, address) = support::one_validator(directory.path());
        let running = Running::start(&support::config(&data_dir), None, false).await.unwrap();
        let client = Client::new(&data_dir);
        // Making the dice key changes the state without anybody's asking.
        let made = async {
            while client.status().await.unwrap().dice.version.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, made).await.unwrap();
        Self { running, client, data_dir, address, _directory: directory }
    }

    fn socket(&self) -> PathBuf {
        self.data_dir.join("api.sock")
    }

    fn tcp(&self) -> SocketAddr {
        self.running.api_tcp_addr().unwrap()
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.data_dir.join("api.token")).unwrap()
    }

    async fn carry_out(&self, operation: OperationRequest) -> TransactionView {
        timeout(PATIENCE, self.client.carry_out(operation, |_| {})).await.unwrap().unwrap()
    }

    async fn refusal(&self, operation: OperationRequest) -> (Code, String) {
        match timeout(PATIENCE, self.client.carry_out(operation, |_| {})).await.unwrap() {
            Err(ClientError::Refused(failure)) => (failure.code, failure.message),
            other => panic!("not refused: {other:?}"),
        }
    }

    async fn open_table(&self) -> u32 {
        let open = OperationRequest::OpenTable { name: "home".into(), rules: None, bank: 10_000 };
        match self.carry_out(open).await.state {
            TransactionState::Final { table: Some(table), .. } => table,
            state => panic!("no table: {state:?}"),
        }
    }

    /// That the node lives, and that no chip has moved.
    async fn is_well(&self) {
        let supply = self.client.supply().await.unwrap();
        assert!(supply.conserved);
        assert_eq!(supply.accounts + supply.tables, 1_000_000);
    }
}

async fn tcp(address: SocketAddr, headers: &str) -> (u16, Value) {
    let request = format!("GET /v1/status HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    exchange(TcpStream::connect(address).await.unwrap(), request.as_bytes()).await
}

#[tokio::test]
async fn a_player_sits_bets_rolls_and_stands_through_the_api() {
    let node = Node::start().await;
    let status = node.client.status().await.unwrap();
    assert_eq!(status.address, node.address.to_string());
    assert_eq!((status.validator, status.validators, status.quorum), (Some(0), 1, 1));
    let table = node.open_table().await;
    node.carry_out(OperationRequest::Sit { table }).await;
    let mut events = node.client.events().await.unwrap();
    let round = node.client.table(table).await.unwrap().round;
    let bet = OperationRequest::Bet { table, round, bet: "pass".into(), amount: 10 };
    node.carry_out(bet).await;
    let rolled = node.carry_out(OperationRequest::Roll { table, round }).await;
    let TransactionState::Final { dice: Some(dice), .. } = rolled.state else {
        panic!("no dice: {rolled:?}")
    };
    let settled = timeout(PATIENCE, async {
        loop {
            if let Some(EventView::Settled { table, round, dice }) = events.next().await.unwrap() {
                return (table, round, dice);
            }
        }
    });
    assert_eq!(settled.await.unwrap(), (table, round, dice));
    let view = node.client.table(table).await.unwrap();
    assert_eq!((view.round, view.history), (round + 1, vec![dice]));
    node.carry_out(OperationRequest::Stand { table }).await;
    node.is_well().await;
    assert_eq!(node.running.stop().await, Exit::Stopped);
}

#[tokio::test]
async fn what_the_chain_would_not_accept_is_refused_in_words() {
    let node = Node::start().await;
    let table = node.open_table().await;
    let round = node.client.table(table).await.unwrap().round;
    let bet =
        |round, bet: &str, amount| OperationRequest::Bet { table, round, bet: bet.into(), amount };
    let refused = Code::Refused;
    assert_eq!(node.refusal(bet(round, "pass", 10)).await.0, refused, "not seated");
    node.carry_out(OperationRequest::Sit { table }).await;
    let before = node.client.supply().await.unwrap();
    assert_eq!(node.refusal(bet(round + 1, "pass", 10)).await.0, refused, "wrong round");
    assert_eq!(node.refusal(bet(round, "pass", 2_000_000)).await.0, refused, "above the balance");
    assert_eq!(node.refusal(bet(round, "boxcars", 900)).await.0, refused, "above the bank");
    assert_eq!(node.refusal(bet(round, "place:6", 7)).await.0, refused, "not in units");
    assert_eq!(node.refusal(bet(round, "horses", 7)).await.0, Code::BadRequest);
    let nowhere = OperationRequest::Sit { table: 99 };
    assert_eq!(node.refusal(nowhere).await.0, refused, "no such table");
    let to = "craps1nobody".to_owned();
    let transfer = OperationRequest::Transfer { to, amount: 1 };
    assert_eq!(node.refusal(transfer).await.0, Code::BadRequest);
    let name = "x".repeat(1000);
    let open = OperationRequest::OpenTable { name, rules: None, bank: 1 };
    assert_eq!(node.refusal(open).await.0, Code::BadRequest);
    let after = node.client.supply().await.unwrap();
    assert_eq!(SupplyView { height: before.height, ..after }, before);
    node.is_well().await;
    node.running.stop().await;
}

#[tokio::test]
async fn bad_requests_get_typed_answers_and_the_node_lives() {
    let node = Node::start().await;
    requests::bad_ones_get_typed_answers(&node.socket()).await;
    node.is_well().await;
    node.running.stop().await;
}

#[tokio::test]
async fn over_tcp_only_the_token_s_holder_is_answered() {
    let node = Node::start().await;
    let (address, token) = (node.tcp(), node.token());
    let token = format!("Authorization: Bearer {token}\r\n");
    let cases = [
        (format!("Host: {address}\r\n{token}"), 200, None),
        (format!("Host: {address}\r\n"), 401, Some("unauthorized")),
        (format!("Host: {address}\r\nAuthorization: Bearer 00\r\n"), 401, Some("unauthorized")),
        (format!("Host: evil.example\r\n{token}"), 403, Some("forbidden")),
        (
            format!("Host: {address}\r\nOrigin: http://evil.example\r\n{token}"),
            403,
            Some("forbidden"),
        ),
        (format!("Host: {address}\r\nOrigin: http://{address}\r\n{token}"), 200, None),
    ];
    for (headers, status, code) in cases {
        let (answered, body) = tcp(address, &headers).await;
        assert_eq!((answered, body["error"]["code"].as_str()), (status, code), "{headers}");
    }
    node.running.stop().await;
}

#[tokio::test]
async fn the_socket_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let node = Node::start().await;
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(node.socket()), 0o600);
    assert_eq!(mode(node.data_dir.join("api.token")), 0o600);
    assert_eq!(mode(node.data_dir.clone()), 0o700);
    node.running.stop().await;
}

#[tokio::test]
async fn stopping_ends_open_streams_and_stalled_requests() {
    let node = Node::start().await;
    let mut events = node.client.events().await.unwrap();
    let mut stalled = UnixStream::connect(node.socket()).await.unwrap();
    let start = b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\
                  Content-Type: application/json\r\n\r\n{";
    stalled.write_all(start).await.unwrap();
    assert_eq!(timeout(PATIENCE, node.running.stop()).await.unwrap(), Exit::Stopped);
    let rest = async { while let Ok(Some(_)) = events.next().await {} };
    timeout(PATIENCE, rest).await.unwrap();
    assert!(matches!(node.client.status().await, Err(ClientError::Unreachable { .. })));
}

#[tokio::test]
async fn a_ticket_carries_chips_that_only_the_first_reader_gets() {
    let node = Node::start().await;
    let request = InvitationRequest { chips: 100, table: None, relay: false };
    let invitation = node.client.invite(&request).await.unwrap();
    assert_eq!(
        (invitation.chips, &invitation.hints[..]),
        (100, &[node.running.listens_on().unwrap().to_string()][..])
    );
    let ticket: Ticket = invitation.ticket.parse().unwrap();
    let voucher = ticket.voucher.as_ref().unwrap();
    let held = node.client.account(&voucher.address().to_string()).await.unwrap();
    assert_eq!((held.exists, held.balance), (true, 100));
    let record = std::fs::read_to_string(node.data_dir.join("invitations")).unwrap();
    assert_eq!(record, format!("{ticket}\n"));

    let home = bitcraps_tokio::home::Home::new(&node.data_dir);
    home.accept(&ticket).unwrap();
    let taken = timeout(PATIENCE, node.running.take_chips()).await.unwrap().unwrap();
    assert_eq!(taken, Chips::Received(100));
    assert_eq!(node.running.take_chips().await.unwrap(), Chips::None);
    home.accept(&ticket).unwrap();
    assert_eq!(node.running.take_chips().await.unwrap(), Chips::TakenBefore);
    node.is_well().await;
    node.running.stop().await;
}
