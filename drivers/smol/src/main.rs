//! The `bitcraps-smol` command: a node and nothing else, for small machines. Everything one does
//! with a node, the `bitcraps` command does with this one too.

mod flags;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use bitcraps_host::Identity;
use bitcraps_host::config::{self, Config, Loaded};
use bitcraps_host::exit::{self, Stopped, USAGE};
use bitcraps_host::home::{Home, read_genesis};
use bitcraps_host::identity::{Passphrase, given_passphrase};
use bitcraps_host::launch::choose_port;
use bitcraps_host::redeem::Chips;
use bitcraps_smol::runtime::{Executor, RunError, Running};
use smol::Timer;
use smol::future::or;
use smol::stream::StreamExt as _;
use tracing_subscriber::EnvFilter;

use crate::flags::{Arguments, Asked};

/// How long a start waits for the chips of an invitation before it says that it is ready.
const CHIPS_WAIT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn run() -> anyhow::Result<()> {
    let arguments = match flags::read(std::env::args_os().skip(1))? {
        Asked::Node(arguments) => *arguments,
        Asked::Text(text) => return Ok(print(&text)?),
    };
    let Arguments { flags, genesis, network_key, accept_lost_journal } = arguments;
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        // A variable that is not text is not one of ours.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    });
    let Loaded { mut config, warnings } = config::load(flags, variables)?;
    for warning in &warnings {
        aside(&format!("warning: {warning}"));
    }
    if config.api.value.is_some() || config.backup.value.is_some() {
        aside("warning: this program serves its Unix socket only, and makes no backups");
    }
    if config.bluetooth.value {
        aside("warning: this program has no Bluetooth");
    }
    start_log(&config);
    let home = Home::new(&config.data_dir.value);
    if let Some(path) = genesis {
        home.adopt(&read_genesis(&path)?)?;
    }
    if let Some(path) = network_key {
        home.adopt_key_in(&path)?;
    }
    choose_port(&mut config, &home);
    let passphrase = passphrase(&home)?;
    let executor = Arc::new(Executor::new());
    let serving = serve(&executor, &config, passphrase.as_ref(), accept_lost_journal);
    smol::block_on(executor.run(serving))
}

/// The identity's passphrase, if it is sealed or yet to be made.
fn passphrase(home: &Home) -> anyhow::Result<Option<Passphrase>> {
    let outside = Identity::outside(home.directory())?;
    let passphrase = match outside {
        Some(outside) if !outside.is_sealed => None,
        Some(_) | None => given_passphrase()?,
    };
    if passphrase.is_none() {
        aside(
            "warning: the identity is not sealed; whoever can read its file has the key and its \
             chips. Seal it with: bitcraps key seal",
        );
    }
    Ok(passphrase)
}

/// Runs the node until a signal, or until it cannot go on.
async fn serve(
    executor: &Arc<Executor>,
    config: &Config,
    passphrase: Option<&Passphrase>,
    accept_lost_journal: bool,
) -> anyhow::Result<()> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    let running = Running::start(executor, config, passphrase, accept_lost_journal)?;
    let signalled = async {
        signals.next().await;
        Ok(())
    };
    let ended = async {
        Err(Stopped::check(running.ended().await)
            .err()
            .map_or_else(|| anyhow::anyhow!("the node has stopped"), Into::into))
    };
    let played = or(ended, or(signalled, play(&running, config))).await;
    let said = print("stopping");
    let stopped = Stopped::check(running.stop().await);
    // Why it stops matters more than whether anybody listens.
    played?;
    stopped?;
    Ok(said?)
}

/// Takes the invitation's chips, says that the node is ready, and goes on for ever.
async fn play(running: &Running, config: &Config) -> anyhow::Result<()> {
    let in_time = async {
        take_chips(running).await;
        true
    };
    let late = async {
        Timer::after(CHIPS_WAIT).await;
        false
    };
    let taken = or(in_time, late).await;
    say_ready(running, config)?;
    if !taken {
        aside("the invitation's chips have not arrived yet; still looking for them");
        take_chips(running).await;
    }
    std::future::pending().await
}

async fn take_chips(running: &Running) {
    let said = match running.take_chips().await {
        Ok(Chips::None) => Ok(()),
        Ok(Chips::Received(amount)) => print(&format!("received {amount} chips")),
        Ok(Chips::TakenBefore) => print("somebody else has already taken this invitation's chips"),
        Err(error) => print(&format!("the invitation's chips are not taken: {error}")),
    };
    if let Err(error) = said {
        tracing::debug!(%error, "nobody reads the output");
    }
}

fn say_ready(running: &Running, config: &Config) -> io::Result<()> {
    let status = running.handle().status();
    if let Some(reason) = &status.abstains {
        aside(&format!("this validator does not vote: {reason}"));
    }
    if running.voted_without_journal() {
        aside(
            "WARNING: this validator votes although its journal was lost, because it was told to; \
             if an earlier vote of its key says otherwise, that is evidence against it",
        );
    }
    let role = match status.validator {
        Some(index) => format!("validator {index} (of {}, counted from 0)", status.validators),
        None => "player".into(),
    };
    print(&format!(
        "ready: {} on \"{}\" ({}), {role}, listening on {}, data in {}",
        status.peer.short(),
        status.name,
        status.network.short(),
        running.listens_on().map_or("off".to_owned(), |address| address.to_string()),
        config.data_dir.value.display()
    ))
}

/// Logs to standard error.
fn start_log(config: &Config) {
    let filter = EnvFilter::try_new(&config.log.value).expect("the configuration checked it");
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    subscriber.with_ansi(io::stderr().is_terminal()).init();
}

/// Tells what went wrong, and gives the exit code that says what kind of thing it was.
fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(error) = error.downcast_ref::<io::Error>()
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        // Whoever read the output has seen enough.
        return ExitCode::SUCCESS;
    }
    aside(&format!("error: {}", exit::sentence(error.chain())));
    ExitCode::from(error.chain().find_map(code_of).unwrap_or(exit::NO))
}

fn code_of(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    match error.downcast_ref::<RunError>() {
        Some(RunError::Launch(error)) => exit::code_of(error),
        Some(RunError::Home(error)) => exit::code_of(error),
        Some(RunError::Listen { .. } | RunError::Api { .. }) => Some(USAGE),
        None => exit::code_of(error),
    }
}

/// Tells people something beside the answer.
fn aside(text: &str) {
    // If even standard error is gone, there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
