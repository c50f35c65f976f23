//! Flags that make a configuration.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bitcraps_sim::config::{
    Config, DiceKeySource, LinkConfig, Profile, RADIO_VIEWS, parse_topology,
};
use bitcraps_sim::latency::Latency;
use bitcraps_sim::topology::Topology;
use clap::Args;

/// Nodes up to which links are encrypted unless asked for otherwise: each pays for a handshake with
/// each, and what is sealed for one cannot be sent to another.
const SEALED_PLACES: usize = 64;

/// Nodes up to which things go wrong for as long as by default: what a second costs grows with the
/// square of their number.
const LASTING_PLACES: u64 = 100;

/// How long things go wrong among more nodes at least, in milliseconds: several views.
const SHORTEST_MS: u64 = 1_000;

/// The mean pause between two deeds of players among radios, which share the air: what hundreds say
/// more often than that leaves no room for votes.
const RADIO_EVERY_MS: u64 = 500;

/// What to run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunFlags {
    /// Draws everything from the seed, as a swarm does.
    #[arg(long, conflicts_with_all = ["profile", "config"])]
    draw: bool,
    /// Starts from a ready-made kind of network.
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// Starts from a configuration in JSON, as a report holds it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// n, the validators.
    #[arg(long)]
    nodes: Option<u16>,
    /// Nodes that are not validators.
    #[arg(long)]
    players: Option<u16>,
    /// How many validators are hostile.
    #[arg(long)]
    byzantine: Option<u16>,
    /// What they do; several are shared out among them. Drawn from the seed if not given.
    #[arg(long = "strategy", value_name = "NAME")]
    strategies: Vec<String>,
    /// Breaks every node's core in this way; see `canary`.
    #[arg(long = "flaw", value_name = "NAME")]
    flaws: Vec<String>,
    /// full, star, ring, small-world[:NEIGHBOURS], radio[:RADIUS] or islands[:COUNT].
    #[arg(long, value_parser = parse_topology)]
    topology: Option<Topology>,
    /// Nodes choose their links themselves, this many at most: a partial mesh.
    #[arg(long, value_name = "LINKS")]
    views: Option<u16>,
    /// Every frame takes this many milliseconds.
    #[arg(long, value_name = "MS")]
    latency: Option<u64>,
    /// Links lose, repeat and reorder.
    #[arg(long)]
    datagram: bool,
    /// Links run without encryption: as many times faster as sealing costs more than the rest.
    #[arg(long)]
    clear: bool,
    /// Links run with encryption, which more than 64 nodes otherwise do without.
    #[arg(long, conflicts_with = "clear")]
    sealed: bool,
    /// Votes and transactions carry keyed hashes instead of signatures.
    #[arg(long)]
    stand_in: bool,
    /// What members say is sealed under a key of the network, which validators change now and then.
    #[arg(long)]
    private: bool,
    /// How long things go wrong: `60s`, `5m`. By default 5 s, and less among more than 100 nodes.
    #[arg(long, value_parser = duration)]
    until: Option<Duration>,
    /// K, how many blocks everybody must see final once all is healed.
    #[arg(long)]
    blocks: Option<u64>,
    /// Crashes with restart.
    #[arg(long)]
    crashes: Option<u16>,
    /// Partitions.
    #[arg(long)]
    cuts: Option<u16>,
    /// Frames lost, in a million.
    #[arg(long)]
    loss_ppm: Option<u32>,
    /// Validators of whose journal a durable sector rots.
    #[arg(long)]
    rotten: Option<u16>,
    /// Where the dice key comes from.
    #[arg(long, value_enum)]
    dice_key: Option<DiceKeySource>,
    /// How many tables there are.
    #[arg(long)]
    tables: Option<u16>,
    /// Mean milliseconds between two deeds of players: 60, and among radios 500.
    #[arg(long, value_name = "MS")]
    every: Option<u64>,
}

impl RunFlags {
    /// The configuration of a seed.
    pub(crate) fn config(&self, seed: u64) -> anyhow::Result<Config> {
        let mut config = match (self.draw, self.profile, &self.config) {
            (true, ..) => Config::drawn(seed),
            (false, Some(profile), _) => Config::of(profile),
            (false, None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("reading {}", path.display()))?;
                Config::from_json(&text)?
            }
            (false, None, None) => Config::default(),
        };
        config.seed = seed;
        set(&mut config.nodes, self.nodes);
        set(&mut config.players, self.players);
        set(&mut config.byzantine, self.byzantine);
        set(&mut config.topology, self.topology);
        let ready_made = self.draw || self.profile.is_some() || self.config.is_some();
        if matches!(config.topology, Topology::Radio { .. }) && !ready_made {
            (config.views, config.link) = (Some(RADIO_VIEWS), LinkConfig::radio());
            config.workload.every_ms = RADIO_EVERY_MS;
        }
        config.views = self.views.or(config.views);
        set(&mut config.blocks, self.blocks);
        set(&mut config.faults.crashes, self.crashes);
        set(&mut config.faults.cuts, self.cuts);
        set(&mut config.faults.loss_ppm, self.loss_ppm);
        set(&mut config.faults.rotten, self.rotten);
        set(&mut config.dice_key, self.dice_key);
        set(&mut config.workload.tables, self.tables);
        set(&mut config.workload.every_ms, self.every);
        set(
            &mut config.link.latency,
            self.latency.map(|ms| Latency::Constant { micros: ms * 1_000 }),
        );
        config.link.datagram |= self.datagram;
        config.link.clear |= self.clear || config.places() > SEALED_PLACES;
        config.link.clear &= !self.sealed;
        config.stand_in |= self.stand_in;
        config.private |= self.private;
        if !self.strategies.is_empty() {
            config.strategies.clone_from(&self.strategies);
        } else if config.strategies.is_empty() && self.config.is_none() {
            config.draw_strategies();
        }
        if !self.flaws.is_empty() {
            config.flaws.clone_from(&self.flaws);
        }
        let places = config.places() as u64;
        if places > LASTING_PLACES && !ready_made {
            let lasts = config.faulty_ms * LASTING_PLACES.pow(2) / places.pow(2);
            config.faulty_ms = lasts.max(SHORTEST_MS);
            config.stabilises_ms = config.faulty_ms;
        }
        if let Some(until) = self.until {
            config.faulty_ms = u64::try_from(until.as_millis()).context("too long")?;
            config.stabilises_ms = config.faulty_ms;
        }
        config.check()?;
        Ok(config)
    }

    /// The configuration of a swarm's seed: drawn unless a profile or a file is given.
    pub(crate) fn drawn_unless_given(&self, seed: u64) -> anyhow::Result<Config> {
        let draw = self.profile.is_none() && self.config.is_none();
        Self { draw, ..self.clone() }.config(seed)
    }
}

fn set<T>(field: &mut T, flag: Option<T>) {
    if let Some(flag) = flag {
        *field = flag;
    }
}

/// Reads `FIRST..LAST`.
pub(crate) fn seeds(text: &str) -> anyhow::Result<(u64, u64)> {
    let (first, last) = text.split_once("..").context("a range is written FIRST..LAST")?;
    Ok((first.parse()?, last.trim_start_matches('=').parse()?))
}

/// Reads `I/M`, I counted from 0.
pub(crate) fn shard(text: &str) -> anyhow::Result<(u64, u64)> {
    let (index, count) = text.split_once('/').context("a shard is written I/M")?;
    let (index, count): (u64, u64) = (index.parse()?, count.parse()?);
    if index >= count {
        bail!("shards are counted from 0 to {}", count.saturating_sub(1));
    }
    Ok((index, count))
}

/// Reads `90s`, `10m` or `2h`.
pub(crate) fn duration(text: &str) -> anyhow::Result<Duration> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let found = units.iter().find_map(|(unit, millis)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_millis(number.checked_mul(*millis)?))
    });
    found.context("a time is written 500ms, 90s, 10m or 2h")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_shards_and_times_are_read() {
        assert_eq!(seeds("3..17").unwrap(), (3, 17));
        assert_eq!(shard("2/8").unwrap(), (2, 8));
        assert!(shard("8/8").is_err());
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert!(duration("2").is_err());
    }

    #[test]
    fn flags_come_before_what_is_drawn() {
        let flags = RunFlags { nodes: Some(9), draw: true, ..RunFlags::default() };
        let config = flags.config(5).unwrap();
        assert_eq!((config.seed, config.nodes), (5, 9));
    }

    #[test]
    fn among_hundreds_things_go_wrong_for_a_shorter_time_unless_asked_for_otherwise() {
        let lasts = |nodes, until| {
            let flags = RunFlags { nodes: Some(nodes), until, ..RunFlags::default() };
            flags.config(1).unwrap().faulty_ms
        };
        assert_eq!([100, 200, 300].map(|nodes| lasts(nodes, None)), [5_000, 1_250, 1_000]);
        assert_eq!(lasts(300, Some(Duration::from_secs(7))), 7_000);
    }
}
