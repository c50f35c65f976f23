//! The right to use the API over TCP: a token from a file that only the node's owner can read, and
//! no way through another web site or host name.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::path::Path;

use bitcraps_host::api::{Code, Failure};
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};

const TOKEN_BYTES: usize = 32;

/// The token in `path`, made if there is none.
pub(super) fn token(path: &Path) -> io::Result<String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let mut secret = [0; TOKEN_BYTES];
            getrandom::fill(&mut secret).map_err(io::Error::other)?;
            let mut token = String::with_capacity(2 * TOKEN_BYTES);
            for byte in secret {
                write!(token, "{byte:02x}").expect("writing to a string cannot fail");
            }
            file.write_all(token.as_bytes())?;
            Ok(token)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut token = String::new();
            std::fs::File::open(path)?.take(1024).read_to_string(&mut token)?;
            let token = token.trim();
            if token.len() < 2 * TOKEN_BYTES {
                let path = path.display();
                return Err(io::Error::other(format!("{path} holds no token; remove it")));
            }
            Ok(token.to_owned())
        }
        Err(error) => Err(error),
    }
}

/// Whether these are the headers of somebody who holds the token and comes directly.
pub(super) fn admit(headers: &HeaderMap, token: &str) -> Result<(), Failure> {
    // A page of another site may lead a browser here by a host name of its own.
    let host = only(headers, &HOST)?.unwrap_or_default();
    if !is_loopback(host) {
        return Err(Failure::new(Code::Forbidden, "the Host header names no loopback address"));
    }
    if let Some(origin) = only(headers, &ORIGIN)?
        && origin.strip_prefix("http://") != Some(host)
    {
        return Err(Failure::new(Code::Forbidden, "the Origin header names another site"));
    }
    let given = only(headers, &AUTHORIZATION)?.and_then(|value| value.strip_prefix("Bearer "));
    if !given.is_some_and(|given| is_same(given.as_bytes(), token.as_bytes())) {
        return Err(Failure::new(
            Code::Unauthorized,
            "send the header \"Authorization: Bearer TOKEN\" with the token in api.token",
        ));
    }
    Ok(())
}

/// The header's value if it is there, once, in ASCII.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    let text = first.map(|value| value.to_str()).transpose();
    match (text, values.next()) {
        (Ok(text), None) => Ok(text),
        (Ok(_) | Err(_), _) => {
            Err(Failure::new(Code::BadRequest, format!("the header {name} makes no sense")))
        }
    }
}

/// Whether `host` (`NAME` or `NAME:PORT`) can only mean this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Compares in a time that depends on the lengths only.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn code(pairs: &[(HeaderName, &'static str)]) -> Option<Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        admit(&headers, "secret").err().map(|failure| failure.code)
    }

    #[test]
    fn only_the_token_s_holder_is_admitted_and_only_directly() {
        let token = (AUTHORIZATION, "Bearer secret");
        let host = (HOST, "127.0.0.1:80");
        let cases = [
            (vec![host.clone(), token.clone()], None),
            (vec![(HOST, "localhost"), token.clone()], None),
            (vec![(HOST, "[::1]:8080"), token.clone()], None),
            (vec![host.clone(), token.clone(), (ORIGIN, "http://127.0.0.1:80")], None),
            (vec![host.clone()], Some(Code::Unauthorized)),
            (vec![host.clone(), (AUTHORIZATION, "Bearer secre")], Some(Code::Unauthorized)),
            (vec![host.clone(), (AUTHORIZATION, "Bearer secrets")], Some(Code::Unauthorized)),
            (vec![host.clone(), (AUTHORIZATION, "Basic secret")], Some(Code::Unauthorized)),
            (vec![host.clone(), token.clone(), token.clone()], Some(Code::BadRequest)),
            (vec![token.clone()], Some(Code::Forbidden)),
            (vec![(HOST, "evil.example:80"), token.clone()], Some(Code::Forbidden)),
            (vec![(HOST, "127.0.0.1.evil.example"), token.clone()], Some(Code::Forbidden)),
            (vec![(HOST, "192.0.2.1"), token.clone()], Some(Code::Forbidden)),
            (
                vec![host.clone(), token.clone(), (ORIGIN, "http://evil.example")],
                Some(Code::Forbidden),
            ),
            (vec![host, token, (ORIGIN, "null")], Some(Code::Forbidden)),
        ];
        for (headers, expected) in cases {
            assert_eq!(code(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_token_is_made_once_and_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api.token");
        let made = token(&path).unwrap();
        assert_eq!(made.len(), 2 * TOKEN_BYTES);
        assert_eq!(token(&path).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "").unwrap();
        assert!(token(&path).is_err());
    }
}
