//! `store`: what a stopped node has on disk, and saving what is left of it.

use bitcraps_host::journal::{self, Findings};
use bitcraps_host::lock::Lock;
use bitcraps_protocol::event::Record;
use bitcraps_protocol::journal::Entry;
use bitcraps_tokio::home::Home;
use serde::Serialize;

use crate::cli::Store;
use crate::exit::Unsafe;
use crate::output::{Output, grouped};

/// What `store check` and `store repair` say.
#[derive(Debug, Serialize)]
struct View {
    sound: bool,
    files: u64,
    bytes: u64,
    records: u64,
    blocks: u64,
    newest_block: Option<u64>,
    votes: u64,
    /// What a crash tore; harmless.
    torn_bytes: u64,
    /// Whether the journal was begun after an earlier one was lost.
    after_loss: bool,
    damage: Option<String>,
    advice: String,
    /// Where a repair put, or would put, the damaged files.
    aside: Option<String>,
    /// Whether anything was changed.
    changed: bool,
}

/// What records turn out to be.
#[derive(Debug, Default)]
struct Contents {
    votes: u64,
    records: u64,
    /// The first that is no entry, by its position.
    unreadable: Option<u64>,
}

/// `bitcraps store …`
pub(crate) fn run(home: &Home, command: &Store, output: Output) -> anyhow::Result<()> {
    let _lock = Lock::take(home.directory())?;
    match command {
        Store::Snapshot => unreachable!("a running node carries it out"),
        Store::Check => check(home, output),
        Store::Repair { dry_run } => repair(home, *dry_run, output),
    }
}

fn check(home: &Home, output: Output) -> anyhow::Result<()> {
    let mut contents = Contents::default();
    let directory = journal::directory(home.directory());
    let findings = journal::check(&directory, |record| contents.note(record))?;
    let mut view = View::of(&findings);
    view.votes = contents.votes;
    if let Some(position) = contents.unreadable {
        view.sound = false;
        view.damage.get_or_insert(format!(
            "record {position} is intact, but means nothing to this version of the program"
        ));
    }
    output.answer(&view, || view.words())?;
    match view.damage {
        Some(damage) => Err(Unsafe(damage).into()),
        None => Ok(()),
    }
}

fn repair(home: &Home, dry_run: bool, output: Output) -> anyhow::Result<()> {
    let directory = journal::directory(home.directory());
    let Some(repaired) = journal::repair(&directory, dry_run)? else {
        let view = View::of(&journal::check(&directory, |_| {})?);
        output.answer(&view, || "nothing is damaged, and nothing was changed".into())?;
        return Ok(());
    };
    let mut view = View::of(&repaired.findings);
    view.aside = Some(repaired.aside.display().to_string());
    view.changed = !dry_run;
    let (kept, aside) = (repaired.findings.blocks, repaired.aside.display());
    output.answer(&view, || {
        let kept = match kept {
            0 => "no block; the next start begins an empty journal".to_owned(),
            kept => format!("{} blocks", grouped(kept)),
        };
        if dry_run {
            format!("would keep {kept}, and put the damaged files into {aside}")
        } else {
            format!(
                "kept {kept}; the damaged files are in {aside}\na validator observes at its next \
                 start until the others have told it what it may have promised"
            )
        }
    })?;
    Ok(())
}

impl Contents {
    fn note(&mut self, record: &Record) {
        match Entry::from_bytes(&record.bytes) {
            Ok(Entry::Vote(_)) => self.votes += 1,
            Ok(
                Entry::Block(_)
                | Entry::Certificate(_)
                | Entry::Decided(_)
                | Entry::Barred { .. }
                | Entry::Overridden
                | Entry::Part { .. }
                | Entry::Snapshot(_)
                | Entry::Base { .. }
                | Entry::Promises(_),
            ) => {}
            Err(_) => {
                self.unreadable.get_or_insert(self.records);
            }
        }
        self.records += 1;
    }
}

impl View {
    fn of(findings: &Findings) -> Self {
        Self {
            sound: findings.damage.is_none(),
            files: findings.segments,
            bytes: findings.bytes,
            records: findings.records,
            blocks: findings.blocks,
            newest_block: findings.newest_block.map(|height| height.0),
            votes: 0,
            torn_bytes: findings.torn_bytes,
            after_loss: findings.after_loss,
            damage: findings.damage.as_ref().map(ToString::to_string),
            advice: findings.advice(),
            aside: None,
            changed: false,
        }
    }

    fn words(&self) -> String {
        let newest = self.newest_block.map_or("none".to_owned(), grouped);
        let mut lines = vec![
            format!(
                "journal          {} files, {} bytes, {} records",
                grouped(self.files),
                grouped(self.bytes),
                grouped(self.records)
            ),
            format!("blocks           {}, newest at height {newest}", grouped(self.blocks)),
            format!("own votes        {}", grouped(self.votes)),
        ];
        if self.torn_bytes > 0 {
            lines.push(format!(
                "torn by a crash  {} bytes at the end; harmless, the next start drops them",
                grouped(self.torn_bytes)
            ));
        }
        if self.after_loss {
            lines.push("begun after      an earlier journal of this key was lost".into());
        }
        lines.push(match self.sound {
            true => "sound            yes".into(),
            false => format!("sound            NO: {}", self.advice),
        });
        lines.join("\n")
    }
}
