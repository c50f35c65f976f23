//! Everything that one run depends on besides the seed's streams: printed, stored, and enough to
//! do it again.

use anyhow::{Context as _, bail, ensure};
use bitcraps_protocol::beacon::generation::MEMBERS;
use bitcraps_protocol::rng::Rng;
use serde::{Deserialize, Serialize};

use crate::latency::Latency;
use crate::topology::Topology;
use crate::{adversary, canary, plan};

/// One run. Rates are parts in a million; times are in microseconds or milliseconds as named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// From which every stream of random numbers is forked.
    pub seed: u64,
    /// n, the validators.
    pub nodes: u16,
    /// Nodes that are not validators.
    pub players: u16,
    /// How many of the validators do as their strategy says: at most f, or the run may well fail.
    pub byzantine: u16,
    /// Names of the strategies; the hostile nodes take them in turn. Empty: they are silent.
    pub strategies: Vec<String>,
    /// What the adversary that sees everything does with frames until the network stabilises.
    #[serde(default)]
    pub scheme: Option<adversary::Scheme>,
    /// If the hostile nodes are twins by a scenario: who hears which twin, from view 1 on.
    #[serde(default)]
    pub twins: Option<Vec<adversary::Round>>,
    /// Whether votes and transactions carry keyed hashes, which only the honest can make, instead
    /// of signatures: those cost more than all the rest of a small network.
    #[serde(default)]
    pub stand_in: bool,
    /// Names of the ways in which every node's core is broken on purpose.
    #[serde(default)]
    pub flaws: Vec<String>,
    /// Where the dice key comes from.
    #[serde(default)]
    pub dice_key: DiceKeySource,
    /// Blocks from one snapshot to the next; who is twice as far behind fetches one. 0: as real
    /// nodes have it.
    #[serde(default)]
    pub snapshot_blocks: u64,
    /// Whether what members say is sealed under a key, which validators change now and then.
    #[serde(default)]
    pub private: bool,
    /// Who is linked to whom.
    pub topology: Topology,
    /// If nodes choose their links themselves, among those they could have: how many at most.
    #[serde(default)]
    pub views: Option<u16>,
    /// What links do without any fault.
    pub link: LinkConfig,
    /// What goes wrong until everything is healed.
    pub faults: Faults,
    /// How long a sync takes.
    pub disk: Latency,
    /// What players do.
    pub workload: Workload,
    /// How long the phase with faults lasts.
    pub faulty_ms: u64,
    /// From when on no frame takes longer than its link's distribution says, however bad it gets.
    pub stabilises_ms: u64,
    /// K, how many more blocks everybody must see final once all is healed.
    pub blocks: u64,
}

/// Where the dice key comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DiceKeySource {
    /// Whoever made the genesis dealt it.
    #[default]
    Dealer,
    /// The validators make it together in the first blocks.
    Chain,
}

/// All links' behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// How long frames are under way.
    pub latency: Latency,
    /// Whether frames may be lost, repeated and reordered; else a lost one is sent again and holds
    /// up those behind it.
    pub datagram: bool,
    /// Bytes of the largest frame.
    #[serde(default = "unlimited_mtu")]
    pub mtu: u32,
    /// What a direction of a link carries, or, where air is shared, a radio; 0 is without limit.
    pub kilobits_per_second: u64,
    /// If all radios that hear one another share the air: on how many channels.
    #[serde(default)]
    pub channels: Option<u16>,
    /// Bytes that may wait for that; datagrams beyond are dropped.
    pub queue_bytes: u64,
    /// Whether frames travel in the clear: sealing them costs more than all the rest.
    #[serde(default)]
    pub clear: bool,
}

const fn unlimited_mtu() -> u32 {
    65_535
}

impl LinkConfig {
    /// Bluetooth LE: 510 bytes at a time, as most stacks carry; 700 kbit/s of goodput for everything
    /// that a radio sends and hears; the 37 data channels shared by all in range.
    pub const fn radio() -> Self {
        Self {
            latency: Latency::Uniform { least: 15_000, most: 60_000 },
            datagram: true,
            mtu: 510,
            kilobits_per_second: 700,
            channels: Some(37),
            queue_bytes: 64 * 1024,
            clear: false,
        }
    }
}

/// Faults, each family on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Frames lost, each by itself.
    pub loss_ppm: u32,
    /// Frames after which a link falls into a burst of losses (Gilbert and Elliott).
    pub burst_ppm: u32,
    /// Frames repeated; on datagram links only.
    pub duplicate_ppm: u32,
    /// Frames that take much longer than usual.
    pub delay_ppm: u32,
    /// How much longer at most, in milliseconds.
    pub delay_most_ms: u64,
    /// Partitions.
    pub cuts: u16,
    /// Crashes with restart.
    pub crashes: u16,
    /// Validators whose disk lies about what is durable, and which crash; they count among f.
    pub liars: u16,
    /// Validators that lose their disk, and crash; they count among f.
    pub wipes: u16,
    /// Disks that are full for a while, which stops the process.
    pub full_disks: u16,
    /// Disks that cannot be read for a while, which stops a process that tries.
    pub unreadable_disks: u16,
    /// Validators of whose journal a durable sector rots, and which crash: the journal is refused,
    /// and they go on without one. They count among f.
    pub rotten: u16,
    /// Jumps of wall clocks.
    pub clock_jumps: u16,
    /// How far clocks' rates may be off, either way.
    pub drift_ppm: u32,
}

/// What is asked of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Mean time between two operations of anybody.
    pub every_ms: u64,
    /// How many tables are opened, and opened again when they close.
    pub tables: u16,
    /// How many operations there are at most; 0 is no limit.
    pub operations: u32,
    /// The shares of transfers, bets, rolls, seats taken and left, and overspends, of their sum.
    pub mix: [u8; 5],
    /// Whether players know the game: they bet what the table takes, call bets off, run their
    /// tables, throw when it is their turn or let the time pass, leave the network and come back;
    /// and some begin with nothing.
    #[serde(default)]
    pub lively: bool,
}

impl Default for Workload {
    fn default() -> Self {
        Self { every_ms: 60, tables: 3, operations: 0, mix: [3, 6, 4, 3, 1], lively: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            nodes: 4,
            players: 0,
            byzantine: 0,
            strategies: Vec::new(),
            scheme: None,
            twins: None,
            stand_in: false,
            flaws: Vec::new(),
            dice_key: DiceKeySource::Dealer,
            snapshot_blocks: 0,
            private: false,
            topology: Topology::Full,
            views: None,
            link: LinkConfig {
                latency: Latency::LogNormal { median: 5_000 },
                datagram: false,
                mtu: unlimited_mtu(),
                kilobits_per_second: 0,
                channels: None,
                queue_bytes: 256 * 1024,
                clear: false,
            },
            faults: Faults::default(),
            disk: Latency::Uniform { least: 200, most: 3_000 },
            workload: Workload::default(),
            faulty_ms: 5_000,
            stabilises_ms: 5_000,
            blocks: 5,
        }
    }
}

/// Links that a phone holds.
pub const RADIO_VIEWS: u16 = 7;

/// Ready-made kinds of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// One switch: a fraction of a millisecond, nothing lost.
    Lan,
    /// The internet: a long tail, some loss, some crashes.
    Wan,
    /// Radios in a bar: slow, lossy in bursts, not everybody hears everybody.
    Ble,
    /// Everything at once.
    Worst,
}

impl Config {
    /// A run of this profile, before other flags are applied.
    pub fn of(profile: Profile) -> Self {
        let base = Self::default();
        match profile {
            Profile::Lan => Self {
                link: LinkConfig {
                    latency: Latency::Uniform { least: 100, most: 500 },
                    ..base.link.clone()
                },
                ..base
            },
            Profile::Wan => Self {
                link: LinkConfig {
                    latency: Latency::LogNormal { median: 40_000 },
                    ..base.link.clone()
                },
                faults: Faults {
                    loss_ppm: 5_000,
                    delay_ppm: 5_000,
                    delay_most_ms: 500,
                    crashes: 2,
                    drift_ppm: 100,
                    ..Faults::default()
                },
                faulty_ms: 20_000,
                stabilises_ms: 15_000,
                ..base
            },
            Profile::Ble => Self {
                topology: Topology::Radio { radius: 350 },
                views: Some(RADIO_VIEWS),
                link: LinkConfig::radio(),
                faults: Faults {
                    loss_ppm: 10_000,
                    burst_ppm: 5_000,
                    duplicate_ppm: 5_000,
                    crashes: 1,
                    ..Faults::default()
                },
                faulty_ms: 30_000,
                stabilises_ms: 20_000,
                ..base
            },
            Profile::Worst => Self {
                faults: Faults {
                    loss_ppm: 20_000,
                    burst_ppm: 2_000,
                    duplicate_ppm: 20_000,
                    delay_ppm: 20_000,
                    delay_most_ms: 2_000,
                    cuts: 4,
                    crashes: 6,
                    liars: 0,
                    wipes: 0,
                    full_disks: 1,
                    unreadable_disks: 1,
                    rotten: 0,
                    clock_jumps: 3,
                    drift_ppm: 50_000,
                },
                link: LinkConfig { datagram: true, ..base.link.clone() },
                faulty_ms: 30_000,
                stabilises_ms: 25_000,
                ..base
            },
        }
    }

    /// What a swarm tries under this seed: a size, a shape, a subset of all faults and a mix of
    /// work, all drawn.
    pub fn drawn(seed: u64) -> Self {
        let mut rng = root(seed).fork("configuration");
        let mut base = Self { seed, ..Self::default() };
        base.nodes = match rng.below(20) {
            0..16 => 4 + rng.below(4),
            16..19 => 8 + rng.below(9),
            _ => 17 + rng.below(8),
        } as u16;
        base.players = rng.below(4) as u16;
        let scheme = rng.fork("scheme").below(8) as usize;
        base.scheme = adversary::Scheme::ALL.get(scheme).copied();
        base.topology = match rng.below(8) {
            0 => Topology::Star,
            1 => Topology::Ring,
            2 => Topology::SmallWorld { neighbours: 2, rewired_ppm: 200_000 },
            3 => Topology::Radio { radius: 300 },
            4 => Topology::Islands { count: 2 },
            _ => Topology::Full,
        };
        base.link.latency = match rng.below(4) {
            0 => Latency::Constant { micros: 5_000 },
            1 => Latency::Uniform { least: 100, most: 20_000 },
            2 => Latency::LogNormal { median: 30_000 },
            _ => Latency::LogNormal { median: 3_000 },
        };
        base.link.datagram = rng.below(2) == 0;
        base.link.clear = rng.below(4) > 0;
        base.link.kilobits_per_second = if rng.below(4) == 0 { 4_000 } else { 0 };
        base.disk = match rng.below(3) {
            0 => Latency::Constant { micros: 500 },
            1 => Latency::Uniform { least: 100, most: 10_000 },
            _ => Latency::LogNormal { median: 8_000 },
        };
        base.faults = Faults::drawn(&mut rng, base.nodes);
        let tolerated = base.tolerated();
        let spent = base.faults.liars + base.faults.wipes;
        base.byzantine = match rng.below(2) {
            0 => tolerated - spent,
            _ => 0,
        };
        let playable: Vec<_> = adversary::playable().collect();
        for _ in 0..1 + rng.below(3) {
            let strategy = playable[rng.below(playable.len() as u64) as usize];
            base.strategies.push(strategy.name.to_owned());
        }
        if base.byzantine == 0 {
            base.strategies.clear();
        }
        base.workload.every_ms = 20 + rng.below(100);
        base.workload.tables = 1 + rng.below(6) as u16;
        base.workload.mix = [0; 5].map(|_| rng.below(6) as u8);
        base.workload.mix[2] += 1;
        base.faulty_ms = 4_000 + rng.below(8_000);
        base.stabilises_ms = base.faulty_ms * (5 + rng.below(6)) / 10;
        base.draw_more(&mut rng.fork("more"));
        let mut rng = rng.fork("snapshots");
        base.snapshot_blocks = [0, 8, 24, 64][rng.below(4) as usize];
        base.private = rng.fork("private").below(4) == 0;
        base
    }

    fn draw_more(&mut self, rng: &mut Rng) {
        self.faults.unreadable_disks = rng.below(2) as u16;
        let spent = self.byzantine + self.faults.liars + self.faults.wipes;
        if spent < self.tolerated() && rng.below(4) == 0 {
            self.faults.rotten = 1;
        }
        let deals = |name: &String| adversary::named(name).is_some_and(|it| it.makes_keys());
        if rng.below(3) == 0 || self.strategies.iter().any(deals) {
            self.dice_key = DiceKeySource::Chain;
        }
    }

    /// Gives the hostile validators a strategy each, drawn from the seed, of those that find
    /// something to do: no more of them than there are.
    pub fn draw_strategies(&mut self) {
        let mut rng = root(self.seed).fork("strategies");
        let makes_keys = self.dice_key == DiceKeySource::Chain;
        let mut names: Vec<_> = adversary::playable()
            .filter(|strategy| makes_keys || !strategy.makes_keys())
            .map(|strategy| strategy.name.to_owned())
            .collect();
        plan::shuffle(&mut names, &mut rng);
        names.truncate(usize::from(self.byzantine));
        self.strategies = names;
    }

    /// f, how many validators may be faulty.
    pub const fn tolerated(&self) -> u16 {
        self.nodes.saturating_sub(1) / 3
    }

    /// All nodes.
    pub fn places(&self) -> usize {
        usize::from(self.nodes) + usize::from(self.players)
    }

    /// Refuses what cannot be run.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.nodes >= 1, "a network needs at least one validator");
        ensure!(self.nodes <= 512, "the wire allows 512 validators");
        for name in &self.strategies {
            ensure!(adversary::named(name).is_some(), "there is no strategy {name:?}");
        }
        for name in &self.flaws {
            ensure!(canary::flaw(name).is_some(), "there is no flaw {name:?}");
        }
        ensure!(self.byzantine < self.nodes, "one validator at least must be honest");
        ensure!(self.views.is_none_or(|most| most >= 2), "a view is of two links at least");
        ensure!((256..=65_535).contains(&self.link.mtu), "a frame has 256 to 65535 bytes");
        ensure!(
            self.dice_key == DiceKeySource::Dealer || usize::from(self.nodes) <= MEMBERS,
            "at most {MEMBERS} validators make a key together"
        );
        ensure!(self.faults.drift_ppm <= 500_000, "a clock runs at least at half its pace");
        ensure!(self.workload.mix.iter().any(|share| *share > 0), "the workload's mix is empty");
        if let Latency::Uniform { least, most } = self.link.latency {
            ensure!(least <= most, "the least latency is above the most");
        }
        Ok(())
    }

    /// Reads a configuration from JSON.
    pub fn from_json(text: &str) -> anyhow::Result<Self> {
        let config: Self = serde_json::from_str(text).context("not a configuration")?;
        config.check()?;
        Ok(config)
    }
}

impl Faults {
    /// Each family with probability one half, then its rate.
    fn drawn(rng: &mut Rng, nodes: u16) -> Self {
        let mut some = |most: u64| if rng.below(2) == 0 { 0 } else { 1 + rng.below(most) };
        let mut faults = Self {
            loss_ppm: some(50_000) as u32,
            burst_ppm: some(5_000) as u32,
            duplicate_ppm: some(50_000) as u32,
            delay_ppm: some(30_000) as u32,
            delay_most_ms: 0,
            cuts: some(4) as u16,
            crashes: some(6) as u16,
            liars: some(1) as u16,
            wipes: some(1) as u16,
            full_disks: some(1) as u16,
            unreadable_disks: 0,
            rotten: 0,
            clock_jumps: some(3) as u16,
            drift_ppm: some(50_000) as u32,
        };
        faults.delay_most_ms = some(1_500);
        let tolerated = nodes.saturating_sub(1) / 3;
        faults.liars = faults.liars.min(tolerated);
        faults.wipes = faults.wipes.min(tolerated - faults.liars);
        if faults.delay_most_ms == 0 {
            faults.delay_ppm = 0;
        }
        faults
    }
}

/// The stream from which all others of a seed are forked.
pub fn root(seed: u64) -> Rng {
    Rng::new(blake3::derive_key("bitcraps-sim 2026 seed", &seed.to_le_bytes()))
}

/// Reads `full`, `star`, `ring`, `small-world`, `radio[:RADIUS]` or `islands[:COUNT]`.
pub fn parse_topology(text: &str) -> anyhow::Result<Topology> {
    let (name, number) =
        text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let number = number.map(str::parse::<u16>).transpose().context("the number after the colon")?;
    Ok(match name {
        "full" => Topology::Full,
        "star" => Topology::Star,
        "ring" => Topology::Ring,
        "small-world" => {
            Topology::SmallWorld { neighbours: number.unwrap_or(3), rewired_ppm: 200_000 }
        }
        "radio" => Topology::Radio { radius: number.unwrap_or(300) },
        "islands" => Topology::Islands { count: number.unwrap_or(2) },
        other => bail!("{other:?} is none of full, star, ring, small-world, radio, islands"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_configurations_are_valid_differ_and_survive_json() {
        let drawn: Vec<Config> = (0..200).map(Config::drawn).collect();
        for config in &drawn {
            config.check().unwrap();
            let faults = config.faults;
            let faulty = config.byzantine + faults.liars + faults.wipes + faults.rotten;
            assert!(faulty <= config.tolerated(), "{config:?}");
            let json = serde_json::to_string(config).unwrap();
            assert_eq!(&Config::from_json(&json).unwrap(), config);
        }
        assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn topologies_are_named() {
        assert_eq!(parse_topology("radio:120").unwrap(), Topology::Radio { radius: 120 });
        assert!(parse_topology("torus").is_err());
    }
}
