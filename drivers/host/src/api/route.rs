//! Which path leads to which question, and what a request may cost.

use std::time::Duration;

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{TableId, TransactionId};
use bitcraps_protocol::chat::Room;
use bitcraps_protocol::craps::Round;
use bitcraps_protocol::identity::PeerId;

use super::answer::Answer;
use super::{Code, Failure, peer};

/// Connections of one listener; the next one waits in the system's queue.
pub const CONNECTIONS: usize = 64;
/// How long a connection may take for a request's head, or sit idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the longest request body.
pub const BODY_BYTES: usize = 16 * 1024;
/// How long a request's body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests may go on after the end.
pub const GRACE: Duration = Duration::from_secs(2);
/// How long a request waits for a transaction before it is answered what is still missing.
pub const WAIT: Duration = Duration::from_secs(20);
/// The pause after a connection could not be accepted, which is mostly for want of file
/// descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) const GET: &str = "GET";
const POST: &str = "POST";

/// A question that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /v1/status`
    Status,
    /// `GET /v1/metrics`
    Metrics,
    /// `GET /v1/supply`
    Supply,
    /// `GET /v1/accounts/{id}`
    Account(String),
    /// `GET /v1/tables`
    Tables,
    /// `GET /v1/tables/{id}`
    Table(TableId),
    /// `GET /v1/tables/{id}/odds`
    Odds(TableId),
    /// `GET /v1/tables/{id}/hands`
    Hands(TableId),
    /// `GET /v1/tables/{id}/rolls/{round}/receipt?player=…`
    Receipt(TableId, Round, Option<PeerId>),
    /// `GET /v1/header`
    Header,
    /// `GET /v1/blocks?from=…`
    Blocks(Height),
    /// `POST /v1/transactions`
    Submit,
    /// `GET /v1/transactions/{id}?wait=…`
    Transaction {
        /// Which.
        id: TransactionId,
        /// Whether to answer only when it has an outcome.
        wait: bool,
    },
    /// `POST /v1/chat`
    Say,
    /// `GET /v1/tables/{id}/chat` and `GET /v1/peers/{id}/chat`
    Lines(Room),
    /// `POST /v1/invitations`
    Invite,
    /// `POST /v1/rotations`
    Rotate,
    /// `POST /v1/snapshots`
    Snapshot,
    /// `GET /v1/events`
    Events,
}

impl Route {
    /// The question that `method` and `target` (path and query) ask.
    pub fn of(method: &str, target: &str) -> Result<Self, Answer> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments: Vec<&str> = path.split('/').skip(1).take(MOST_SEGMENTS).collect();
        let ["v1", segments @ ..] = &segments[..] else { return Err(no_path().into()) };
        let (allowed, route) = match *segments {
            ["status"] => (GET, Ok(Self::Status)),
            ["metrics"] => (GET, Ok(Self::Metrics)),
            ["supply"] => (GET, Ok(Self::Supply)),
            ["accounts", id] => (GET, Ok(Self::Account(id.to_owned()))),
            ["tables"] => (GET, Ok(Self::Tables)),
            ["tables", id] => (GET, table(id).map(Self::Table)),
            ["tables", id, "odds"] => (GET, table(id).map(Self::Odds)),
            ["tables", id, "hands"] => (GET, table(id).map(Self::Hands)),
            ["tables", id, "rolls", round, "receipt"] => (GET, receipt(id, round, query)),
            ["header"] => (GET, Ok(Self::Header)),
            ["blocks"] => (GET, blocks(query)),
            ["transactions"] => (POST, Ok(Self::Submit)),
            ["transactions", id] => (GET, transaction(id, query)),
            ["chat"] => (POST, Ok(Self::Say)),
            ["tables", id, "chat"] => (GET, table(id).map(|id| Self::Lines(Room::Table(id)))),
            ["peers", id, "chat"] => (GET, peer(id).map(|id| Self::Lines(Room::Peer(id)))),
            ["invitations"] => (POST, Ok(Self::Invite)),
            ["rotations"] => (POST, Ok(Self::Rotate)),
            ["snapshots"] => (POST, Ok(Self::Snapshot)),
            ["events"] => (GET, Ok(Self::Events)),
            _ => return Err(no_path().into()),
        };
        if method == allowed {
            return Ok(route?);
        }
        let failure = Failure::new(Code::MethodNotAllowed, "not with this method");
        Err(Answer { allow: Some(allowed), ..Answer::from(failure) })
    }

    /// Whether the request says more in its body, which is JSON. The content type is demanded,
    /// because a page of another site cannot send it without asking first.
    pub fn takes_body(&self, content_type: Option<&str>) -> Result<bool, Failure> {
        match self {
            Self::Submit | Self::Say | Self::Invite | Self::Rotate => {}
            Self::Status
            | Self::Metrics
            | Self::Supply
            | Self::Account(_)
            | Self::Tables
            | Self::Table(_)
            | Self::Odds(_)
            | Self::Hands(_)
            | Self::Receipt(..)
            | Self::Header
            | Self::Lines(_)
            | Self::Blocks(_)
            | Self::Transaction { .. }
            | Self::Snapshot
            | Self::Events => return Ok(false),
        }
        let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim);
        if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
            return Ok(true);
        }
        let message = "send the header \"Content-Type: application/json\"";
        Err(Failure::new(Code::UnsupportedMediaType, message))
    }
}

/// The request's body is longer than [`BODY_BYTES`].
pub fn body_too_long() -> Failure {
    let message = format!("the request's body is longer than {BODY_BYTES} bytes");
    Failure::new(Code::TooLarge, message)
}

/// The request's body took longer than [`BODY_TIMEOUT`].
pub fn body_too_slow() -> Failure {
    Failure::new(Code::TimedOut, "the request's body took too long")
}

/// The connection ended within the request's body.
pub fn body_broken() -> Failure {
    Failure::new(Code::BadRequest, "the request's body broke off")
}

/// More than the longest known path has.
const MOST_SEGMENTS: usize = 8;

fn no_path() -> Failure {
    Failure::new(Code::NotFound, "there is no such path")
}

fn bad(message: String) -> Failure {
    Failure::new(Code::BadRequest, message)
}

fn table(id: &str) -> Result<TableId, Failure> {
    let number = id.parse().map_err(|_| bad(format!("{id:?} is not the number of a table")));
    number.map(TableId)
}

fn receipt(id: &str, round: &str, query: &str) -> Result<Route, Failure> {
    let table = table(id)?;
    let number = round.parse().map_err(|_| bad(format!("{round:?} is not the number of a roll")));
    let player = only(query, "player")?.map(peer).transpose()?;
    Ok(Route::Receipt(table, Round(number?), player))
}

fn blocks(query: &str) -> Result<Route, Failure> {
    let from = only(query, "from")?.and_then(|from| from.parse().ok());
    let from = from.ok_or_else(|| bad("say from which height: ?from=NUMBER".into()));
    from.map(|from| Route::Blocks(Height(from)))
}

fn transaction(id: &str, query: &str) -> Result<Route, Failure> {
    let wait = match only(query, "wait")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(bad(format!("wait is true or false, not {other:?}"))),
    };
    let id = id.parse().map_err(|_| bad(format!("{id:?} is not the id of a transaction")))?;
    Ok(Route::Transaction { id, wait })
}

/// The value of the only thing that the query may say, if it does.
fn only<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, Failure> {
    let mut value = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((key, said)) if key == name && value.is_none() => value = Some(said),
            _ => return Err(bad(format!("{pair:?} in the query; there can be {name}=…, once"))),
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::wire::Hash;

    use super::*;

    fn route(method: &str, target: &str) -> Result<Route, u16> {
        Route::of(method, target).map_err(|answer| answer.status)
    }

    #[test]
    fn every_path_leads_to_its_question() {
        let id = "1f".repeat(32);
        let hash = Hash([0x1f; 32]);
        let cases = [
            ("/v1/status", Route::Status),
            ("/v1/status?whatever", Route::Status),
            ("/v1/metrics", Route::Metrics),
            ("/v1/supply", Route::Supply),
            ("/v1/accounts/me", Route::Account("me".into())),
            ("/v1/tables", Route::Tables),
            ("/v1/tables/7", Route::Table(TableId(7))),
            ("/v1/tables/7/odds", Route::Odds(TableId(7))),
            ("/v1/tables/7/hands", Route::Hands(TableId(7))),
            ("/v1/tables/7/rolls/9/receipt", Route::Receipt(TableId(7), Round(9), None)),
            (
                &format!("/v1/tables/7/rolls/9/receipt?player={id}"),
                Route::Receipt(TableId(7), Round(9), Some(PeerId([0x1f; 32]))),
            ),
            ("/v1/tables/7/chat", Route::Lines(Room::Table(TableId(7)))),
            (&format!("/v1/peers/{id}/chat"), Route::Lines(Room::Peer(PeerId([0x1f; 32])))),
            ("/v1/header", Route::Header),
            ("/v1/blocks?from=12", Route::Blocks(Height(12))),
            (&format!("/v1/transactions/{id}"), Route::Transaction { id: hash, wait: false }),
            (
                &format!("/v1/transactions/{id}?wait=true"),
                Route::Transaction { id: hash, wait: true },
            ),
            ("/v1/events", Route::Events),
        ];
        for (target, expected) in cases {
            assert_eq!(route(GET, target), Ok(expected), "{target}");
            assert_eq!(route(POST, target), Err(405), "{target}");
        }
        assert_eq!(route(POST, "/v1/transactions"), Ok(Route::Submit));
        assert_eq!(route(POST, "/v1/invitations"), Ok(Route::Invite));
        assert_eq!(route(POST, "/v1/chat"), Ok(Route::Say));
        assert_eq!(route(POST, "/v1/snapshots"), Ok(Route::Snapshot));
        let refused = Route::of("DELETE", "/v1/transactions").err();
        assert_eq!(refused.map(|answer| answer.allow), Some(Some(POST)));
    }

    #[test]
    fn what_leads_nowhere_is_told_apart_from_what_makes_no_sense() {
        for target in ["", "/", "*", "/v1", "/v1/", "/v2/status", "v1/status", "/v1/status/"] {
            assert_eq!(route(GET, target), Err(404), "{target}");
        }
        let long = "/v1/tables/1/rolls/1/receipt/and/so/on/and/on";
        assert_eq!(route(GET, long), Err(404));
        for target in [
            "/v1/tables/one",
            "/v1/tables/-1",
            "/v1/tables/99999999999",
            "/v1/tables/%ff",
            "/v1/tables/",
            "/v1/tables/1/rolls/x/receipt",
            "/v1/tables/1/rolls/1/receipt?player=me",
            "/v1/tables/1/rolls/1/receipt?plyer=me",
            "/v1/blocks",
            "/v1/blocks?from=-1",
            "/v1/blocks?from=1&from=2",
            "/v1/transactions/xyz",
        ] {
            assert_eq!(route(GET, target), Err(400), "{target}");
        }
    }

    #[test]
    fn a_body_is_json_and_says_so() {
        let code = |route: Route, said| route.takes_body(said).map_err(|failure| failure.code);
        assert_eq!(code(Route::Status, None), Ok(false));
        assert_eq!(code(Route::Submit, Some("Application/JSON; charset=utf-8")), Ok(true));
        for said in [None, Some("text/plain"), Some("application/jsonp")] {
            assert_eq!(code(Route::Invite, said), Err(Code::UnsupportedMediaType), "{said:?}");
        }
    }
}
