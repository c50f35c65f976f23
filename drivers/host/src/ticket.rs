//! An invitation in one word that people copy: which network, where to find it, at which table to
//! sit, and a one-time key that holds chips.
//!
//! Whoever has the word can take the chips, so it is as secret as cash. It promises nothing about
//! the network: what the hints serve is checked against the network id.

use std::fmt;
use std::str::FromStr;

use bitcraps_protocol::chain::TableId;
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::identity::{Address, Keypair, NetworkId, ProofOfWork};
use bitcraps_protocol::keyring::NetworkKey;
use bitcraps_protocol::wire::{BadText, List, Text, armor, dearmor, decode, encode, limits};
use serde::{Deserialize, Serialize};

use crate::config::is_endpoint;

/// Dial hints in one ticket; more are left out by whoever makes it.
pub const HINTS: usize = 8;
/// Bytes of one dial hint.
pub const HINT_BYTES: usize = 64;

const PREFIX: &str = "ticket1";
const TICKET_BYTES: usize = 1024;

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The network it leads to.
    pub network: NetworkId,
    /// What that network is called, for people.
    pub name: Text<{ limits::NAME_BYTES }>,
    /// Nodes that can be dialled, each `HOST:PORT`.
    pub hints: List<Text<HINT_BYTES>, HINTS>,
    /// The table to sit down at.
    pub table: Option<TableId>,
    /// Chips for whoever comes first.
    pub voucher: Option<Voucher>,
    /// The network's key, if it is private; without it, only a relay can be run.
    pub key: Option<NetworkKey>,
    /// What an identity must cost there, in leading zero bits.
    pub work_bits: u8,
}

/// A one-time key whose account holds chips.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The Ed25519 seed of the key.
    pub seed: [u8; 32],
    /// The key's proof of work, found by the inviter.
    pub proof: ProofOfWork,
    /// What the inviter paid to it.
    pub amount: Chips,
}

impl Voucher {
    /// The one-time key.
    pub fn keypair(&self) -> Keypair {
        Keypair::from_seed(self.seed)
    }

    /// The account that holds the chips.
    pub fn address(&self) -> Address {
        Address { peer: self.keypair().peer(), proof: self.proof }
    }
}

impl fmt::Debug for Voucher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Voucher({} chips)", self.amount.0)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&armor(PREFIX, &encode(self)))
    }
}

impl FromStr for Ticket {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let bytes = dearmor(PREFIX, text.trim())?;
        let ticket: Self = decode(&bytes, TICKET_BYTES).map_err(|_| BadText::Content)?;
        let sound = ticket.hints.iter().all(|hint| is_endpoint(hint));
        if sound { Ok(ticket) } else { Err(BadText::Content) }
    }
}

#[cfg(test)]
mod tests {
    use bitcraps_protocol::rng::Rng;
    use bitcraps_protocol::wire::Hash;
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            network: Hash([7; 32]),
            name: Text::new("friends").unwrap(),
            hints: List::new(vec![Text::new("192.0.2.1:7711").unwrap()]).unwrap(),
            table: Some(TableId(3)),
            voucher: Some(Voucher { seed: [9; 32], proof: ProofOfWork(5), amount: Chips(100) }),
            key: Some(NetworkKey::first(&mut Rng::new([1; 32]))),
            work_bits: 16,
        }
    }

    proptest! {
        #[test]
        fn a_ticket_reads_back(
            network: [u8; 32], seed: [u8; 32], proof: u64, amount: u64, with_voucher: bool,
            name in "[a-z ]{0,64}", ports in prop::collection::vec(1u16.., 0..=HINTS),
            table in prop::option::of(any::<u32>()),
        ) {
            let hints = ports.iter().map(|port| Text::new(format!("a.example:{port}")).unwrap());
            let voucher = Voucher { seed, proof: ProofOfWork(proof), amount: Chips(amount) };
            let ticket = Ticket {
                network: Hash(network),
                name: Text::new(name).unwrap(),
                hints: List::new(hints.collect()).unwrap(),
                table: table.map(TableId),
                voucher: with_voucher.then_some(voucher),
                key: with_voucher.then(|| NetworkKey::first(&mut Rng::new(seed))),
                work_bits: 16,
            };
            let text = ticket.to_string();
            prop_assert!(text.len() < 1500 && text.chars().all(|c| c.is_ascii_alphanumeric()));
            prop_assert_eq!(text.parse(), Ok(ticket.clone()));
            prop_assert_eq!(text.to_uppercase().parse(), Ok(ticket));
        }
    }

    #[test]
    fn no_ticket_survives_a_changed_letter_or_a_cut() {
        let text = ticket().to_string();
        for position in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] = if changed[position] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<Ticket>().is_err(), "{changed}");
            assert!(text[..position].parse::<Ticket>().is_err());
        }
    }

    #[test]
    fn hints_that_cannot_be_dialled_are_refused() {
        let hints = List::new(vec![Text::new("not an endpoint").unwrap()]).unwrap();
        let text = Ticket { hints, ..ticket() }.to_string();
        assert_eq!(text.parse::<Ticket>(), Err(BadText::Content));
    }

    #[test]
    fn the_secret_is_not_shown_by_debug() {
        assert!(format!("{:?}", ticket()).contains("Voucher(100 chips)"));
    }
}
