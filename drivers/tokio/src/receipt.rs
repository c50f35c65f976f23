//! `bitcraps receipt`, `verify` and `network header`: proving a roll, and checking the proof offline.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bitcraps_host::api::{self, ReceiptView};
use bitcraps_protocol::block::Header;
use bitcraps_protocol::chain::{Genesis, TableId};
use bitcraps_protocol::craps::Round;
use bitcraps_protocol::receipt::{
    Asked, Failed, NotAReceipt, Passed, RECEIPT_BYTES, Receipt, Trust, Verdict,
};
use bitcraps_protocol::wire::decode;
use bitcraps_tokio::client::Client;
use bitcraps_tokio::home::{Home, read_genesis, write_whole};
use serde::Serialize;

use crate::cli::{self, Roll};
use crate::exit::{No, Usage};
use crate::output::{Output, grouped};
use crate::words::{dice_text, short};

/// Bytes of the longest file that is read: a JSON form with its hexadecimal digits.
const FILE_BYTES: usize = 4 * RECEIPT_BYTES;
/// Bytes of the longest encoded header.
const HEADER_BYTES: usize = 1024;

/// `bitcraps network header`.
pub(crate) async fn header(client: &Client, output: Output) -> anyhow::Result<()> {
    let view = client.header().await?;
    output.answer(&view, || view.header.clone())?;
    Ok(())
}

/// `bitcraps receipt`.
pub(crate) async fn write(
    client: &Client,
    wanted: cli::Receipt,
    output: Output,
) -> anyhow::Result<()> {
    let cli::Receipt { roll: Roll { table, round }, player, anybody, out } = wanted;
    let player = match player {
        Some(player) => Some(player),
        None if anybody => None,
        None => Some(client.status().await?.peer),
    };
    let view = client.receipt(table, round, player.as_deref()).await?;
    let out = match out {
        None if output.json => None,
        out => Some(out.unwrap_or_else(|| PathBuf::from(file_name(table, round)))),
    };
    if let Some(out) = &out {
        save(&view, out)?;
    }
    output.answer(&view, || {
        let path = out.map(|out| out.display().to_string()).unwrap_or_default();
        format!("{}written to {path}; check it with: bitcraps verify {path}", words(&view))
    })?;
    Ok(())
}

/// What the receipt of a roll is called.
pub(crate) fn file_name(table: u32, round: u64) -> String {
    format!("table-{table}-roll-{round}.receipt")
}

/// Writes the receipt's bytes.
pub(crate) fn save(view: &ReceiptView, path: &Path) -> anyhow::Result<()> {
    let bytes = view.bytes().context("the node's receipt makes no sense")?;
    Ok(write_whole(path, &bytes)?)
}

/// What checking a receipt came to.
#[derive(Serialize)]
struct VerdictView {
    holds: bool,
    passed: Vec<Passed>,
    failed: Option<FailedView>,
    shows: Option<ReceiptView>,
}

#[derive(Serialize)]
struct FailedView {
    step: String,
    why: String,
}

/// What the reader trusts, as a value of its own.
enum Trusted {
    Genesis(Box<Genesis>),
    Header(Box<Header>),
}

/// `bitcraps verify`.
pub(crate) fn verify(home: &Home, wanted: cli::Verify, output: Output) -> anyhow::Result<()> {
    let cli::Verify { file, genesis, header, roll, player } = wanted;
    let trusted = match (&genesis, &header) {
        (Some(path), _) => Trusted::Genesis(Box::new(read_genesis(path)?)),
        (None, Some(header)) => Trusted::Header(Box::new(read_header(header)?)),
        (None, None) => Trusted::Genesis(Box::new(home.genesis()?)),
    };
    let player = player.map(|player| api::peer(&player)).transpose();
    let player = player.map_err(|failure| Usage(failure.message))?;
    let asked = Asked {
        table: roll.map(|roll| TableId(roll.table)),
        round: roll.map(|roll| Round(roll.round)),
        player,
    };
    let bytes = read(&file)?;
    let trust = match &trusted {
        Trusted::Genesis(genesis) => Trust::Genesis(genesis),
        Trusted::Header(header) => Trust::Header(header),
    };
    let verdict = check(&bytes, trust, &asked);
    output.answer(&verdict, || verdict_words(&verdict))?;
    match verdict.failed {
        None => Ok(()),
        Some(FailedView { step, why }) => Err(No(format!("{step}: {why}")).into()),
    }
}

/// Checks a receipt in either form.
fn check(bytes: &[u8], trust: Trust<'_>, asked: &Asked) -> VerdictView {
    let failed = |step: &str, why: String, passed| VerdictView {
        holds: false,
        passed,
        failed: Some(FailedView { step: step.into(), why }),
        shows: None,
    };
    let (stated, receipt) = match parse(bytes) {
        Ok(parsed) => parsed,
        Err(why) => return failed("format", why, Vec::new()),
    };
    let Verdict { passed, end } = receipt.verify(trust, asked);
    match end {
        Err(Failed { step, why }) => failed(&step.to_string(), why.to_string(), passed),
        Ok(proven) => {
            let shows = ReceiptView::of(&receipt, &proven);
            if stated.is_some_and(|stated| stated != shows) {
                let why = "its words say something else than its bytes".into();
                return failed("words", why, passed);
            }
            VerdictView { holds: true, passed, failed: None, shows: Some(shows) }
        }
    }
}

/// The receipt, and what its JSON form states beside it.
fn parse(bytes: &[u8]) -> Result<(Option<ReceiptView>, Receipt), String> {
    let binary = |bytes: &[u8]| Receipt::decode(bytes).map_err(|not: NotAReceipt| not.to_string());
    if bytes.first() != Some(&b'{') {
        return Ok((None, binary(bytes)?));
    }
    let stated: ReceiptView = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let bytes = stated.bytes().ok_or("its bytes are not written in hexadecimal")?;
    let receipt = binary(&bytes)?;
    Ok((Some(stated), receipt))
}

fn read(path: &Path) -> Result<Vec<u8>, Usage> {
    let cannot = |error| Usage(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(FILE_BYTES as u64).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

/// A header in hexadecimal, or in a file.
fn read_header(text: &str) -> Result<Header, Usage> {
    let is_hex = |text: &str| {
        let digits = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        digits && text.len() > 64
    };
    let text = match is_hex(text) {
        true => text.to_owned(),
        false => String::from_utf8_lossy(&read(Path::new(text))?).trim().to_owned(),
    };
    let wrong = || Usage("this is no header: `bitcraps network header` prints one".into());
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| wrong())?;
    decode(&bytes, HEADER_BYTES).map_err(|_| wrong())
}

fn verdict_words(verdict: &VerdictView) -> String {
    let mut text = String::new();
    let mut line = |sign: &str, step: &str, found: &str| {
        writeln!(text, "{sign:<4} {step:<11} {found}").expect("writing to a string cannot fail");
    };
    for Passed { step, found } in &verdict.passed {
        line("ok", &step.to_string(), found);
    }
    if let Some(FailedView { step, why }) = &verdict.failed {
        line("NO", step, why);
    }
    let shows = verdict.shows.as_ref().map(words).unwrap_or_default();
    format!("{text}{shows}")
}

/// What a receipt shows, in a few lines.
fn words(view: &ReceiptView) -> String {
    let mut text = format!(
        "roll {} of table {} \"{}\": {}\n",
        view.round,
        view.table,
        view.name,
        dice_text(view.dice)
    );
    for bet in &view.bets {
        let stays = if bet.stays { ", stays up" } else { "" };
        let result = serde_json::to_string(&bet.result).unwrap_or_default();
        writeln!(
            text,
            "  {} {} {}: {}, credited {}{stays}",
            short(&bet.player),
            bet.bet,
            grouped(bet.stake),
            result.trim_matches('"'),
            grouped(bet.credited)
        )
        .expect("writing to a string cannot fail");
    }
    text
}
