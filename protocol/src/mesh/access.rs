//! Whom the one who runs a node admits whatever they do, and whom never: patterns for keys and
//! addresses.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::standing::Host;
use crate::identity::PeerId;

/// Bytes of the longest pattern.
pub const PATTERN_BYTES: usize = 128;

/// Peers or addresses: `peer:` and the hexadecimal digits of a key, or `address:` and a host as its
/// transport names it, without a port. In both `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    of: Of,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Peer,
    Address,
}

/// What is no [`Pattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPattern;

/// Who is admitted and who is not, whatever they do. Addresses are judged when a link comes up,
/// identities once they are proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Never banned, and admitted though something in `deny` names them.
    pub allow: Vec<Pattern>,
    /// Never admitted, unless something in `allow` names them.
    pub deny: Vec<Pattern>,
}

impl Access {
    pub(super) fn allows_peer(&self, peer: PeerId) -> bool {
        self.allow.iter().any(|pattern| pattern.is_of_peer(peer))
    }

    pub(super) fn allows_host(&self, host: &Host) -> bool {
        self.allow.iter().any(|pattern| pattern.is_of_host(host))
    }

    pub(super) fn denies_peer(&self, peer: PeerId) -> bool {
        self.deny.iter().any(|pattern| pattern.is_of_peer(peer)) && !self.allows_peer(peer)
    }

    pub(super) fn denies_host(&self, host: &Host) -> bool {
        self.deny.iter().any(|pattern| pattern.is_of_host(host)) && !self.allows_host(host)
    }
}

impl Pattern {
    fn is_of_peer(&self, peer: PeerId) -> bool {
        self.of == Of::Peer && matches(self.text.as_bytes(), peer.to_string().as_bytes())
    }

    fn is_of_host(&self, host: &Host) -> bool {
        self.of == Of::Address && matches(self.text.as_bytes(), host.name())
    }
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let (kind, rest) = text.split_once(':').ok_or(NotAPattern)?;
        let of = match kind {
            "peer" => Of::Peer,
            "address" => Of::Address,
            _ => return Err(NotAPattern),
        };
        let is_hex = |byte: u8| byte == b'*' || matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let fits = match of {
            Of::Peer => rest.bytes().all(is_hex),
            Of::Address => true,
        };
        let is_sound = fits && !rest.is_empty() && rest.len() <= PATTERN_BYTES;
        is_sound.then(|| Self { of, text: rest.to_string() }).ok_or(NotAPattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.of {
            Of::Peer => "peer",
            Of::Address => "address",
        };
        write!(formatter, "{kind}:{}", self.text)
    }
}

impl fmt::Display for NotAPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("is neither peer:HEX nor address:HOST, with * for any text")
    }
}

impl core::error::Error for NotAPattern {}

/// Whether `text` is what `pattern` says. Takes no more than the product of their lengths: only the
/// last star is ever tried again.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(byte) if *byte == text[here] => {
                at += 1;
                here += 1;
            }
            Some(_) | None => {
                let Some((of, from)) = star else { return false };
                star = Some((of, from + 1));
                (at, here) = (of + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use bytes::Bytes;

    use super::*;
    use crate::event::Endpoint;

    fn host(text: &'static str) -> Host {
        Host::of(&Endpoint { transport: 0, bytes: Bytes::from_static(text.as_bytes()) })
    }

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_is_any_text_and_everything_else_itself() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "anything", true),
            ("10.*", "10.1.2.3", true),
            ("10.*", "110.1.2.3", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.example.com.org", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("ab", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_are_texts_of_two_kinds() {
        for text in ["peer:1f*", "peer:*", "address:10.*", "address:[::1]"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        for text in ["", "peer", "peer:", "peer:xyz", "address:", "host:a", "10.1.2.3"] {
            assert_eq!(text.parse::<Pattern>(), Err(NotAPattern), "{text}");
        }
        let long = alloc::format!("address:{}", "a".repeat(PATTERN_BYTES + 1));
        assert_eq!(long.parse::<Pattern>(), Err(NotAPattern));
    }

    #[test]
    fn what_is_allowed_is_not_denied() {
        let access = Access {
            allow: vec![pattern("peer:01*"), pattern("address:10.0.0.1")],
            deny: vec![pattern("peer:*"), pattern("address:10.*")],
        };
        assert!(access.denies_peer(PeerId([2; 32])) && !access.denies_peer(PeerId([1; 32])));
        assert!(access.denies_host(&host("10.0.0.2:7711")));
        assert!(!access.denies_host(&host("10.0.0.1:7711")));
        assert!(!access.denies_host(&host("192.168.0.1:7711")));
        assert!(access.allows_host(&host("10.0.0.1:1")));
    }
}
