//! Passphrases that the environment gives to a program that nobody can type one into.

use std::env;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{BadPassphrase, IdentityError, Passphrase, read_passphrase};

/// The passphrase itself.
const VARIABLE: &str = "BITCRAPS_PASSPHRASE";
/// A file with the passphrase.
const FILE_VARIABLE: &str = "BITCRAPS_PASSPHRASE_FILE";

/// Why the environment gives no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum GivenError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] IdentityError),
    /// The variable holds something else.
    #[error("{VARIABLE} is not a text")]
    NotText,
    /// The variable holds a text that is no passphrase.
    #[error(transparent)]
    Bad(#[from] BadPassphrase),
}

/// The passphrase in the file that `BITCRAPS_PASSPHRASE_FILE` names, or in `BITCRAPS_PASSPHRASE`.
pub fn given_passphrase() -> Result<Option<Passphrase>, GivenError> {
    let given = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = given(FILE_VARIABLE) {
        return Ok(Some(read_passphrase(&PathBuf::from(path))?));
    }
    let Some(text) = given(VARIABLE) else { return Ok(None) };
    let text = text.into_string().map_err(|_| GivenError::NotText)?;
    Ok(Some(Passphrase::new(Zeroizing::new(text))?))
}
