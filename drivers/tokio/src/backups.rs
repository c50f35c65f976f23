//! `backup create|list|verify|restore|prune`.

use std::path::{Path, PathBuf};

use bitcraps_host::Identity;
use bitcraps_host::backup::{self, Backup};
use bitcraps_host::lock::Lock;
use bitcraps_protocol::block::Height;
use bitcraps_tokio::backup::{Source, Verified, unix_seconds, verify};
use bitcraps_tokio::config::Config;
use bitcraps_tokio::home::Home;
use serde::Serialize;

use crate::cli::{Backup as Command, Target};
use crate::exit::Usage;
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
                let since = source.newest(&target)?.filter(|_| !full).map(|before| before.newest);
                let what = since.map_or("everything".into(), |height| {
                    format!("what came after height {height}")
                });
                let to = target.display();
                return Ok(output.words(&format!("would back up {what} into {to}"))?);
            }
            let made = source.create(&target, full)?;
            output.answer(&View::of(&made), || View::of(&made).words())?;
            Ok(())
        }
        Command::List { target } => {
            let backups = backup::list(&target_of(config, &target)?)?;
            let views: Vec<View> = backups.iter().map(View::of).collect();
            let words = || views.iter().map(|view| view.words() + "\n").collect::<String>();
            Ok(output.answer(&views, words)?)
        }
        Command::Verify { target, name } => {
            let (chain, identity) = chain_of(config, &home, &target, name.as_deref())?;
            let verified = verify(&chain, &identity.keypair)?;
            say(&chain, &verified, false, output)
        }
        Command::Restore { target, name, dry_run } => {
            let (chain, identity) = chain_of(config, &home, &target, name.as_deref())?;
            let _lock = Lock::take(home.directory())?;
            let verified = verify(&chain, &identity.keypair)?;
            home.check_network(verified.genesis.network())?;
            if !dry_run {
                backup::restore(home.directory(), &chain, &identity.keypair)?;
                home.adopt(&verified.genesis)?;
            }
            say(&chain, &verified, !dry_run, output)
        }
        Command::Prune { target, keep_days, dry_run } => {
            let backups = backup::list(&target_of(config, &target)?)?;
            let oldest = unix_seconds().saturating_sub(keep_days.saturating_mul(24 * 60 * 60));
            let obsolete = backup::obsolete(&backups, oldest);
            if !dry_run {
                obsolete.iter().try_for_each(backup::remove)?;
            }
            let views: Vec<View> = obsolete.iter().map(View::of).collect();
            let verb = if dry_run { "would remove" } else { "removed" };
            let words = || format!("{verb} {} of {} backups", views.len(), backups.len());
            Ok(output.answer(&views, words)?)
        }
    }
}

fn target_of(config: &Config, target: &Target) -> anyhow::Result<PathBuf> {
    let configured = config.backup.value.clone();
    target.target.clone().or(configured).ok_or_else(|| {
        Usage(
            "where are the backups? say --target DIR, or backup = \"DIR\" in bitcraps.toml".into(),
        )
        .into()
    })
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
    config: &Config,
    home: &Home,
    target: &Target,
    name: Option<&str>,
) -> anyhow::Result<(Vec<Backup>, Identity)> {
    let identity = identity(home)?;
    let target = target_of(config, target)?;
    let backups = backup::list(&target)?;
    let is_wanted = |backup: &&Backup| match name {
        Some(name) => file_name(&backup.path) == name,
        None => backup.origin.peer == identity.keypair.peer(),
    };
    let found = backups.iter().rfind(is_wanted).ok_or_else(|| {
        let name = name.map_or("of this identity".to_owned(), |name| format!("called {name}"));
        Usage(format!("there is no backup {name} in {}", target.display()))
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
        backup: chain.last().map(|last| file_name(&last.path)).unwrap_or_default(),
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
            name: file_name(&backup.path),
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

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
