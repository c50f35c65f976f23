//! The local API of one running node: a question goes in, an answer comes out, whatever carries
//! them. Waiting is done with futures that belong to no runtime.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::pin::pin;

use bitcraps_protocol::chain::{TableId, TransactionId};
use bitcraps_protocol::event::Command;
use bitcraps_protocol::node::Node;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Body, FailureBody, Lines, json};
use super::elsewhere::elsewhere;
use super::hand_file::HandFile;
use super::hub::{Hub, Patience};
use super::invite::Inviter;
use super::odds_memory::OddsMemory;
use super::route::{GET, Route};
use super::{
    ChatRequest, ChatView, Code, Failure, Outcome, RotationRequest, RotationView, SnapshotView,
    TransactionRequest, TransactionView, ask, light,
};
use crate::Handle;
use crate::audit::Auditor;
use crate::sync::StdArc;

/// The Unix socket's name in the data directory.
pub const SOCKET_NAME: &str = "api.sock";

/// The API of one running node.
pub struct Service {
    handle: Handle,
    hub: StdArc<Hub>,
    inviter: Inviter,
    auditor: Auditor,
    odds: StdArc<OddsMemory>,
    is_light: bool,
}

impl Service {
    /// The API of the node behind `handle`. Tickets are recorded in `data_dir` and say that the
    /// network can be found at `hints`; `auditor` is told of refusals.
    pub fn new(handle: Handle, data_dir: &Path, hints: Vec<String>, auditor: Auditor) -> Self {
        let hub = Hub::new();
        handle.subscribe(Hub::listener(&hub));
        let odds = StdArc::new(OddsMemory::new());
        let is_light = handle.status().light;
        Self { handle, hub, inviter: Inviter::new(data_dir, hints), auditor, odds, is_light }
    }

    /// Follows outcomes and events.
    pub fn hub(&self) -> &StdArc<Hub> {
        &self.hub
    }

    /// Has it written down if `answer` refuses a request that would have changed something, or
    /// whoever made it. To be called with every answer, whoever gave it.
    pub fn note(&self, method: &str, target: &str, answer: &Answer) {
        let Body::Json(json) = &answer.body else { return };
        let is_about_rights = matches!(answer.status, 401 | 403);
        if answer.status < 400 || (method == GET && !is_about_rights) {
            return;
        }
        let Ok(FailureBody { error }) = serde_json::from_slice(json) else { return };
        let path = target.split('?').next().unwrap_or_default();
        let code = serde_json::to_value(error.code).ok();
        let code = code.as_ref().and_then(|code| code.as_str()).unwrap_or_default();
        self.auditor.refused(&format!("{method} {path}"), code, &error.message);
    }

    /// Ends the streams of events. Everything else ends with the node.
    pub fn end(&self) {
        self.hub.end();
    }

    /// Answers. `body` is empty unless [`Route::takes_body`]; where a transaction is waited for,
    /// what is still missing is answered once `patience` is over.
    pub async fn answer(
        &self,
        route: Route,
        body: &[u8],
        patience: impl Future<Output = ()> + Send,
    ) -> Answer {
        let patience = pin!(patience);
        self.find(route, body, patience).await.unwrap_or_else(Answer::from)
    }

    async fn find(
        &self,
        route: Route,
        body: &[u8],
        patience: Patience<'_>,
    ) -> Result<Answer, Failure> {
        if self.is_light {
            return self.find_proved(route).await;
        }
        let handle = &self.handle;
        Ok(match route {
            Route::Status => Answer::of(&super::status(&handle.status())),
            Route::Metrics => Answer::metrics(metrics(handle)),
            Route::Supply => Answer::of(&ask::query(handle, super::supply).await?),
            Route::Account(id) => {
                let find = move |node: &Node| super::account(node.state(), &id);
                Answer::of(&ask::query(handle, find).await??)
            }
            Route::Tables => {
                Answer::of(&ask::query(handle, |node| super::tables(node.state())).await?)
            }
            Route::Table(id) => Answer::of(&self.table(id).await?),
            Route::Odds(id) => {
                let (rules, odds) = (self.table(id).await?.rules, self.odds.clone());
                Answer::json(200, elsewhere(move || Ok(odds.of(rules))).await?)
            }
            Route::Hands(id) => {
                Answer::lines(Lines::Hands(Box::new(HandFile::of(handle, id).await?)))
            }
            Route::Receipt(table, round, player) => {
                let find = move |node: &_| super::receipt_material(node, table, round);
                let material = ask::query(handle, find).await??;
                Answer::of(&elsewhere(move || super::receipt(material, player)).await?)
            }
            Route::Header => Answer::of(&ask::query(handle, super::header).await?),
            Route::Blocks(from) => {
                let records = ask::blocks(handle, from).await?;
                // Asked after the blocks, so that their dice keys are all known.
                let frame = ask::query(handle, super::blocks_frame).await?;
                Answer::of(&elsewhere(move || super::blocks(frame, records)).await?)
            }
            Route::Submit => self.submit(parse(body)?, patience).await?,
            Route::Transaction { id, wait } => self.transaction(id, wait, patience).await?,
            Route::Say => {
                let (room, words) = parse::<ChatRequest>(body)?.said()?;
                let id = ask::submit(handle, Command::Say { room, words }).await?;
                Answer::of(&ChatView { id: id.to_string() })
            }
            Route::Lines(room) => {
                Answer::of(&ask::query(handle, move |node| super::lines(node, room)).await?)
            }
            Route::Invite => {
                let request = parse(body)?;
                Answer::of(&self.inviter.invite(handle, &self.hub, request, patience).await?)
            }
            Route::Rotate => {
                let command = parse::<RotationRequest>(body)?.command()?;
                let id = ask::submit(handle, command).await?;
                Answer::of(&RotationView { id: id.to_string() })
            }
            Route::Snapshot => {
                let status = handle.status();
                handle.make_snapshot();
                Answer::json(202, json(&SnapshotView { newest: status.snapshot.map(|it| it.0) }))
            }
            Route::Events => Answer::lines(Lines::Events(self.hub.watch())),
        })
    }

    /// What a light node answers: what it knows by headers, and what neighbours prove to it.
    async fn find_proved(&self, route: Route) -> Result<Answer, Failure> {
        let handle = &self.handle;
        Ok(match route {
            Route::Status => Answer::of(&super::status(&handle.status())),
            Route::Metrics => Answer::metrics(metrics(handle)),
            Route::Account(id) => Answer::of(&light::account(handle, &id).await?),
            Route::Table(id) => Answer::of(&light::table(handle, id).await?),
            Route::Odds(id) => {
                let (rules, odds) = (light::table(handle, id).await?.rules, self.odds.clone());
                Answer::json(200, elsewhere(move || Ok(odds.of(rules))).await?)
            }
            Route::Receipt(table, round, player) => {
                Answer::of(&light::receipt(handle, table, round, player).await?)
            }
            Route::Header => Answer::of(&light::header(handle).await?),
            Route::Events => Answer::lines(Lines::Events(self.hub.watch())),
            Route::Supply => return Err(light::refuses("add up all chips")),
            Route::Tables => return Err(light::refuses("list the tables")),
            Route::Hands(_) => return Err(light::refuses("export hands")),
            Route::Blocks(_) => return Err(light::refuses("show blocks")),
            Route::Submit => return Err(light::refuses("play or pay")),
            Route::Say | Route::Lines(_) => return Err(light::refuses("chat")),
            Route::Transaction { .. } => return Err(light::refuses("follow transactions")),
            Route::Invite => return Err(light::refuses("invite")),
            Route::Rotate => return Err(light::refuses("change the network's key")),
            Route::Snapshot => return Err(light::refuses("make snapshots")),
        })
    }

    async fn table(&self, id: TableId) -> Result<super::TableView, Failure> {
        ask::query(&self.handle, move |node| super::table(node.state(), id)).await?
    }

    async fn submit(
        &self,
        request: TransactionRequest,
        patience: Patience<'_>,
    ) -> Result<Answer, Failure> {
        let roll = request.operation.roll();
        let operation = request.operation.operation()?;
        let id = ask::submit(&self.handle, Command::Operate(operation)).await?;
        self.hub.expect(id, roll);
        let outcome = self.outcome(id, request.wait, patience).await;
        if let Outcome::Failed { reason } = outcome {
            return Err(Failure::new(Code::Failed, reason));
        }
        Ok(self.told(id, outcome))
    }

    async fn transaction(
        &self,
        id: TransactionId,
        wait: bool,
        patience: Patience<'_>,
    ) -> Result<Answer, Failure> {
        let outcome = self.outcome(id, wait, patience).await;
        if outcome == Outcome::Unknown {
            let message = "nothing is known of this transaction here";
            return Err(Failure::new(Code::NotFound, message));
        }
        Ok(self.told(id, outcome))
    }

    async fn outcome(&self, id: TransactionId, wait: bool, patience: Patience<'_>) -> Outcome {
        if wait { self.hub.settled(id, patience).await } else { self.hub.outcome(id) }
    }

    /// `202 Accepted` as long as there is something to wait for.
    fn told(&self, id: TransactionId, outcome: Outcome) -> Answer {
        let status = if outcome == Outcome::Waiting { 202 } else { 200 };
        let view = TransactionView::of(id, outcome, &self.handle.status().waiting_for);
        Answer::json(status, json(&view))
    }
}

/// Makes the API's socket at `path`, which never blocks. Replaces what an earlier process left
/// behind: the caller holds the data directory's lock.
///
/// # Errors
///
/// The operating system's.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    // Under another name first, so that nobody can connect before the permissions are right.
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    listener.set_nonblocking(true)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}

/// What monitoring reads: <https://prometheus.io/docs/specs/om/open_metrics_spec>.
fn metrics(handle: &Handle) -> String {
    let status = handle.status();
    let gauges = [
        ("height", "Height of the newest final block.", status.height.0),
        ("view", "The view that the node is in.", status.view.0),
        ("peers", "Peers that it is linked with.", status.peers.len() as u64),
    ];
    let gauges = gauges.map(|(name, help, value)| {
        format!(
            "# TYPE bitcraps_{name} gauge\n# HELP bitcraps_{name} {help}\nbitcraps_{name} {value}\n"
        )
    });
    format!("{}{}# EOF\n", gauges.concat(), handle.relays())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::new(Code::BadRequest, error.to_string()))
}
