//! Talking to a running node: the other end of the local API, over the Unix socket in the node's
//! data directory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitcraps_host::api::{
    AccountView, BlocksView, ChatRequest, ChatView, EventView, Failure, FailureBody, HeaderView,
    InvitationRequest, InvitationView, LinesView, OddsView, OperationRequest, ReceiptView,
    RotationRequest, RotationView, SOCKET_NAME, SnapshotView, StatusView, SupplyView, TableSummary,
    TableView, TransactionRequest, TransactionState, TransactionView,
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Bytes of the longest answer that is read.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of the longest line that is read.
const LINE_BYTES: usize = 256 * 1024;
/// How long a node may take to answer; above its own longest wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// How long it may take to work out the odds of rules that were not asked for before.
const ODDS_TIMEOUT: Duration = Duration::from_secs(300);

/// A way to one running node. Each request takes a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "no node is running in {at} ({source}); start one with: bitcraps node --data-dir {at}",
        at = data_dir.display()
    )]
    Unreachable {
        /// The data directory.
        data_dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The node did not do it.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The connection broke, or what came over it is not this API.
    #[error("the node's answer makes no sense: {0}")]
    Broken(String),
}

/// Events as they come; see [`Client::events`].
pub struct Events(Lines);

/// An answer that comes line by line.
pub struct Lines {
    body: Incoming,
    rest: BytesMut,
}

impl Client {
    /// The way to the node whose data directory this is.
    pub fn new(data_dir: &Path) -> Self {
        Self { socket: data_dir.join(SOCKET_NAME) }
    }

    /// The node's condition.
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.get("/v1/status").await
    }

    /// What monitoring reads, as OpenMetrics writes it.
    pub async fn metrics(&self) -> Result<Lines, ClientError> {
        self.lines("/v1/metrics").await
    }

    /// Where all chips are.
    pub async fn supply(&self) -> Result<SupplyView, ClientError> {
        self.get("/v1/supply").await
    }

    /// An account, by its address or key.
    pub async fn account(&self, id: &str) -> Result<AccountView, ClientError> {
        self.get(&format!("/v1/accounts/{}", segment(id))).await
    }

    /// All open tables.
    pub async fn tables(&self) -> Result<Vec<TableSummary>, ClientError> {
        self.get("/v1/tables").await
    }

    /// One table.
    pub async fn table(&self, table: u32) -> Result<TableView, ClientError> {
        self.get(&format!("/v1/tables/{table}")).await
    }

    /// What the bets of a table are worth by its own rules.
    pub async fn odds(&self, table: u32) -> Result<Vec<OddsView>, ClientError> {
        let path = format!("/v1/tables/{table}/odds");
        self.ask(Method::GET, &path, Bytes::new(), ODDS_TIMEOUT).await
    }

    /// A table's hands as a hand file, line by line.
    pub async fn hands(&self, table: u32) -> Result<Lines, ClientError> {
        self.lines(&format!("/v1/tables/{table}/hands")).await
    }

    /// The header of the newest final block.
    pub async fn header(&self) -> Result<HeaderView, ClientError> {
        self.get("/v1/header").await
    }

    /// Final blocks from this height on, as many as one answer holds.
    pub async fn blocks(&self, from: u64) -> Result<BlocksView, ClientError> {
        self.get(&format!("/v1/blocks?from={from}")).await
    }

    /// The receipt of a roll, for a player (an address or key) or for whom it may concern.
    pub async fn receipt(
        &self,
        table: u32,
        round: u64,
        player: Option<&str>,
    ) -> Result<ReceiptView, ClientError> {
        let whose = player.map_or(String::new(), |id| format!("?player={}", segment(id)));
        self.get(&format!("/v1/tables/{table}/rolls/{round}/receipt{whose}")).await
    }

    /// Says something at a table or to a peer.
    pub async fn chat(&self, request: &ChatRequest) -> Result<ChatView, ClientError> {
        self.post("/v1/chat", request).await
    }

    /// What was said at a table, or else between the node and a peer (an address or key).
    pub async fn lines_of(
        &self,
        table: Option<u32>,
        peer: Option<&str>,
    ) -> Result<LinesView, ClientError> {
        let room = match (table, peer) {
            (Some(table), _) => format!("tables/{table}"),
            (None, peer) => format!("peers/{}", segment(peer.unwrap_or_default())),
        };
        self.get(&format!("/v1/{room}/chat")).await
    }

    /// Makes a ticket.
    pub async fn invite(&self, request: &InvitationRequest) -> Result<InvitationView, ClientError> {
        self.post("/v1/invitations", request).await
    }

    /// Makes a new key for a private network, or stands by another validator's.
    pub async fn rotate(&self, request: &RotationRequest) -> Result<RotationView, ClientError> {
        self.post("/v1/rotations", request).await
    }

    /// Has a snapshot made of the next final block's state.
    pub async fn make_snapshot(&self) -> Result<SnapshotView, ClientError> {
        self.ask(Method::POST, "/v1/snapshots", Bytes::new(), ANSWER_TIMEOUT).await
    }

    /// Hands in an operation; `wait` as in [`TransactionRequest`].
    pub async fn submit(
        &self,
        operation: OperationRequest,
        wait: bool,
    ) -> Result<TransactionView, ClientError> {
        self.post("/v1/transactions", &TransactionRequest { operation, wait }).await
    }

    /// Hands in an operation and waits until it is final, however long that takes. Meanwhile
    /// `still_waiting` is told now and then what is missing.
    pub async fn carry_out(
        &self,
        operation: OperationRequest,
        mut still_waiting: impl FnMut(&str),
    ) -> Result<TransactionView, ClientError> {
        let mut view = self.submit(operation, true).await?;
        while let TransactionState::Waiting { waiting_for } = &view.state {
            still_waiting(waiting_for);
            view = self.get(&format!("/v1/transactions/{}?wait=true", view.id)).await?;
        }
        Ok(view)
    }

    /// Events from now on: from when this returns, none is lost without notice.
    pub async fn events(&self) -> Result<Events, ClientError> {
        Ok(Events(self.lines("/v1/events").await?))
    }

    async fn lines(&self, path: &str) -> Result<Lines, ClientError> {
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        if !response.status().is_success() {
            return Err(failure(&collect(response).await?));
        }
        Ok(Lines { body: response.into_body(), rest: BytesMut::new() })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, Bytes::new(), ANSWER_TIMEOUT).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).expect("our own plain types have a JSON form");
        self.ask(Method::POST, path, body.into(), ANSWER_TIMEOUT).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let exchange = async {
            let response = self.send(method, path, body).await?;
            let is_success = response.status().is_success();
            let answer = collect(response).await?;
            if !is_success {
                return Err(failure(&answer));
            }
            serde_json::from_slice(&answer).map_err(broken)
        };
        let answer = timeout(patience, exchange).await;
        answer.map_err(|_| ClientError::Broken("it took too long".into()))?
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|source| {
            let data_dir = self.socket.parent().unwrap_or(&self.socket).to_owned();
            ClientError::Unreachable { data_dir, source }
        })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the connection; its error reaches us through the response.
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).map_err(broken)?;
        sender.send_request(request).await.map_err(broken)
    }
}

impl Events {
    /// The next event; `None` when the node has stopped. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Option<EventView>, ClientError> {
        let Some(line) = self.0.next().await? else { return Ok(None) };
        serde_json::from_slice(&line).map(Some).map_err(broken)
    }
}

impl Lines {
    /// The next line, with its end, unless it is a failure; `None` after the last one. Nothing is
    /// lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(end + 1).freeze();
                if line.starts_with(b"{\"error\"") {
                    return Err(failure(&line));
                }
                return Ok(Some(line));
            }
            if self.rest.len() > LINE_BYTES {
                return Err(ClientError::Broken("a line is too long".into()));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

/// `text` as one segment of a path. Ids have no other characters; anything else becomes an id that
/// does not exist instead of another path.
fn segment(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

async fn collect(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let collected = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    let collected = collected.map_err(|error| match error.is::<LengthLimitError>() {
        true => ClientError::Broken("it is too long".into()),
        false => ClientError::Broken(error.to_string()),
    })?;
    Ok(collected.to_bytes())
}

fn failure(answer: &[u8]) -> ClientError {
    match serde_json::from_slice::<FailureBody>(answer) {
        Ok(body) => ClientError::Refused(body.error),
        Err(error) => broken(error),
    }
}

fn broken(error: impl std::fmt::Display) -> ClientError {
    ClientError::Broken(error.to_string())
}
