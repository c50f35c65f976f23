//! A dice key and its shares, for the tests of this module.

use alloc::vec::Vec;

use super::{Dealt, SealingKey, SealingSecret, ShareSecret, deal};
use crate::block::ValidatorIndex;
use crate::identity::{Keypair, PeerId};
use crate::rng::Rng;
use crate::wire::Hash;

/// The threshold n − f of `n` validators.
pub(super) fn threshold(n: u8) -> u16 {
    u16::from(n - (n - 1) / 3)
}

/// The sealing secret of validator `index`.
pub(super) fn sealing_secret(index: u8) -> SealingSecret {
    SealingSecret::of(&keypair(index))
}

/// What the dealer gives `n` validators.
pub(super) fn dealt(n: u8) -> Dealt {
    let members: Vec<(PeerId, SealingKey)> =
        (0..n).map(|i| (keypair(i).peer(), sealing_secret(i).public())).collect();
    deal(&members, threshold(n), &mut Rng::new([n; 32]), &Hash([9; 32]))
}

/// The share of validator `index`.
pub(super) fn share_secret(dealt: &Dealt, index: u8) -> ShareSecret {
    dealt.open_share(ValidatorIndex(index.into()), &sealing_secret(index)).unwrap()
}

/// The shares of all `n` validators of `dealt`, in their order.
pub(super) fn share_secrets(dealt: &Dealt) -> Vec<ShareSecret> {
    let n = u8::try_from(dealt.sealed.len()).unwrap();
    (0..n).map(|index| share_secret(dealt, index)).collect()
}

fn keypair(index: u8) -> Keypair {
    Keypair::from_seed([100 + index; 32])
}
