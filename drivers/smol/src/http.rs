//! As much HTTP/1.1 as the local API needs: one request for each connection, whose body says its
//! length, and one answer, after which the connection ends. Anything else is refused.

use std::io;

use bitcraps_host::api::route::{
    BODY_BYTES, BODY_TIMEOUT, HEAD_TIMEOUT, body_broken, body_too_long, body_too_slow,
};
use bitcraps_host::api::{Answer, Body, Code, Failure};
use smol::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::tasks::within;

/// Bytes of the longest head.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of the longest head.
const HEADERS: usize = 64;

/// A request's head, and what of its body came along.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) content_type: Option<String>,
    /// Whether the answer may come in chunks, which HTTP/1.0 does not know.
    chunks: bool,
    /// How long the body is.
    length: u64,
    /// Whether the other side waits for permission to send it.
    waits: bool,
    begun: Vec<u8>,
}

/// Why there is no request.
pub(crate) enum NoRequest {
    /// Nobody is there any more, or nothing came in time.
    Gone,
    /// It makes no sense, and here is what to say to that.
    Bad(Answer),
}

impl Request {
    /// Reads a head, bounded in bytes and time.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, NoRequest> {
        let head = within(HEAD_TIMEOUT, Self::read_head(stream)).await;
        head.unwrap_or(Err(NoRequest::Gone))
    }

    async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, NoRequest> {
        let mut head = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let count = stream.read(&mut piece).await.map_err(|_| NoRequest::Gone)?;
            if count == 0 {
                return Err(NoRequest::Gone);
            }
            head.extend_from_slice(&piece[..count]);
            match parse(&head) {
                Ok(Some(request)) => return Ok(request),
                Ok(None) if head.len() < HEAD_BYTES => {}
                Ok(None) => {
                    let failure = Failure::new(Code::TooLarge, "the request's head is too long");
                    return Err(NoRequest::Bad(Answer { status: 431, ..failure.into() }));
                }
                Err(failure) => return Err(NoRequest::Bad(failure.into())),
            }
        }
    }

    /// Reads the body, bounded in bytes and time.
    pub(crate) async fn body(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<Vec<u8>, Failure> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length > BODY_BYTES {
            return Err(body_too_long());
        }
        let mut body = std::mem::take(&mut self.begun);
        body.truncate(length);
        let waits = self.waits && body.len() < length;
        let rest = async {
            if waits {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let begun = body.len();
            body.resize(length, 0);
            stream.read_exact(&mut body[begun..]).await
        };
        let read = within(BODY_TIMEOUT, rest).await.map_err(|_| body_too_slow())?;
        read.map_err(|_| body_broken())?;
        Ok(body)
    }

    /// Sends the answer.
    pub(crate) async fn answer(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        answer: Answer,
    ) -> io::Result<()> {
        write(stream, answer, self.chunks).await
    }
}

/// Sends an answer to what was no request.
pub(crate) async fn refuse(
    stream: &mut (impl AsyncWrite + Unpin),
    answer: Answer,
) -> io::Result<()> {
    write(stream, answer, false).await
}

/// The request that `head` begins with, once that is whole.
fn parse(head: &[u8]) -> Result<Option<Request>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let bad = |what: String| Failure::new(Code::BadRequest, what);
    let read = parsed.parse(head).map_err(|error| bad(format!("this is not HTTP: {error}")))?;
    let httparse::Status::Complete(end) = read else { return Ok(None) };
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(bad("this is not HTTP".into()));
    };
    let only = |name: &str| {
        let mut values = parsed.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
        let first = values.next().map(|it| std::str::from_utf8(it.value));
        match (first.transpose(), values.next()) {
            (Ok(value), None) => Ok(value.map(str::trim)),
            (Ok(_) | Err(_), _) => Err(bad(format!("the header {name} makes no sense"))),
        }
    };
    if only("transfer-encoding")?.is_some() {
        return Err(bad("send the body as a whole, with its Content-Length".into()));
    }
    let length = match only("content-length")? {
        None => 0,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()) => {
            // More digits than fit are too many anyway.
            digits.parse().unwrap_or(u64::MAX)
        }
        Some(_) => return Err(bad("the header content-length makes no sense".into())),
    };
    Ok(Some(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        content_type: only("content-type")?.map(Into::into),
        chunks: version == 1,
        length,
        waits: only("expect")?.is_some_and(|it| it.eq_ignore_ascii_case("100-continue")),
        begun: head[end..].to_vec(),
    }))
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    answer: Answer,
    chunks: bool,
) -> io::Result<()> {
    let Answer { status, allow, body } = answer;
    let (reason, kind) = (reason(status), body.content_type());
    let mut head =
        format!("HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {kind}\r\n");
    if let Some(allow) = allow {
        head.push_str(&format!("Allow: {allow}\r\n"));
    }
    match body {
        Body::Json(text) | Body::Metrics(text) => {
            head.push_str(&format!("Content-Length: {}\r\n\r\n", text.len()));
            stream.write_all(&[head.as_bytes(), &text].concat()).await?;
        }
        Body::Lines(mut lines) => {
            head.push_str(if chunks { "Transfer-Encoding: chunked\r\n\r\n" } else { "\r\n" });
            stream.write_all(head.as_bytes()).await?;
            while let Some(line) = lines.next().await {
                let chunk = match chunks {
                    true => [format!("{:x}\r\n", line.len()).as_bytes(), &line, b"\r\n"].concat(),
                    false => line.to_vec(),
                };
                stream.write_all(&chunk).await?;
            }
            if chunks {
                stream.write_all(b"0\r\n\r\n").await?;
            }
        }
    }
    stream.close().await
}

/// What a status is called; programs do not read it.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use smol::io::Cursor;

    use super::*;

    fn request(head: &str) -> Result<Request, u16> {
        let mut stream = head.as_bytes();
        smol::block_on(Request::read(&mut stream)).map_err(|none| match none {
            NoRequest::Gone => 0,
            NoRequest::Bad(answer) => answer.status,
        })
    }

    #[test]
    fn a_request_is_read_however_it_is_cut() {
        let text = "POST /v1/transactions?x HTTP/1.1\r\nHost: localhost\r\n\
                    content-TYPE: application/json\r\nContent-Length: 4\r\n\r\nbodymore";
        let end = text.len() - "bodymore".len();
        for cut in 0..end {
            assert_eq!(parse(&text.as_bytes()[..cut]), Ok(None), "{cut}");
        }
        let mut read = request(text).unwrap();
        let expected = Request {
            method: "POST".into(),
            target: "/v1/transactions?x".into(),
            content_type: Some("application/json".into()),
            chunks: true,
            length: 4,
            waits: false,
            begun: b"bodymore".to_vec(),
        };
        assert_eq!(read, expected);
        let body = smol::block_on(read.body(&mut Cursor::new(Vec::new())));
        assert_eq!(body, Ok(b"body".to_vec()));
        let mut cut = request(&text[..end + 2]).unwrap();
        let mut rest = Cursor::new(b"dy".to_vec());
        assert_eq!(smol::block_on(cut.body(&mut rest)), Ok(b"body".to_vec()));
        let mut broken = request(&text[..end + 2]).unwrap();
        let failure = smol::block_on(broken.body(&mut Cursor::new(b"d".to_vec())));
        assert_eq!(failure, Err(body_broken()));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(request(""), Err(0));
        assert_eq!(request("GET / HTTP/1.1\r\n"), Err(0), "it broke off");
        for bad in [
            "GET\r\n\r\n",
            "\x16\x03\x01\x02",
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: \r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(request(bad), Err(400), "{bad:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS + 1));
        assert_eq!(request(&many), Err(400));
        let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(HEAD_BYTES));
        assert_eq!(request(&long), Err(431));
        let huge = "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n";
        let body = smol::block_on(request(huge).unwrap().body(&mut Cursor::new(Vec::new())));
        assert_eq!(body, Err(body_too_long()));
    }

    #[test]
    fn an_answer_says_how_long_it_is_and_that_it_is_the_last() {
        let mut written = Vec::new();
        let failure = Failure::new(Code::NotFound, "no");
        smol::block_on(refuse(&mut written, failure.into())).unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: 45\r\n\r\n{\"error\":{\"code\":\"not_found\",\"message\":\"no\"}}"
        );
    }
}
