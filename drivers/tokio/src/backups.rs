//! `backup create|list|verify|restore|prune`.

use bitcraps_host::backup::{self, Backup, BackupError, Listing, Target};
use bitcraps_host::lock::Lock;
use bitcraps_host::{Identity, exit};
use bitcraps_protocol::block::Height;
use bitcraps_tokio::backup::{Source, Verified, hours_ago, verify};
use bitcraps_tokio::config::Config;
use bitcraps_tokio::home::Home;
use bitcraps_tokio::target;
use serde::Serialize;

use crate::cli::{Backup as Command, Place};
use crate::exit::{No, Usage};
use crate::keys;
use crate::output::{Output, grouped};

#[derive(Debug, Serialize)]
struct View {
    name: String,
    created: u64,
    /// Of everything up to `height`, not only of what came since `after`.
    full: bool,
    after: u64,
    height: u64,
    bytes: u64,
    network: String,
    peer: String,
}

#[derive(Debug, Serialize)]
struct PrunedView {
    removed: Vec<View>,
    /// What was left of backups that were begun and never finished.
    unfinished: Vec<String>,
}

#[derive(Debug, Serialize)]
struct VerifiedView {
    backup: String,
    files: usize,
    height: u64,
    state_root: String,
    /// Whether anything was written.
    restored: bool,
}

/// `bitcraps backup …`
pub(crate) fn run(config: &Config, command: Command, output: Output) -> anyhow::Result<()> {
    let home = Home::new(&config.data_dir.value);
    match command {
        Command::Create { target, full, dry_run } => {
            let target = target_of(config, &target)?;
            let source = source(&home)?;
            if dry_run {
                let since = source.newest(&*target)?.filter(|_| !full).map(|before| before.newest);
                let what = since.map_or("everything".into(), |height| {
                    format!("what came after height {height}")
                });
                let to = target.place();
                return Ok(output.words(&format!("would back up {what} into {to}"))?);
            }
            let made = source.create(&*target, full)?;
            output.answer(&View::of(&made), || View::of(&made).words())?;
            Ok(())
        }
        Command::List { target } => {
            let Listing { backups, unreadable } = backup::list(&*target_of(config, &target)?)?;
            let views: Vec<View> = backups.iter().map(View::of).collect();
            let words = || views.iter().map(|view| view.words() + "\n").collect::<String>();
            output.answer(&views, words)?;
            all_readable(&unreadable)
        }
        Command::Verify { target, name } => {
            let target = target_of(config, &target)?;
            let (chain, identity) = chain_of(&home, &*target, name.as_deref())?;
            let verified = verify((&*target, &chain), &identity.keypair)?;
            say(&chain, &verified, false, output)
        }
        Command::Restore { target, name, dry_run } => {
            let target = target_of(config, &target)?;
            let (chain, identity) = chain_of(&home, &*target, name.as_deref())?;
            let _lock = Lock::take(home.directory())?;
            let verified = verify((&*target, &chain), &identity.keypair)?;
            home.check_network(verified.genesis.network())?;
            if !dry_run {
                backup::restore(home.directory(), (&*target, &chain), &identity.keypair)?;
                home.adopt(&verified.genesis)?;
            }
            say(&chain, &verified, !dry_run, output)
        }
        Command::Prune { target, keep_days, unfinished_hours, dry_run } => {
            let target = target_of(config, &target)?;
            let Listing { backups, unreadable } = backup::list(&*target)?;
            // What an unreadable one needs cannot be said.
            all_readable(&unreadable)?;
            let obsolete = backup::obsolete(&backups, hours_ago(keep_days.saturating_mul(24)));
            let unfinished = target.leftovers(hours_ago(unfinished_hours))?;
            if !dry_run {
                obsolete.iter().try_for_each(|it| target.remove(&it.name))?;
                unfinished.iter().try_for_each(|it| target.remove_leftover(it))?;
            }
            let removed = obsolete.iter().map(View::of).collect();
            let view = PrunedView { removed, unfinished };
            let verb = if dry_run { "would remove" } else { "removed" };
            let words = || {
                let (removed, unfinished) = (view.removed.len(), view.unfinished.len());
                let all = backups.len();
                format!(
                    "{verb} {removed} of {all} backups, and {unfinished} that were not finished"
                )
            };
            Ok(output.answer(&view, words)?)
        }
    }
}

/// Refuses to go on, or to end well, where something could not be read.
fn all_readable(unreadable: &[BackupError]) -> anyhow::Result<()> {
    let each = |error: &BackupError| exit::sentence(anyhow::Chain::new(error));
    match unreadable {
        [] => Ok(()),
        unreadable => Err(No(unreadable.iter().map(each).collect::<Vec<_>>().join("; ")).into()),
    }
}

fn target_of(config: &Config, place: &Place) -> anyhow::Result<Box<dyn Target>> {
    let configured = config.backup.value.as_ref();
    let place = place.target.as_ref().or(configured).ok_or_else(|| {
        Usage(
            "where are the backups? say --target DIR, or backup = \"DIR\" in bitcraps.toml".into(),
        )
    })?;
    Ok(target::open(place, &config.data_dir.value)?)
}

fn identity(home: &Home) -> anyhow::Result<Identity> {
    let loaded = Identity::load(home.directory(), keys::passphrase(home)?.as_ref())?;
    loaded.ok_or_else(|| {
        let directory = home.directory().display();
        Usage(format!(
            "{directory} holds no identity, and backups are encrypted for it; bring it back from \
             its recovery phrase: bitcraps key import"
        ))
        .into()
    })
}

fn source(home: &Home) -> anyhow::Result<Source> {
    let (data_dir, genesis) = (home.directory().to_owned(), home.genesis()?);
    Ok(Source { data_dir, genesis, keypair: identity(home)?.keypair })
}

/// The backup called `name`, or the newest of this identity's, with those it needs.
fn chain_of(
    home: &Home,
    target: &dyn Target,
    name: Option<&str>,
) -> anyhow::Result<(Vec<Backup>, Identity)> {
    let identity = identity(home)?;
    let Listing { backups, .. } = backup::list(target)?;
    let is_wanted = |backup: &&Backup| match name {
        Some(name) => backup.name == name,
        None => backup.origin.peer == identity.keypair.peer(),
    };
    let found = backups.iter().rfind(is_wanted).ok_or_else(|| {
        let name = name.map_or("of this identity".to_owned(), |name| format!("called {name}"));
        Usage(format!("there is no backup {name} in {}", target.place()))
    })?;
    Ok((backup::chain(&backups, found)?, identity))
}

fn say(
    chain: &[Backup],
    verified: &Verified,
    restored: bool,
    output: Output,
) -> anyhow::Result<()> {
    let view = VerifiedView {
        backup: chain.last().map(|last| last.name.clone()).unwrap_or_default(),
        files: chain.len(),
        height: verified.height.0,
        state_root: verified.state_root.to_string(),
        restored,
    };
    output.answer(&view, || {
        let VerifiedView { backup, files, height, state_root, .. } = &view;
        let height = grouped(*height);
        let sound = format!("{backup}: sound, {files} files, height {height}, state {state_root}");
        match restored {
            false => sound,
            true => format!(
                "{sound}\nrestored; a validator observes until the others have told it what it may \
                 have promised"
            ),
        }
    })?;
    Ok(())
}

impl View {
    fn of(backup: &Backup) -> Self {
        Self {
            name: backup.name.clone(),
            created: backup.created,
            full: backup.after == Height(0),
            after: backup.after.0,
            height: backup.newest.0,
            bytes: backup.bytes,
            network: backup.origin.network.to_string(),
            peer: backup.origin.peer.to_string(),
        }
    }

    fn words(&self) -> String {
        let (height, bytes) = (grouped(self.height), grouped(self.bytes));
        let what = match self.full {
            true => "everything".into(),
            false => format!("after height {}", grouped(self.after)),
        };
        format!("{:<32} up to height {height}, {what}, {bytes} bytes", self.name)
    }
}
