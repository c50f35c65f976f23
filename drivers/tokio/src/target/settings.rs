//! How an S3-compatible store is reached: the usual variables of the environment before `s3.toml`
//! in the data directory, which only its owner may read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::TargetError;

const FILE_NAME: &str = "s3.toml";

/// What is said about a store. Each is also a variable.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Settings {
    /// `AWS_ENDPOINT_URL`; Amazon's, if nothing is said.
    pub(super) endpoint: Option<String>,
    /// `AWS_REGION`.
    pub(super) region: Option<String>,
    /// `AWS_ACCESS_KEY_ID`.
    pub(super) access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub(super) secret_access_key: Option<String>,
    /// `AWS_SESSION_TOKEN`, of keys that last for some hours.
    pub(super) session_token: Option<String>,
}

/// Where the file is.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

impl Settings {
    /// What the variables say, and of the rest what the file says.
    pub(super) fn load(
        data_dir: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TargetError> {
        let file = Self::read(&path(data_dir))?.unwrap_or_default();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // A key in the environment comes with its own token, or with none.
        let key = set("AWS_ACCESS_KEY_ID").zip(set("AWS_SECRET_ACCESS_KEY"));
        let (id, secret, token) = match key {
            Some((id, secret)) => (Some(id), Some(secret), set("AWS_SESSION_TOKEN")),
            None => (file.access_key_id, file.secret_access_key, file.session_token),
        };
        Ok(Self {
            endpoint: set("AWS_ENDPOINT_URL").or(file.endpoint),
            region: set("AWS_REGION").or(file.region),
            access_key_id: id,
            secret_access_key: secret,
            session_token: token,
        })
    }

    fn read(path: &Path) -> Result<Option<Self>, TargetError> {
        let settings = |reason: String| TargetError::Settings { path: path.to_owned(), reason };
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(|error| settings(error.to_string()))?,
        };
        check_permissions(path, &metadata)?;
        let text = fs::read_to_string(path).map_err(|error| settings(error.to_string()))?;
        // The error's own text would quote the line.
        let read = toml::from_str(&text).map_err(|error| settings(error.message().to_owned()))?;
        Ok(Some(read))
    }
}

#[cfg(unix)]
fn check_permissions(path: &Path, metadata: &fs::Metadata) -> Result<(), TargetError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(TargetError::Exposed { path: path.to_owned(), mode })
}

#[cfg(not(unix))]
fn check_permissions(_path: &Path, _metadata: &fs::Metadata) -> Result<(), TargetError> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_in_the_environment_comes_before_the_file_which_only_its_owner_may_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = path(directory.path());
        let load = |variables: &[(&str, &str)]| {
            let found = |name: &str| {
                let known = variables.iter().find(|(known, _)| *known == name);
                known.map(|(_, value)| (*value).to_owned())
            };
            let loaded = Settings::load(directory.path(), found)?;
            let Settings { endpoint, region, access_key_id, secret_access_key, session_token } =
                loaded;
            Ok::<_, TargetError>(
                [endpoint, region, access_key_id, secret_access_key, session_token]
                    .map(Option::unwrap_or_default),
            )
        };
        assert_eq!(load(&[]).unwrap(), ["", "", "", "", ""]);
        let text = "endpoint = 'http://h:1'\naccess-key-id = 'i'\nsecret-access-key = 's'\n\
                    session-token = 't'\n";
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(&[]), Err(TargetError::Exposed { mode: 0o640, .. })));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(load(&[]).unwrap(), ["http://h:1", "", "i", "s", "t"]);
        let key = [("AWS_ACCESS_KEY_ID", "I"), ("AWS_SECRET_ACCESS_KEY", "S"), ("AWS_REGION", "R")];
        assert_eq!(load(&key).unwrap(), ["http://h:1", "R", "I", "S", ""]);
        assert_eq!(load(&key[..1]).unwrap(), ["http://h:1", "", "i", "s", "t"], "half a key");
        fs::write(&file, "secret-key = 'very secret'").unwrap();
        let refused = load(&[]).unwrap_err().to_string();
        assert!(refused.contains("secret-key") && !refused.contains("very"), "{refused}");
    }
}
