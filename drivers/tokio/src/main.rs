//! The `bitcraps` command.

mod audits;
mod backups;
mod chat;
mod cli;
mod commands;
mod dev;
mod exit;
mod hand;
mod keys;
mod nearby;
mod node;
mod odds;
mod output;
mod qr;
mod receipt;
mod stats;
mod store;
mod words;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use bitcraps_tokio::config::{self, Config, Flags, Layer, Loaded, Source};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Hand, NodeFlags};
use crate::output::{Output, aside};

/// What `dev` logs unless told otherwise: its many nodes are shown in other ways.
const DEV_LOG: &str = "warn";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.global.json };
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, output),
    }
}

fn run(cli: Cli, output: Output) -> anyhow::Result<()> {
    let Loaded { config, warnings } = configuration(&cli)?;
    for warning in &warnings {
        aside(&format!("warning: {warning}"));
    }
    let is_dev = matches!(cli.command, Command::Dev(_));
    start_log(&config, if is_dev { Some(DEV_LOG) } else { None });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(carry_out(cli.command, config, output));
    // What still blocks a thread then has nothing left to lose.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done
}

async fn carry_out(command: Command, config: Config, output: Output) -> anyhow::Result<()> {
    match command {
        Command::Dev(arguments) => dev::run(arguments, output).await,
        Command::Node(arguments) => node::run(config, arguments, output).await,
        Command::Join(arguments) => node::join(config, arguments, output).await,
        Command::Relay(arguments) => node::relay(config, arguments, output).await,
        Command::Odds(arguments) => odds::run(&arguments, output),
        Command::Hand(Hand::Play(arguments)) => hand::play(&arguments),
        Command::Nearby { seconds } => nearby::run(seconds, output).await,
        other => commands::run(other, &config, output).await,
    }
}

fn configuration(cli: &Cli) -> Result<Loaded, config::Problems> {
    let none = NodeFlags::default();
    let node = match &cli.command {
        Command::Node(arguments) => &arguments.flags,
        Command::Join(arguments) | Command::Relay(arguments) => &arguments.flags,
        _ => &none,
    };
    let layer = Layer {
        profile: node.profile.clone(),
        listen: node.listen.clone(),
        peers: node.peers.clone(),
        advertise: node.advertise.clone(),
        api: node.api.clone(),
        lan: node.lan.clone(),
        bluetooth: node.bluetooth.clone(),
        adapters: node.adapters.clone(),
        frame: node.frame.clone(),
        links: node.links.clone(),
        exchange: node.exchange.clone(),
        allow: node.allow.clone(),
        deny: node.deny.clone(),
        history: node.history.clone(),
        light: node.light.then(|| "on".to_owned()),
        backup: node.backup.clone(),
        log: cli.global.log.clone(),
    };
    let (data_dir, config) = (cli.global.data_dir.clone(), cli.global.config.clone());
    let without_data_dir = matches!(cli.command, Command::Dev(_) | Command::Nearby { .. })
        || matches!(&cli.command, Command::Verify(verify) if verify.names_what_to_trust());
    let flags = Flags { data_dir, config, without_data_dir, layer };
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        // A variable that is not text is not one of ours.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    });
    config::load(flags, variables)
}

/// Logs to standard error, by `default` if the configuration does not say.
fn start_log(config: &Config, default: Option<&str>) {
    let filter = match default {
        Some(default) if config.log.source == Source::Default => default,
        Some(_) | None => &config.log.value,
    };
    let filter = EnvFilter::try_new(filter).expect("the configuration checked it");
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    subscriber.with_ansi(std::io::stderr().is_terminal()).init();
}
