//! What a node is configured with: flags before `BITCRAPS_*` variables before the configuration
//! file before defaults. Every value remembers where it came from, and all problems are found at
//! once, each naming its setting and its source.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::History;
use bitcraps_protocol::mesh::Pattern;
use tracing_subscriber::EnvFilter;

/// Where peers are accepted unless something else is configured.
pub const DEFAULT_LISTEN: &str = "0.0.0.0:7711";
/// What is logged unless something else is configured.
pub const DEFAULT_LOG: &str =
    "warn,bitcraps=info,bitcraps_tokio=info,bitcraps_smol=info,bitcraps_host=info";
/// The configuration file's name in the data directory.
pub const FILE_NAME: &str = "bitcraps.toml";

const PREFIX: &str = "BITCRAPS_";
const DATA_DIR: &str = "DATA_DIR";
const CONFIG: &str = "CONFIG";
/// `true` is another way to write the profile `mobile`.
const MOBILE_MODE: &str = "MOBILE_MODE";
/// What no address is.
const OFF: &str = "off";
/// Read where a passphrase is needed, and never kept in a configuration.
const PASSPHRASE: &str = "PASSPHRASE";
const PASSPHRASE_FILE: &str = "PASSPHRASE_FILE";

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    Flag,
    /// In the environment.
    Environment,
    /// In this configuration file.
    File(PathBuf),
    /// Nowhere: it is built in.
    Default,
}

/// A value and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was found.
    pub source: Source,
}

/// Everything that can be configured, valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where identity, genesis, journal and the API's socket live.
    pub data_dir: Sourced<PathBuf>,
    /// What kind of machine this is; decides other defaults.
    pub profile: Sourced<Profile>,
    /// Where peers are accepted over TCP, if they are.
    pub listen: Sourced<Option<SocketAddr>>,
    /// Peers to begin with, each `HOST:PORT`; the node keeps as many links as it needs.
    pub peers: Sourced<Vec<String>>,
    /// Where others can reach this node, each `HOST:PORT`; goes into invitations. Empty: what it
    /// listens on.
    pub advertise: Sourced<Vec<String>>,
    /// The loopback address on which the API is served besides its Unix socket, if it is.
    pub api: Sourced<Option<SocketAddr>>,
    /// Whether the node announces itself on the local network and looks for others there.
    pub lan: Sourced<bool>,
    /// Whether the node looks for others over Bluetooth.
    pub bluetooth: Sourced<bool>,
    /// The Bluetooth adapters to use, as the system names them; all of them if empty.
    pub adapters: Sourced<Vec<String>>,
    /// Bytes of the longest Bluetooth frame; fewer where an adapter loses longer ones.
    pub frame: Sourced<u16>,
    /// Peers that the node is linked with at most.
    pub links: Sourced<usize>,
    /// Whether nodes tell one another where others can be found.
    pub exchange: Sourced<bool>,
    /// Who is admitted and never banned, though `deny` names them: patterns of keys and addresses.
    pub allow: Sourced<Vec<Pattern>>,
    /// Who is not admitted.
    pub deny: Sourced<Vec<Pattern>>,
    /// How many blocks the node keeps.
    pub history: Sourced<History>,
    /// Whether the node follows headers and proofs only.
    pub light: Sourced<bool>,
    /// Where backups are made every hour, if they are: a directory, or `s3://BUCKET/PREFIX`.
    pub backup: Sourced<Option<String>>,
    /// What is logged, in the syntax of tracing's `EnvFilter`.
    pub log: Sourced<String>,
}

/// What kind of machine a node runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// On mains: TCP, and Bluetooth if it is switched on.
    Desktop,
    /// On a battery: Bluetooth, spending less on it, and TCP only where it is asked for.
    Mobile,
}

/// Values as one source states them, not yet checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// See [`Config::profile`].
    pub profile: Option<String>,
    /// See [`Config::listen`].
    pub listen: Option<String>,
    /// See [`Config::peers`].
    pub peers: Option<Vec<String>>,
    /// See [`Config::advertise`].
    pub advertise: Option<Vec<String>>,
    /// See [`Config::api`].
    pub api: Option<String>,
    /// See [`Config::lan`].
    pub lan: Option<String>,
    /// See [`Config::bluetooth`].
    pub bluetooth: Option<String>,
    /// See [`Config::adapters`].
    pub adapters: Option<Vec<String>>,
    /// See [`Config::frame`].
    pub frame: Option<String>,
    /// See [`Config::links`].
    pub links: Option<String>,
    /// See [`Config::exchange`].
    pub exchange: Option<String>,
    /// See [`Config::allow`].
    pub allow: Option<Vec<String>>,
    /// See [`Config::deny`].
    pub deny: Option<Vec<String>>,
    /// See [`Config::history`].
    pub history: Option<String>,
    /// See [`Config::light`].
    pub light: Option<String>,
    /// See [`Config::backup`].
    pub backup: Option<String>,
    /// See [`Config::log`].
    pub log: Option<String>,
}

/// What the command line says about configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// Whether the command uses no data directory, nor the configuration file in it.
    pub without_data_dir: bool,
    /// All the others.
    pub layer: Layer,
}

/// A configuration and what its author should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Sentences for standard error.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// Each names its setting and its source.
    pub problems: Vec<String>,
    /// What else its author should know.
    pub warnings: Vec<String>,
}

/// A setting of the layers: its name in files and, upper-case, in variables.
struct Setting {
    name: &'static str,
    put: fn(&mut Layer, Text) -> Result<(), &'static str>,
}

/// A value before its setting says which of the two it must be.
enum Text {
    One(String),
    Many(Vec<String>),
}

/// Patterns of one kind; each is tried for every link.
const MOST_PATTERNS: usize = 256;

const SETTINGS: [Setting; 17] = [
    Setting { name: "profile", put: |layer, text| one(&mut layer.profile, text) },
    Setting { name: "listen", put: |layer, text| one(&mut layer.listen, text) },
    Setting { name: "peers", put: |layer, text| many(&mut layer.peers, text) },
    Setting { name: "advertise", put: |layer, text| many(&mut layer.advertise, text) },
    Setting { name: "api", put: |layer, text| one(&mut layer.api, text) },
    Setting { name: "backup", put: |layer, text| one(&mut layer.backup, text) },
    Setting { name: "history", put: |layer, text| one(&mut layer.history, text) },
    Setting { name: "light", put: |layer, text| one(&mut layer.light, text) },
    Setting { name: "lan", put: |layer, text| one(&mut layer.lan, text) },
    Setting { name: "bluetooth", put: |layer, text| one(&mut layer.bluetooth, text) },
    Setting { name: "adapters", put: |layer, text| many(&mut layer.adapters, text) },
    Setting { name: "frame", put: |layer, text| one(&mut layer.frame, text) },
    Setting { name: "links", put: |layer, text| one(&mut layer.links, text) },
    Setting { name: "exchange", put: |layer, text| one(&mut layer.exchange, text) },
    Setting { name: "allow", put: |layer, text| many(&mut layer.allow, text) },
    Setting { name: "deny", put: |layer, text| many(&mut layer.deny, text) },
    Setting { name: "log", put: |layer, text| one(&mut layer.log, text) },
];

fn one(slot: &mut Option<String>, text: Text) -> Result<(), &'static str> {
    let Text::One(text) = text else { return Err("must be one string, not a list") };
    *slot = Some(text);
    Ok(())
}

fn many(slot: &mut Option<Vec<String>>, text: Text) -> Result<(), &'static str> {
    let Text::Many(texts) = text else { return Err("must be a list of strings") };
    *slot = Some(texts);
    Ok(())
}

/// Merges `flags`, the variables in `environment` and the configuration file.
///
/// Reads at most one file: `--config`, `BITCRAPS_CONFIG`, or `bitcraps.toml` in the data
/// directory, of which only the last may be missing.
pub fn load(
    flags: Flags,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let environment = Environment::read(environment);
    let data_dir = first([
        (flags.without_data_dir.then(PathBuf::new), Source::Default),
        (flags.data_dir, Source::Flag),
        (environment.data_dir.clone(), Source::Environment),
        (default_data_dir(&environment), Source::Default),
    ]);
    let data_dir = data_dir.unwrap_or_else(|| {
        problems.push("data-dir: not given, and there is no home directory".into());
        Sourced { value: PathBuf::new(), source: Source::Default }
    });
    let named = first([(flags.config, Source::Flag), (environment.config, Source::Environment)]);
    let (file, from_file) = match named {
        Some(Sourced { value, source }) => {
            let layer = read_file(&value, Some(source), &mut problems);
            (value, layer)
        }
        None if data_dir.value.as_os_str().is_empty() => (PathBuf::new(), Layer::default()),
        None => {
            let file = data_dir.value.join(FILE_NAME);
            let layer = read_file(&file, None, &mut problems);
            (file, layer)
        }
    };
    let layers = [
        (Source::Flag, flags.layer),
        (Source::Environment, environment.layer),
        (Source::File(file), from_file),
    ];
    match check(data_dir, &layers, &mut problems) {
        Some(config) if problems.is_empty() => {
            Ok(Loaded { config, warnings: environment.warnings })
        }
        _ => Err(Problems { problems, warnings: environment.warnings }),
    }
}

struct Environment {
    data_dir: Option<PathBuf>,
    config: Option<PathBuf>,
    data_home: Option<PathBuf>,
    home: Option<PathBuf>,
    layer: Layer,
    warnings: Vec<String>,
}

impl Environment {
    /// An empty variable counts as unset, as is usual in service files.
    fn read(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut read = Self {
            data_dir: None,
            config: None,
            data_home: None,
            home: None,
            layer: Layer::default(),
            warnings: Vec::new(),
        };
        for (name, value) in variables {
            if value.is_empty() {
                continue;
            }
            match name.as_str() {
                "HOME" => read.home = Some(value.into()),
                "XDG_DATA_HOME" => read.data_home = Some(value.into()),
                _ => {
                    if let Some(setting) = name.strip_prefix(PREFIX) {
                        read.put(setting, value);
                    }
                }
            }
        }
        read
    }

    fn put(&mut self, name: &str, value: String) {
        match name {
            DATA_DIR => return self.data_dir = Some(value.into()),
            CONFIG => return self.config = Some(value.into()),
            PASSPHRASE | PASSPHRASE_FILE => return,
            MOBILE_MODE => {
                let profile = match value.as_str() {
                    "true" => "mobile",
                    "false" => "desktop",
                    _ => {
                        return self
                            .warnings
                            .push(format!("{PREFIX}{name}: neither true nor false"));
                    }
                };
                self.layer.profile.get_or_insert(profile.into());
                return;
            }
            _ => {}
        }
        let Some(setting) = SETTINGS.iter().find(|known| known.name.to_uppercase() == name) else {
            let known = SETTINGS.iter().map(|known| known.name.to_uppercase());
            let known = known
                .chain([DATA_DIR, CONFIG, MOBILE_MODE, PASSPHRASE, PASSPHRASE_FILE].map(Into::into))
                .collect::<Vec<_>>();
            let hint = similar(name, known.iter().map(String::as_str));
            let hint = hint.map_or(String::new(), |hint| format!("; did you mean {PREFIX}{hint}?"));
            return self.warnings.push(format!("{PREFIX}{name}: no such setting{hint}"));
        };
        setting.set(&mut self.layer, value);
    }
}

impl Setting {
    /// Sets it to what one text says; of a list, with commas.
    fn set(&self, layer: &mut Layer, value: String) {
        let list = || value.split(',').map(str::trim).filter(|item| !item.is_empty());
        if (self.put)(layer, Text::Many(list().map(Into::into).collect())).is_err() {
            (self.put)(layer, Text::One(value)).expect("a setting is one or many");
        }
    }
}

impl Layer {
    /// Sets the setting called `name` to what one text says; of a list, with commas. Whether there
    /// is such a setting.
    pub fn set(&mut self, name: &str, value: String) -> bool {
        let setting = SETTINGS.iter().find(|known| known.name == name);
        setting.map(|setting| setting.set(self, value)).is_some()
    }
}

/// Of all `known` names the one most like `name`, if any is.
fn similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
    known.min_by_key(distance).filter(|best| distance(best) <= 2)
}

fn default_data_dir(environment: &Environment) -> Option<PathBuf> {
    let home = || environment.home.as_ref().map(|home| home.join(".local/share"));
    environment.data_home.clone().or_else(home).map(|directory| directory.join("bitcraps"))
}

fn read_file(path: &Path, named: Option<Source>, problems: &mut Vec<String>) -> Layer {
    let mut layer = Layer::default();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return layer;
        }
        Err(error) => {
            let source = named.map_or(String::new(), |source| format!(" ({source})"));
            problems.push(format!("config: cannot read {}: {error}{source}", path.display()));
            return layer;
        }
    };
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let error = error.to_string();
            problems.push(format!("config: {} is not TOML: {}", path.display(), error.trim_end()));
            return layer;
        }
    };
    for (name, value) in table {
        let Some(setting) = SETTINGS.iter().find(|known| known.name == name) else {
            let hint = similar(&name, SETTINGS.iter().map(|known| known.name));
            let hint = hint.map_or(String::new(), |hint| format!("; did you mean {hint}?"));
            problems.push(format!("{name}: no such setting{hint} (in {})", path.display()));
            continue;
        };
        let put = text_of(value).and_then(|text| (setting.put)(&mut layer, text));
        if let Err(reason) = put {
            problems.push(format!("{name}: {reason} (in {})", path.display()));
        }
    }
    layer
}

fn text_of(value: toml::Value) -> Result<Text, &'static str> {
    const REASON: &str = "must be a string or a list of strings";
    match value {
        toml::Value::String(text) => Ok(Text::One(text)),
        toml::Value::Array(items) => {
            let texts = items.into_iter().map(|item| match item {
                toml::Value::String(text) => Ok(text),
                _ => Err(REASON),
            });
            texts.collect::<Result<_, _>>().map(Text::Many)
        }
        _ => Err(REASON),
    }
}

/// The first value that is there.
fn first<T, const N: usize>(candidates: [(Option<T>, Source); N]) -> Option<Sourced<T>> {
    let mut found = candidates.into_iter();
    found.find_map(|(value, source)| value.map(|value| Sourced { value, source }))
}

/// The value that the first of the layers states.
fn pick<T: Clone>(
    layers: &[(Source, Layer); 3],
    get: fn(&Layer) -> &Option<T>,
    default: T,
) -> Sourced<T> {
    let mut layers = layers.iter();
    let stated = layers.find_map(|(source, layer)| Some((get(layer).clone()?, source.clone())));
    let (value, source) = stated.unwrap_or((default, Source::Default));
    Sourced { value, source }
}

fn check(
    data_dir: Sourced<PathBuf>,
    layers: &[(Source, Layer); 3],
    problems: &mut Vec<String>,
) -> Option<Config> {
    let mut checker = Checker { problems };
    let profile = pick(layers, |layer| &layer.profile, "desktop".into());
    let profile = checker.parse("profile", profile, |text| match text {
        "desktop" => Ok(Profile::Desktop),
        "mobile" => Ok(Profile::Mobile),
        _ => Err("is neither desktop nor mobile"),
    });
    let is_mobile = profile.as_ref().is_some_and(|it| it.value == Profile::Mobile);
    let for_profile = |desktop: &str, mobile: &str| {
        if is_mobile { mobile.to_owned() } else { desktop.to_owned() }
    };
    let light = checker.parse("light", pick(layers, |layer| &layer.light, OFF.into()), on_or_off);
    let is_light = light.as_ref().is_some_and(|it| it.value);
    // Nobody gains anything by dialling a light node.
    let listen = if is_light { OFF } else { DEFAULT_LISTEN };
    let listen = pick(layers, |layer| &layer.listen, for_profile(listen, OFF));
    let listen = checker.parse("listen", listen, |text| match text {
        OFF => Ok(None),
        text => text.parse().map(Some).map_err(|_| "is neither IP:PORT nor off"),
    });
    let peers = checker.endpoints("peers", pick(layers, |layer| &layer.peers, Vec::new()));
    let advertise =
        checker.endpoints("advertise", pick(layers, |layer| &layer.advertise, Vec::new()));
    let api = checker.parse("api", pick(layers, |layer| &layer.api, String::new()), |text| {
        if text.is_empty() {
            return Ok(None);
        }
        let address = text.parse::<SocketAddr>().map_err(|_| "is not IP:PORT")?;
        let loopback = address.ip().is_loopback();
        if loopback { Ok(Some(address)) } else { Err("is not a loopback address") }
    });
    let lan = pick(layers, |layer| &layer.lan, for_profile("on", OFF));
    let lan = checker.parse("lan", lan, on_or_off);
    let bluetooth = pick(layers, |layer| &layer.bluetooth, for_profile(OFF, "on"));
    let bluetooth = checker.parse("bluetooth", bluetooth, on_or_off);
    let adapters = pick(layers, |layer| &layer.adapters, Vec::new());
    let frame = checker.parse("frame", pick(layers, |layer| &layer.frame, "510".into()), |text| {
        let bytes = text.parse().ok().filter(|bytes| (18..=510).contains(bytes));
        bytes.ok_or("is not a number from 18 to 510")
    });
    let links = checker.parse("links", pick(layers, |layer| &layer.links, "64".into()), |text| {
        let links = text.parse().ok().filter(|links| (1..=512).contains(links));
        links.ok_or("is not a number from 1 to 512")
    });
    let exchange = pick(layers, |layer| &layer.exchange, "on".into());
    let exchange = checker.parse("exchange", exchange, on_or_off);
    let allow = checker.patterns("allow", pick(layers, |layer| &layer.allow, Vec::new()));
    let deny = checker.patterns("deny", pick(layers, |layer| &layer.deny, Vec::new()));
    let history = pick(layers, |layer| &layer.history, "archive".into());
    let history = checker.parse("history", history, |text| match text {
        "archive" => Ok(History::Archive),
        "full" => Ok(History::Full),
        "light" => Ok(History::Light),
        _ => Err("is neither archive, full nor light"),
    });
    let backup =
        checker.parse("backup", pick(layers, |layer| &layer.backup, String::new()), |text| {
            match text {
                "" => Ok(None),
                _ if is_light => Err("cannot be: a light node has nothing to back up"),
                text => Ok(Some(text.to_owned())),
            }
        });
    let log = checker.parse("log", pick(layers, |layer| &layer.log, DEFAULT_LOG.into()), |text| {
        EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|_| "is not a log filter")
    });
    Some(Config {
        data_dir,
        profile: profile?,
        listen: listen?,
        peers: peers?,
        advertise: advertise?,
        api: api?,
        lan: lan?,
        bluetooth: bluetooth?,
        adapters,
        frame: frame?,
        links: links?,
        exchange: exchange?,
        allow: allow?,
        deny: deny?,
        history: history?,
        light: light?,
        backup: backup?,
        log: log?,
    })
}

fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("is neither on nor off"),
    }
}

struct Checker<'a> {
    problems: &'a mut Vec<String>,
}

impl Checker<'_> {
    fn parse<T>(
        &mut self,
        name: &str,
        text: Sourced<String>,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<Sourced<T>> {
        match parse(&text.value) {
            Ok(value) => Some(Sourced { value, source: text.source }),
            Err(reason) => {
                let Sourced { value, source } = text;
                self.problems.push(format!("{name}: {value:?} {reason} ({source})"));
                None
            }
        }
    }

    fn endpoints(
        &mut self,
        name: &str,
        list: Sourced<Vec<String>>,
    ) -> Option<Sourced<Vec<String>>> {
        let bad = list.value.iter().filter(|endpoint| !is_endpoint(endpoint)).collect::<Vec<_>>();
        for bad in &bad {
            self.problems.push(format!("{name}: {bad:?} is not HOST:PORT ({})", list.source));
        }
        bad.is_empty().then_some(list)
    }
}

impl Checker<'_> {
    fn patterns(
        &mut self,
        name: &str,
        list: Sourced<Vec<String>>,
    ) -> Option<Sourced<Vec<Pattern>>> {
        let Sourced { value, source } = list;
        let before = self.problems.len();
        if value.len() > MOST_PATTERNS {
            self.problems.push(format!("{name}: more than {MOST_PATTERNS} patterns ({source})"));
        }
        let mut patterns = Vec::new();
        for text in value {
            match text.parse() {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.problems.push(format!("{name}: {text:?} {error} ({source})")),
            }
        }
        (self.problems.len() == before).then_some(Sourced { value: patterns, source })
    }
}

/// Whether `text` is a host name, IPv4 address or bracketed IPv6 address with a port.
pub(crate) fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_sound = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
            !host.is_empty() && host.len() <= 253 && host.chars().all(allowed)
        }
    };
    host_is_sound && port.parse::<u16>().is_ok_and(|port| port != 0)
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        let lines = self.problems.iter().cloned().chain(warnings).collect::<Vec<_>>();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("from the command line"),
            Self::Environment => formatter.write_str("from the environment"),
            Self::File(path) => write!(formatter, "in {}", path.display()),
            Self::Default => formatter.write_str("built in"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn directory_with(file: Option<&str>) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        if let Some(text) = file {
            std::fs::write(directory.path().join(FILE_NAME), text).unwrap();
        }
        directory
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let file = "listen = '127.0.0.1:3'";
        let cases = [
            (Some("127.0.0.1:1"), Some("127.0.0.1:2"), Some(file), "127.0.0.1:1", 0),
            (None, Some("127.0.0.1:2"), Some(file), "127.0.0.1:2", 1),
            (None, Some(""), Some(file), "127.0.0.1:3", 2),
            (None, None, Some(file), "127.0.0.1:3", 2),
            (None, None, None, DEFAULT_LISTEN, 3),
        ];
        for (flag, variable, file, expected, source) in cases {
            let directory = directory_with(file);
            let sources = [
                Source::Flag,
                Source::Environment,
                Source::File(directory.path().join(FILE_NAME)),
                Source::Default,
            ];
            let flags = Flags {
                data_dir: Some(directory.path().into()),
                config: None,
                without_data_dir: false,
                layer: Layer { listen: flag.map(Into::into), ..Layer::default() },
            };
            let environment = variable.map(|value| ("BITCRAPS_LISTEN".into(), value.into()));
            let loaded = load(flags, environment).unwrap();
            let value = Some(expected.parse().unwrap());
            let expected = Sourced { value, source: sources[source].clone() };
            assert_eq!(loaded.config.listen, expected);
        }
    }

    #[test]
    fn patterns_are_read_and_what_is_none_is_told_of() {
        let load_text = |text: &str| {
            let directory = directory_with(Some(text));
            let data_dir = Some(directory.path().into());
            load(Flags { data_dir, ..Flags::default() }, [])
        };
        let config = load_text("allow = ['peer:1f*']\ndeny = ['address:10.*', 'peer:*']").unwrap();
        let texts = |list: &Sourced<Vec<Pattern>>| {
            list.value.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(texts(&config.config.allow), ["peer:1f*"]);
        assert_eq!(texts(&config.config.deny), ["address:10.*", "peer:*"]);
        let [problem] = &load_text("deny = ['10.1.2.3']").unwrap_err().problems[..] else {
            panic!("there is one problem");
        };
        let expected =
            "deny: \"10.1.2.3\" is neither peer:HEX nor address:HOST, with * for any text";
        assert!(problem.starts_with(expected), "{problem}");
    }

    #[test]
    fn all_problems_are_told_at_once_with_setting_and_source() {
        let directory =
            directory_with(Some("lisen = 'x'\npeers = 'a:1'\nadvertise = ['b', 'c:1']\nlog = 7"));
        let path = directory.path().join(FILE_NAME);
        let path = path.display();
        let flags = Flags {
            data_dir: Some(directory.path().into()),
            config: None,
            without_data_dir: false,
            layer: Layer { api: Some("192.0.2.1:80".into()), ..Layer::default() },
        };
        let environment =
            variables(&[("BITCRAPS_LISTEN", "nowhere"), ("BITCRAPS_LISTN", "nowhere")]);
        let Problems { problems, warnings } = load(flags, environment).unwrap_err();
        assert_eq!(warnings, ["BITCRAPS_LISTN: no such setting; did you mean BITCRAPS_LISTEN?"]);
        assert_eq!(
            problems,
            [
                format!("lisen: no such setting; did you mean listen? (in {path})"),
                format!("log: must be a string or a list of strings (in {path})"),
                format!("peers: must be a list of strings (in {path})"),
                "listen: \"nowhere\" is neither IP:PORT nor off (from the environment)".into(),
                format!("advertise: \"b\" is not HOST:PORT (in {path})"),
                "api: \"192.0.2.1:80\" is not a loopback address (from the command line)".into(),
            ]
        );
    }

    #[test]
    fn an_unknown_variable_is_a_warning_with_a_suggestion() {
        let environment = variables(&[
            ("HOME", "/home/player"),
            ("BITCRAPS_PEER", "a:1"),
            ("BITCRAPS_SOMETHING_ELSE", "1"),
            ("BITCRAPS_PEERS", "a:1, b:2"),
        ]);
        let loaded = load(Flags::default(), environment).unwrap();
        assert_eq!(
            loaded.warnings,
            [
                "BITCRAPS_PEER: no such setting; did you mean BITCRAPS_PEERS?",
                "BITCRAPS_SOMETHING_ELSE: no such setting"
            ]
        );
        assert_eq!(loaded.config.peers.value, ["a:1", "b:2"]);
        assert_eq!(
            loaded.config.data_dir.value,
            PathBuf::from("/home/player/.local/share/bitcraps")
        );
    }

    #[test]
    fn a_mobile_machine_is_on_bluetooth_and_on_tcp_only_if_asked() {
        let load = |pairs: &[(&str, &str)]| {
            let home = variables(&[("HOME", "/home/player")]);
            let loaded = load(Flags::default(), home.into_iter().chain(variables(pairs)));
            let Config { profile, listen, lan, bluetooth, .. } = loaded.unwrap().config;
            (profile.value, listen.value, lan.value, bluetooth.value)
        };
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(load(&[]), (Profile::Desktop, address(DEFAULT_LISTEN), true, false));
        for mobile in [("BITCRAPS_MOBILE_MODE", "true"), ("BITCRAPS_PROFILE", "mobile")] {
            assert_eq!(load(&[mobile]), (Profile::Mobile, None, false, true));
            let listen = ("BITCRAPS_LISTEN", "127.0.0.1:7711");
            let expected = (Profile::Mobile, address("127.0.0.1:7711"), false, true);
            assert_eq!(load(&[mobile, listen]), expected);
        }
        let off = load(&[("BITCRAPS_LISTEN", "off"), ("BITCRAPS_BLUETOOTH", "on")]);
        assert_eq!(off, (Profile::Desktop, None, true, true));
    }

    #[test]
    fn only_a_command_that_uses_a_data_directory_needs_a_home() {
        let problems = load(Flags::default(), []).unwrap_err().problems;
        assert_eq!(problems, ["data-dir: not given, and there is no home directory"]);
        assert!(load(Flags { without_data_dir: true, ..Flags::default() }, []).is_ok());
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let directory = directory_with(None);
        let missing = directory.path().join("other.toml");
        let flags = Flags {
            data_dir: Some(directory.path().into()),
            config: Some(missing.clone()),
            without_data_dir: false,
            layer: Layer::default(),
        };
        let problems = load(flags, []).unwrap_err().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        let start = format!("config: cannot read {}: ", missing.display());
        assert!(
            problems[0].starts_with(&start) && problems[0].ends_with("(from the command line)")
        );
    }

    #[test]
    fn endpoints_are_hosts_with_ports() {
        for sound in ["127.0.0.1:1", "[::1]:7711", "a-b.example:65535"] {
            assert!(is_endpoint(sound), "{sound}");
        }
        for wrong in ["", ":1", "a", "a:", "a:0", "a:65536", "::1:7", "[::1]", "a b:1", "[a]:1"] {
            assert!(!is_endpoint(wrong), "{wrong}");
        }
    }
}
