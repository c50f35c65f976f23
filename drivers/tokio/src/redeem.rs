//! Taking the chips of an invitation: the one-time key pays everything it holds to this node's own
//! account. Whoever comes first has them.

use std::time::Duration;

use bitcraps_host::Handle;
use bitcraps_host::api::{Code, Failure, Outcome};
use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Nonce, Operation, Transaction};
use bitcraps_protocol::event::Command;
use bitcraps_protocol::identity::Address;
use tokio::time::{Instant, sleep};

use crate::api::Hub;
use crate::ask;
use crate::ticket::Voucher;

/// Pause between two looks at the chain.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one attempt is given to become final before the chain is looked at again.
const ATTEMPT: Duration = Duration::from_secs(10);
/// For how many blocks a payment stays possible; a later attempt makes a new one.
const EXPIRES_AFTER: u64 = 1000;

/// How taking the chips ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    /// So many chips are now in the own account.
    Received(u64),
    /// Somebody else had taken them.
    TakenBefore,
}

/// Takes the chips of `voucher` into the account `to`. Waits as long as the chain, as far as this
/// node knows it, does not show them yet. May be dropped and started again at any time.
pub(crate) async fn redeem(
    handle: &Handle,
    hub: &Hub,
    voucher: &Voucher,
    to: Address,
) -> Result<Redeemed, Failure> {
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
            return Ok(Redeemed::TakenBefore);
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
        if let Outcome::Final { .. } = hub.settled(id, Instant::now() + ATTEMPT).await {
            return Ok(Redeemed::Received(account.balance.0));
        }
    }
}
