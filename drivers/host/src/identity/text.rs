//! The identity file's text.

use bitcraps_protocol::identity::{PeerId, ProofOfWork};
use bitcraps_protocol::wire::Hash;
use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::seal::{BOX_BYTES, CHECK_BYTES, Cost, NONCE_BYTES, SALT_BYTES, Sealed};

const HEADER_1: &str = "bitcraps identity 1";
const HEADER: &str = "bitcraps identity 2";
const SUM_BYTES: usize = 16;

/// What the file says.
pub(super) struct Stored {
    pub(super) peer: PeerId,
    pub(super) proof: ProofOfWork,
    pub(super) secret: Secret,
}

/// The secret as the file holds it.
pub(super) enum Secret {
    /// For whoever reads it.
    Open(Zeroizing<[u8; 32]>),
    /// For whoever knows the passphrase.
    Sealed(Sealed),
}

impl Stored {
    /// What is sealed with the secret although it stands beside it.
    pub(super) fn beside(&self) -> Vec<u8> {
        let mut bytes = self.peer.0.to_vec();
        bytes.extend_from_slice(&self.proof.0.to_le_bytes());
        bytes
    }

    /// Whether the file names this key. Takes the same time wherever they differ.
    pub(super) fn is_of(&self, peer: PeerId) -> bool {
        self.peer.0.ct_eq(&peer.0).into()
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let key = HEXLOWER.encode(&self.peer.0);
        let mut text = Zeroizing::new(String::with_capacity(1024));
        text.push_str(&format!("{HEADER}\nkey {key}\nproof {}\n", self.proof.0));
        match &self.secret {
            Secret::Open(seed) => {
                let seed = Zeroizing::new(HEXLOWER.encode(&**seed));
                text.push_str("seed ");
                text.push_str(&seed);
                text.push('\n');
            }
            Secret::Sealed(Sealed { cost, salt, check, nonce, sealed }) => {
                let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
                let Cost { memory_kib, passes, lanes } = cost;
                text.push_str(&format!(
                    "argon2id {memory_kib} {passes} {lanes} {}\ncheck {}\nxchacha20poly1305 {} {}\n",
                    hex(salt),
                    hex(check),
                    hex(nonce),
                    hex(sealed)
                ));
            }
        }
        let sum = HEXLOWER.encode(&sum(&text));
        text.push_str(&format!("sum {sum}\n"));
        text
    }

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((header, rest)) = text.split_once('\n') else { return Err("it has no lines") };
        match header {
            HEADER => parse(text),
            HEADER_1 => parse_1(rest),
            _ => Err("it does not begin with \"bitcraps identity 2\""),
        }
    }
}

fn parse(text: &str) -> Result<Stored, &'static str> {
    let damaged = "it is damaged: its last line is not the sum of the others";
    let body = text.strip_suffix('\n').and_then(|text| text.rsplit_once('\n')).ok_or(damaged)?;
    let summed = &text[..body.0.len() + 1];
    let stated: [u8; SUM_BYTES] = field(body.1, "sum ").ok_or(damaged)?;
    if stated != sum(summed) {
        return Err(damaged);
    }
    let mut lines = summed.lines().skip(1);
    let mut line = || lines.next().unwrap_or_default();
    let peer = PeerId(field(line(), "key ").ok_or("its second line is not \"key\" and a key")?);
    let proof = line().strip_prefix("proof ").and_then(|number| number.parse().ok());
    let proof = ProofOfWork(proof.ok_or("its third line is not \"proof\" and a number")?);
    let secret = line();
    let secret = if secret.starts_with("seed ") {
        let seed = field(secret, "seed ").ok_or("its seed is not 64 hexadecimal digits")?;
        Secret::Open(Zeroizing::new(seed))
    } else {
        let sealed = parse_sealed(secret, line(), line());
        Secret::Sealed(sealed.ok_or("its seal is not one that this version knows")?)
    };
    match lines.next() {
        None => Ok(Stored { peer, proof, secret }),
        Some(_) => Err("it has too many lines"),
    }
}

fn parse_sealed(argon2: &str, check: &str, sealed: &str) -> Option<Sealed> {
    let mut words = argon2.strip_prefix("argon2id ")?.split(' ');
    let mut number = || words.next()?.parse().ok();
    let cost = Cost { memory_kib: number()?, passes: number()?, lanes: number()? };
    let salt: [u8; SALT_BYTES] = hex(words.next()?)?;
    let check: [u8; CHECK_BYTES] = field(check, "check ")?;
    let (nonce, sealed) = sealed.strip_prefix("xchacha20poly1305 ")?.split_once(' ')?;
    let (nonce, sealed) = (hex::<NONCE_BYTES>(nonce)?, hex::<BOX_BYTES>(sealed)?);
    let is_sound = cost.is_bearable() && words.next().is_none();
    is_sound.then_some(Sealed { cost, salt, check, nonce, sealed })
}

/// Version 1 is the seed and the proof of work.
fn parse_1(rest: &str) -> Result<Stored, &'static str> {
    let mut lines = rest.lines();
    let seed = lines.next().and_then(|line| field(line, "seed "));
    let seed = seed.ok_or("its second line is not \"seed\" and 64 hexadecimal digits")?;
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed);
    let proof = lines.next().and_then(|line| line.strip_prefix("proof ")?.parse().ok());
    let proof = ProofOfWork(proof.ok_or("its third line is not \"proof\" and a number")?);
    if lines.next().is_some() {
        return Err("it has more than three lines");
    }
    let peer = bitcraps_protocol::identity::Keypair::from_seed(*seed).peer();
    Ok(Stored { peer, proof, secret: Secret::Open(seed) })
}

fn field<const N: usize>(line: &str, name: &str) -> Option<[u8; N]> {
    hex(line.strip_prefix(name)?)
}

fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_whole = digits.len() == 2 * N;
    (is_whole && HEXLOWER.decode_mut(digits.as_bytes(), &mut bytes).is_ok()).then_some(bytes)
}

fn sum(text: &str) -> [u8; SUM_BYTES] {
    let Hash(hash) = Hash::of_bytes("bitcraps 2026 identity file", text.as_bytes());
    hash[..SUM_BYTES].try_into().expect("a hash is longer than that")
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::identity::Keypair;

    use super::super::Passphrase;
    use super::super::seal::CannotOpen;
    use super::*;

    fn vector() -> Stored {
        let peer = Keypair::from_seed([7; 32]).peer();
        Stored { peer, proof: ProofOfWork(42), secret: Secret::Open(Zeroizing::new([7; 32])) }
    }

    #[test]
    fn the_file_format_does_not_change_unnoticed() {
        let mut stored = vector();
        let open = stored.to_text();
        let passphrase = Passphrase::new(Zeroizing::new("correct horse".into())).unwrap();
        let cost = Cost { memory_kib: 64, passes: 2, lanes: 1 };
        let random = ([1; SALT_BYTES], [2; NONCE_BYTES]);
        let sealed = Sealed::seal(&passphrase, cost, random, &[7; 32], &stored.beside());
        stored.secret = Secret::Sealed(sealed);
        let golden = format!("{}{}", *open, *stored.to_text());
        assert_eq!(golden, include_str!("golden-2.txt"));

        let parsed = Stored::parse(&stored.to_text()).unwrap();
        let Secret::Sealed(sealed) = &parsed.secret else { panic!("it is sealed") };
        assert_eq!(sealed.open(&passphrase, &parsed.beside()).as_deref(), Ok(&[7; 32]));
        assert_eq!(sealed.open(&passphrase, b"other"), Err(CannotOpen::Tampered));
    }

    #[test]
    fn version_1_is_still_read() {
        let text = format!("bitcraps identity 1\nseed {}\nproof 42\n", "07".repeat(32));
        let stored = Stored::parse(&text).unwrap();
        assert_eq!((stored.peer, stored.proof), (vector().peer, ProofOfWork(42)));
        for cut in 0..text.len() - 2 {
            let parsed = Stored::parse(&text[..cut]).map(|stored| stored.proof);
            assert!(parsed.is_err() || parsed == Ok(ProofOfWork(4)), "cut at {cut}");
        }
        assert!(Stored::parse(&format!("{text}\n")).is_err());
    }

    #[test]
    fn a_file_cannot_ask_for_more_memory_than_we_give() {
        for cost in [(1 << 21, 3, 4), (64, 17, 1), (64, 1, 17), (7, 1, 1), (64, 0, 1)] {
            let (memory_kib, passes, lanes) = cost;
            assert!(!Cost { memory_kib, passes, lanes }.is_bearable(), "{cost:?}");
        }
        assert!(Cost::RECOMMENDED.is_bearable());
    }
}
