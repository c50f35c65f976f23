//! Making tickets: a fresh one-time key, paid by this node's account, in one word with everything
//! that is needed to find the network.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bitcraps_protocol::chain::{Operation, TableId};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::event::Command;
use bitcraps_protocol::identity::{Keypair, ProofOfWork};
use bitcraps_protocol::wire::{List, Text};

use super::elsewhere::elsewhere;
use super::hub::{Hub, Patience};
use super::{Code, Failure, InvitationRequest, InvitationView, Outcome, ask};
use crate::Handle;
use crate::ticket::{HINTS, Ticket, Voucher};

/// The record of tickets with chips in the data directory: if a process ends between paying and
/// answering, the ticket is found here.
const RECORD_NAME: &str = "invitations";

pub(super) struct Inviter {
    record: PathBuf,
    hints: Vec<String>,
}

impl Inviter {
    pub(super) fn new(data_dir: &Path, mut hints: Vec<String>) -> Self {
        hints.truncate(HINTS);
        Self { record: data_dir.join(RECORD_NAME), hints }
    }

    /// Makes a ticket, and pays its chips before it is shown.
    pub(super) async fn invite(
        &self,
        handle: &Handle,
        hub: &Hub,
        request: InvitationRequest,
        patience: Patience<'_>,
    ) -> Result<InvitationView, Failure> {
        let InvitationRequest { chips, table, relay } = request;
        let table = table.map(TableId);
        if relay && (chips > 0 || table.is_some()) {
            let message = "a relay neither plays nor has chips: invite it without both";
            return Err(Failure::new(Code::BadRequest, message));
        }
        let (network, name, bits, key) = ask::query(handle, move |node| {
            if let Some(table) = table {
                super::table(node.state(), table)?;
            }
            let genesis = node.genesis();
            let key = node.network_key().filter(|_| !relay).cloned();
            let bits = genesis.proof_of_work_bits;
            Ok::<_, Failure>((genesis.network(), node.status().name, bits, key))
        })
        .await??;
        let hints = self.hints.iter().filter_map(|hint| Text::new(hint.as_str()).ok()).collect();
        let mut ticket = Ticket {
            network,
            name: Text::new(name).map_err(internal)?,
            hints: List::new(hints).map_err(internal)?,
            table,
            voucher: None,
            key,
            work_bits: bits,
        };
        if chips > 0 {
            let voucher = elsewhere(move || make_voucher(bits, chips).map_err(internal)).await?;
            let to = voucher.address();
            ticket.voucher = Some(voucher);
            record(&self.record, &ticket).map_err(internal)?;
            pay(handle, hub, Operation::Transfer { to, amount: Chips(chips) }, patience).await?;
        }
        Ok(InvitationView { ticket: ticket.to_string(), chips, hints: self.hints.clone() })
    }
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Failed, format!("no ticket could be made: {error}"))
}

/// A fresh one-time key with its proof of work.
fn make_voucher(bits: u8, chips: u64) -> io::Result<Voucher> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let proof = ProofOfWork::mine(Keypair::from_seed(seed).peer(), bits);
    Ok(Voucher { seed, proof, amount: Chips(chips) })
}

fn record(path: &Path, ticket: &Ticket) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    writeln!(file, "{ticket}")?;
    file.sync_data()
}

/// Pays, and waits until that is final. When the patience is over the ticket is good nevertheless: its
/// reader waits for the chips.
async fn pay(
    handle: &Handle,
    hub: &Hub,
    payment: Operation,
    patience: Patience<'_>,
) -> Result<(), Failure> {
    let id = ask::submit(handle, Command::Operate(payment)).await?;
    hub.expect(id, None);
    match hub.settled(id, patience).await {
        Outcome::Final { .. } | Outcome::Waiting | Outcome::Unknown => Ok(()),
        Outcome::Failed { reason } => Err(Failure::new(Code::Failed, reason)),
    }
}
