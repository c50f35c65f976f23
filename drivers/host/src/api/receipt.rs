//! Receipts as JSON states them: the bytes that prove a roll, and what they show.

use bitcraps_protocol::block::{Header, ValidatorIndex};
use bitcraps_protocol::chain::{Genesis, TableId};
use bitcraps_protocol::craps::{Outcome, Player, Round};
use bitcraps_protocol::identity::PeerId;
use bitcraps_protocol::node::Node;
use bitcraps_protocol::receipt::{Asked, Failed, Material, NoReceipt, Proven, Receipt, Trust};
use bitcraps_protocol::wire::encode;
use serde::{Deserialize, Serialize};

use super::{Code, Failure, hex};

/// The version of the JSON form.
const VERSION: u16 = 1;

/// A receipt's JSON form. `receipt` is everything; the other fields say what it shows, and a form
/// in which they say anything else is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptView {
    /// The version of this form.
    pub version: u16,
    /// The network.
    pub network: String,
    /// The table's number.
    pub table: u32,
    /// What it is called.
    pub name: String,
    /// Which roll of the table.
    pub round: u64,
    /// Whose receipt it is; nobody's in particular if missing.
    pub player: Option<String>,
    /// The block that holds the throw.
    pub block: String,
    /// Its height.
    pub height: u64,
    /// Its view, whose coin it is.
    pub view: u64,
    /// Its agreed time, in Unix milliseconds.
    pub time_ms: u64,
    /// How many validators there are.
    pub validators: u64,
    /// Who of them signed.
    pub signers: Vec<u16>,
    /// Whose shares make the coin.
    pub sharers: Vec<u16>,
    /// Who threw; the house if missing.
    pub shooter: Option<String>,
    /// The coin.
    pub coin: String,
    /// The dice.
    pub dice: [u8; 2],
    /// The bets that the roll decided: the player's, or everybody's.
    pub bets: Vec<DecidedView>,
    /// What they pay together.
    pub paid: u64,
    /// The file's bytes in hexadecimal.
    pub receipt: String,
}

/// A bet that a roll decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecidedView {
    /// Whose.
    pub player: String,
    /// On what.
    pub bet: String,
    /// How much.
    pub stake: u64,
    /// `win`, `lose` or `push`.
    pub result: Outcome,
    /// What it pays, the stake among it unless that stays up or is lost.
    pub credited: u64,
    /// Whether the stake stays up.
    pub stays: bool,
}

/// A header of the chain, to trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderView {
    /// The block's height.
    pub height: u64,
    /// Its hash.
    pub hash: String,
    /// The header's bytes in hexadecimal.
    pub header: String,
}

/// `GET /v1/header`: the header of the newest final block.
pub fn header(node: &Node) -> HeaderView {
    HeaderView::of(node.header())
}

/// `GET /v1/tables/{id}/rolls/{round}/receipt`, its first half, on the node's thread: what the
/// receipt of a roll is made of.
pub fn receipt_material(
    node: &Node,
    table: TableId,
    round: Round,
) -> Result<(Material, Genesis), Failure> {
    let material = node.rolls().material(table, round).map_err(no_receipt)?;
    Ok((material, node.genesis().clone()))
}

/// Its second half, on any thread: the receipt, checked once more before it is handed out.
pub fn receipt(
    (material, genesis): (Material, Genesis),
    player: Option<PeerId>,
) -> Result<ReceiptView, Failure> {
    let receipt = material.receipt(player).map_err(no_receipt)?;
    match receipt.verify(Trust::Genesis(&genesis), &Asked::default()).end {
        Ok(proven) => Ok(ReceiptView::of(&receipt, &proven)),
        Err(Failed { step, why }) => {
            let message = format!("this is a bug: the receipt's {step} does not hold: {why}");
            Err(Failure::new(Code::Failed, message))
        }
    }
}

fn no_receipt(none: NoReceipt) -> Failure {
    let code = match none {
        NoReceipt::Unknown | NoReceipt::NoBet => Code::NotFound,
        NoReceipt::Unsettled | NoReceipt::Unsigned => Code::Busy,
        NoReceipt::BadCoin(_) => Code::Failed,
    };
    Failure::new(code, none.to_string())
}

impl HeaderView {
    /// A header as JSON states it.
    pub fn of(header: &Header) -> Self {
        let hash = header.hash().to_string();
        Self { height: header.height.0, hash, header: hex(&encode(header)) }
    }
}

impl ReceiptView {
    /// The JSON form of a receipt that was found to prove this.
    pub fn of(receipt: &Receipt, proven: &Proven) -> Self {
        let Proven { header, settlement, .. } = proven;
        let concerned = |whose: Player| proven.player.is_none_or(|player| player.0 == whose.0);
        let decided = settlement.resolved.iter().filter(|one| concerned(one.player));
        let bets = decided.map(|one| DecidedView {
            player: PeerId(one.player.0).to_string(),
            bet: one.bet.to_string(),
            stake: one.stake.0,
            result: one.result,
            credited: one.credited.0,
            stays: one.stays,
        });
        let bets: Vec<DecidedView> = bets.collect();
        let (first, second) = settlement.dice.faces();
        let indices = |list: &[ValidatorIndex]| list.iter().map(|index| index.0).collect();
        Self {
            version: VERSION,
            network: proven.network.to_string(),
            table: proven.table.0,
            name: proven.name.clone(),
            round: proven.round.0,
            player: proven.player.map(|player| player.to_string()),
            block: header.hash().to_string(),
            height: header.height.0,
            view: header.view.0,
            time_ms: header.time.as_millis(),
            validators: proven.validators as u64,
            signers: indices(&proven.signers),
            sharers: indices(&proven.sharers),
            shooter: proven.shooter.map(|shooter| shooter.to_string()),
            coin: proven.coin.to_string(),
            dice: [first, second],
            paid: bets.iter().map(|bet| bet.credited).sum(),
            bets,
            receipt: hex(&receipt.encode()),
        }
    }

    /// The receipt's bytes.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        super::unhex(&self.receipt)
    }
}
