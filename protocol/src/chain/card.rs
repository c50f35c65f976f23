//! What a future validator gives to whoever makes a network, as one word.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::beacon::{Possession, SealingKey, SealingSecret};
use crate::identity::{Address, Context, Domain, Epoch, Keypair, ProofOfWork, Signature};
use crate::wire::{BadText, Hash, armor, dearmor, decode, encode};

const PREFIX: &str = "card1";

/// More than any card takes: two keys, a proof of work, a possession and a signature.
const CARD_BYTES: usize = 512;

/// An identity that offers to be a validator, with the key to which its share of the dice key is
/// sealed. Displays as one word that begins with `card1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorCard {
    /// Who it is, and what the identity cost.
    pub address: Address,
    /// The key to which its shares are sealed in epoch 0.
    pub sealing: SealingKey,
    /// That it knows the secret behind that key.
    pub possession: Possession,
    signature: Signature,
}

/// What is wrong with a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCard {
    /// Its identity is worth too few bits of proof of work.
    TooLittleWork,
    /// Its identity does not prove to know the secret behind the sealing key.
    Possession,
    /// Its identity did not sign it.
    Signature,
}

impl ValidatorCard {
    /// The card of `keypair`, whose proof of work is `proof`.
    pub fn new(keypair: &Keypair, proof: ProofOfWork) -> Self {
        let secret = SealingSecret::of(keypair);
        let peer = keypair.peer();
        let address = Address { peer, proof };
        let (sealing, possession) = (secret.public(), secret.possession(peer));
        let signed = signed_bytes(&address, &sealing, &possession);
        let signature = keypair.sign(Domain::Card, &CONTEXT, &signed);
        Self { address, sealing, possession, signature }
    }

    /// Checks everything that the card claims, on a network that asks for `bits` of work.
    pub fn check(&self, bits: u8) -> Result<(), BadCard> {
        if !self.address.is_worth(bits) {
            return Err(BadCard::TooLittleWork);
        }
        let signed = signed_bytes(&self.address, &self.sealing, &self.possession);
        let peer = self.address.peer;
        peer.verify(Domain::Card, &CONTEXT, &signed, &self.signature)
            .map_err(|_| BadCard::Signature)?;
        self.possession.verify(self.sealing, peer).map_err(|_| BadCard::Possession)
    }
}

/// A card is made before there is a network.
const CONTEXT: Context = Context { network: Hash([0; 32]), epoch: Epoch(0) };

fn signed_bytes(address: &Address, sealing: &SealingKey, possession: &Possession) -> Vec<u8> {
    encode(&(address, sealing, possession))
}

impl fmt::Display for ValidatorCard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&armor(PREFIX, &encode(self)))
    }
}

impl FromStr for ValidatorCard {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        decode(&dearmor(PREFIX, text)?, CARD_BYTES).map_err(|_| BadText::Content)
    }
}

impl fmt::Display for BadCard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooLittleWork => "its identity is worth too little proof of work",
            Self::Possession => "it does not prove to know its sealing key's secret",
            Self::Signature => "its identity did not sign it",
        })
    }
}

impl core::error::Error for BadCard {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_card_is_one_word_and_claims_nothing_that_is_not_so() {
        let keypair = Keypair::from_seed([1; 32]);
        let card = ValidatorCard::new(&keypair, ProofOfWork::mine(keypair.peer(), 4));
        assert_eq!(card.check(4), Ok(()));
        assert_eq!(card.to_string().parse(), Ok(card));
        assert_eq!(card.check(64), Err(BadCard::TooLittleWork));

        let other = ValidatorCard::new(&Keypair::from_seed([2; 32]), ProofOfWork(0));
        let forged = ValidatorCard { sealing: other.sealing, ..card };
        assert_eq!(forged.check(4), Err(BadCard::Signature));
        let signed = encode(&(forged.address, forged.sealing, forged.possession));
        let signature = keypair.sign(Domain::Card, &CONTEXT, &signed);
        assert_eq!(ValidatorCard { signature, ..forged }.check(4), Err(BadCard::Possession));
    }
}
