//! `key seal`, `unseal`, `passphrase`, `export`, `import`, and where passphrases come from.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::Context as _;
use bitcraps_host::Identity;
use bitcraps_host::identity::{Cost, IdentityError, Passphrase, given_passphrase, read_passphrase};
use bitcraps_host::lock::Lock;
use bitcraps_protocol::identity::ProofOfWork;
use bitcraps_tokio::home::Home;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::{Key, NewPassphrase};
use crate::exit::Usage;
use crate::output::{Output, aside};

/// Bytes of the longest text that can be a recovery phrase.
const PHRASE_BYTES: u64 = 1024;

#[derive(Serialize)]
struct View {
    address: String,
    sealed: bool,
}

#[derive(Serialize)]
struct PhraseView<'a> {
    address: String,
    phrase: &'a str,
}

/// `bitcraps key …`, except `card`.
pub(crate) fn run(home: &Home, command: Key, output: Output) -> anyhow::Result<()> {
    let directory = home.directory();
    match command {
        Key::Card => unreachable!("this is carried out elsewhere"),
        Key::Seal { new } => {
            let _lock = Lock::take(directory)?;
            if outside(home)?.is_sealed {
                return Err(Usage(
                    "it is sealed already; change the passphrase with: bitcraps key \
                                  passphrase"
                        .into(),
                )
                .into());
            }
            let identity = load(home, None)?;
            store(home, &identity, Some(&new_passphrase(&new, true)?), output)
        }
        Key::Unseal => {
            let _lock = Lock::take(directory)?;
            if !outside(home)?.is_sealed {
                return Err(Usage("it is not sealed".into()).into());
            }
            let identity = load(home, passphrase(home)?.as_ref())?;
            store(home, &identity, None, output)?;
            aside("from now on only the file's permissions protect the key");
            Ok(())
        }
        Key::Passphrase { new } => {
            let _lock = Lock::take(directory)?;
            if !outside(home)?.is_sealed {
                return Err(Usage("it is not sealed yet; use: bitcraps key seal".into()).into());
            }
            let identity = load(home, passphrase(home)?.as_ref())?;
            // The variables say the old one.
            store(home, &identity, Some(&new_passphrase(&new, false)?), output)
        }
        Key::Export => {
            let identity = load(home, passphrase(home)?.as_ref())?;
            aside("whoever reads these words has the key and its chips; write them on paper");
            let phrase = identity.phrase();
            let view = PhraseView { address: identity.address().to_string(), phrase: &phrase };
            Ok(output.answer(&view, || phrase.to_string())?)
        }
        Key::Import { new } => import(directory, &new, output),
    }
}

fn import(directory: &Path, new: &NewPassphrase, output: Output) -> anyhow::Result<()> {
    if io::stdin().is_terminal() {
        aside("the 24 words, separated by spaces, then Enter:");
    }
    let mut phrase = Zeroizing::new(String::with_capacity(PHRASE_BYTES as usize));
    if io::stdin().is_terminal() {
        io::stdin().read_line(&mut phrase)?;
    } else {
        io::stdin().take(PHRASE_BYTES).read_to_string(&mut phrase)?;
    }
    let words = phrase.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let words = Zeroizing::new(words);
    let passphrase = match (&new.new_passphrase_file, given_passphrase()?) {
        (Some(file), _) => Some(read_passphrase(file)?),
        (None, given) => given,
    };
    let bits = ProofOfWork::DEFAULT_BITS;
    let identity = Identity::import(directory, &words, bits, passphrase.as_ref())?;
    if passphrase.is_none() {
        aside("the identity is not sealed; seal it with: bitcraps key seal");
    }
    tell(&identity, passphrase.is_some(), output)
}

/// The passphrase of the identity in `home`: from the environment, or asked for, if it is sealed.
/// For one that is yet to be made, from the environment only.
pub(crate) fn passphrase(home: &Home) -> anyhow::Result<Option<Passphrase>> {
    let outside = Identity::outside(home.directory())?;
    if outside.is_some_and(|outside| !outside.is_sealed) {
        return Ok(None);
    }
    let given = given_passphrase()?;
    if given.is_some() || outside.is_none() || !io::stdin().is_terminal() {
        return Ok(given);
    }
    Ok(Some(ask("Passphrase: ")?))
}

/// A passphrase that is to be set: from a file, from the environment if `environment` may say it,
/// or asked for twice.
fn new_passphrase(new: &NewPassphrase, environment: bool) -> anyhow::Result<Passphrase> {
    if let Some(file) = &new.new_passphrase_file {
        return Ok(read_passphrase(file)?);
    }
    if environment && let Some(given) = given_passphrase()? {
        return Ok(given);
    }
    if !io::stdin().is_terminal() {
        return Err(Usage(
            "nobody can be asked for the new passphrase; give it with --new-passphrase-file".into(),
        )
        .into());
    }
    let first = read("New passphrase: ")?;
    let second = read("The same again: ")?;
    if first != second {
        return Err(Usage("the two differ; nothing was changed".into()).into());
    }
    Ok(parse_zeroizing(first)?)
}

fn ask(prompt: &str) -> anyhow::Result<Passphrase> {
    Ok(parse_zeroizing(read(prompt)?)?)
}

fn read(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let typed = rpassword::prompt_password(prompt).context("cannot read the passphrase")?;
    Ok(Zeroizing::new(typed))
}

fn parse_zeroizing(text: Zeroizing<String>) -> Result<Passphrase, Usage> {
    Passphrase::new(text).map_err(|bad| Usage(bad.to_string()))
}

fn outside(home: &Home) -> anyhow::Result<bitcraps_host::identity::Outside> {
    Identity::outside(home.directory())?.ok_or_else(|| nobody(home).into())
}

fn load(home: &Home, passphrase: Option<&Passphrase>) -> anyhow::Result<Identity> {
    let loaded: Result<_, IdentityError> = Identity::load(home.directory(), passphrase);
    loaded?.ok_or_else(|| nobody(home).into())
}

fn nobody(home: &Home) -> Usage {
    let directory = home.directory().display();
    Usage(format!("{directory} holds no identity; make one with: bitcraps key card"))
}

fn store(
    home: &Home,
    identity: &Identity,
    passphrase: Option<&Passphrase>,
    output: Output,
) -> anyhow::Result<()> {
    identity.store(home.directory(), passphrase, Cost::RECOMMENDED)?;
    tell(identity, passphrase.is_some(), output)
}

fn tell(identity: &Identity, sealed: bool, output: Output) -> anyhow::Result<()> {
    let view = View { address: identity.address().to_string(), sealed };
    let how = if sealed { "sealed" } else { "not sealed" };
    output.answer(&view, || format!("{}: {how}", view.address))?;
    Ok(())
}
