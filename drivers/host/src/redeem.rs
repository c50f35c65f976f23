//! Taking the chips of an invitation: the one-time key pays everything it holds to this node's own
//! account. Whoever comes first has them.

use std::pin::pin;
use std::time::Duration;

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Nonce, Operation, Transaction};
use bitcraps_protocol::event::Command;
use bitcraps_protocol::identity::Address;

use crate::Handle;
use crate::api::{Code, Failure, Hub, Outcome, ask};
use crate::home::{Home, HomeError};
use crate::ticket::Voucher;

/// Pause between two looks at the chain.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one attempt is given to become final before the chain is looked at again.
const ATTEMPT: Duration = Duration::from_secs(10);
/// For how many blocks a payment stays possible; a later attempt makes a new one.
const EXPIRES_AFTER: u64 = 1000;

/// What became of the invitation's chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chips {
    /// There was no invitation with chips, or they were taken earlier.
    None,
    /// They are now in the node's account.
    Received(u64),
    /// Somebody else was faster.
    TakenBefore,
}

/// Why an invitation's chips are not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The invitation cannot be read or forgotten.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The node does not do it.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Takes the chips of the invitation accepted in `home` into the account `to`, as soon as the
/// chain shows them. `sleep` is the runtime's. May be dropped and called again.
pub async fn take_chips<S: Future<Output = ()> + Send>(
    home: &Home,
    handle: &Handle,
    hub: &Hub,
    to: Address,
    sleep: impl Fn(Duration) -> S,
) -> Result<Chips, TakeError> {
    let Some(voucher) = home.ticket()?.and_then(|ticket| ticket.voucher) else {
        return Ok(Chips::None);
    };
    let chips = redeem(handle, hub, &voucher, to, sleep).await?;
    home.ticket_is_used()?;
    Ok(chips)
}

/// Takes the chips of `voucher` into the account `to`. Waits as long as the chain, as far as this
/// node knows it, does not show them yet. May be dropped and started again at any time.
async fn redeem<S: Future<Output = ()> + Send>(
    handle: &Handle,
    hub: &Hub,
    voucher: &Voucher,
    to: Address,
    sleep: impl Fn(Duration) -> S,
) -> Result<Chips, Failure> {
    let from = voucher.address();
    loop {
        let look = ask::query(handle, move |node| {
            (node.genesis().network(), node.status().height, node.state().account(&from.peer))
        });
        let (network, height, account) = look.await?;
        let Some(account) = account else {
            sleep(PAUSE).await;
            continue;
        };
        if account.balance.0 == 0 {
            return Ok(Chips::TakenBefore);
        }
        let payment = Transaction {
            sender: from,
            nonce: Nonce(account.nonce.0.saturating_add(1)),
            expires: Height(height.0.saturating_add(EXPIRES_AFTER)),
            operation: Operation::Transfer { to, amount: account.balance },
        };
        let signed = payment.sign(&voucher.keypair(), network);
        let id = match ask::submit(handle, Command::Submit(signed.signed().clone())).await {
            Ok(id) => id,
            Err(failure) if failure.code == Code::Busy || failure.code == Code::Refused => {
                // Perhaps an earlier attempt is still waiting; the chain will tell.
                tracing::debug!(%failure, "the invitation's chips are not taken yet");
                sleep(PAUSE).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        hub.expect(id, None);
        if let Outcome::Final { .. } = hub.settled(id, pin!(sleep(ATTEMPT))).await {
            return Ok(Chips::Received(account.balance.0));
        }
    }
}
