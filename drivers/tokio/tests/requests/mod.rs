//! Requests that make no sense, and what every node says to them.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends `request` as it is; the status and body of the answer.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
) -> (u16, Value) {
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    (status.unwrap_or(0), serde_json::from_str(body).unwrap_or_default())
}

async fn unix(socket: &Path, request: &[u8]) -> (u16, Value) {
    exchange(UnixStream::connect(socket).await.unwrap(), request).await
}

fn request(line: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {headers}\r\n{body}"
    )
    .into_bytes()
}

const JSON: &str = "Content-Type: application/json\r\n";

/// That the node behind `socket`, the only validator of a network without tables, gives each bad
/// request its typed answer.
pub(crate) async fn bad_ones_get_typed_answers(socket: &Path) {
    let post = "POST /v1/transactions";
    let huge = format!("{{\"operation\":\"{}\"}}", "x".repeat(100_000));
    let sit = json!({"operation": {"type": "sit", "table": 1}}).to_string();
    let surplus = json!({"operation": {"type": "sit", "table": 1, "chair": 2}}).to_string();
    let cases = [
        (request("GET /v1/nothing", "", ""), 404, "not_found"),
        (request("GET /", "", ""), 404, "not_found"),
        (request("GET /v1/tables/1", "", ""), 404, "not_found"),
        (request("GET /v1/tables/one", "", ""), 400, "bad_request"),
        (request("GET /v1/tables/-1", "", ""), 400, "bad_request"),
        (request("GET /v1/tables/99999999999", "", ""), 400, "bad_request"),
        (request("GET /v1/tables/%ff", "", ""), 400, "bad_request"),
        (request("GET /v1/accounts/me", "", ""), 400, "bad_request"),
        (request("GET /v1/transactions/xyz", "", ""), 400, "bad_request"),
        (request(&format!("GET /v1/transactions/{}", "0".repeat(64)), "", ""), 404, "not_found"),
        (request("GET /v1/transactions/xyz?wait=perhaps", "", ""), 400, "bad_request"),
        (request("GET /v1/transactions/xyz?hurry=true", "", ""), 400, "bad_request"),
        (request("DELETE /v1/status", "", ""), 405, "method_not_allowed"),
        (request("GET /v1/transactions", "", ""), 405, "method_not_allowed"),
        (request(post, "", &sit), 415, "unsupported_media_type"),
        (request(post, "Content-Type: text/plain\r\n", &sit), 415, "unsupported_media_type"),
        (request(post, JSON, ""), 400, "bad_request"),
        (request(post, JSON, "{\"operation\":"), 400, "bad_request"),
        (request(post, JSON, "[]"), 400, "bad_request"),
        (request(post, JSON, &surplus), 400, "bad_request"),
        (request(post, JSON, &huge), 413, "too_large"),
        (request(post, JSON, &sit), 409, "refused"),
        (request("POST /v1/invitations", JSON, "{\"table\":7}"), 404, "not_found"),
        (request("POST /v1/invitations", JSON, "{\"chips\":9000000}"), 409, "refused"),
    ];
    for (request, status, code) in cases {
        let shown = String::from_utf8_lossy(&request).chars().take(200).collect::<String>();
        let (answered, body) = unix(socket, &request).await;
        assert_eq!((answered, body["error"]["code"].as_str()), (status, Some(code)), "{shown}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"[..], b"GET\r\n\r\n", &[0; 100_000]]
    {
        let (status, _) = unix(socket, garbage).await;
        assert!(status == 0 || status == 400 || status == 431, "{status}");
    }
}
