//! Commands, flags, and what they print. Exit codes: 0 all is well, 2 usage, 10 safety, 11
//! liveness, 12 a panic, 13 not deterministic, 14 nothing was tested.

mod attack;
mod canaries;
mod flags;
mod print;

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bitcraps_sim::checks::Check;
use bitcraps_sim::failure::{Failure, Replayed};
use bitcraps_sim::run::{self, Report, Watch};
use bitcraps_sim::swarm::{self, Summary, Swarm};
use bitcraps_sim::world::World;
use bitcraps_sim::{compare, determinism, show, shrink};
use clap::{Parser, Subcommand};

use flags::{RunFlags, duration, seeds, shard};
use print::Progress;

/// Networks of real BitCraps nodes with hostile links, disks, clocks and peers, from one seed.
///
/// Exit codes: 0 all is well, 2 usage, 10 safety, 11 liveness, 12 panic, 13 not deterministic,
/// 14 an enabled fault never happened.
#[derive(Debug, Parser)]
#[command(name = "bitcraps-sim", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one seed.
    Run {
        #[command(flatten)]
        flags: Box<RunFlags>,
        /// The seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Writes every event into this file, for `diff`.
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
        /// Where a failed run is kept.
        #[arg(long, value_name = "FILE", default_value = "fail.sim")]
        out: PathBuf,
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs many seeds; without other flags, what is run is drawn from each.
    Swarm {
        #[command(flatten)]
        flags: Box<RunFlags>,
        /// The seeds, as `FIRST..LAST`, both included.
        #[arg(long, value_parser = seeds, default_value = "1..100")]
        seeds: (u64, u64),
        /// Runs only the seeds that leave I when divided by M.
        #[arg(long, value_name = "I/M", value_parser = shard, default_value = "0/1")]
        shard: (u64, u64),
        /// Runs at a time.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Starts no run after this long: `90s`, `10m`, `2h`.
        #[arg(long, value_parser = duration)]
        budget: Option<Duration>,
        /// Writes one report a line into this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Keeps failed runs in this directory.
        #[arg(long, value_name = "DIRECTORY", default_value = ".")]
        keep: PathBuf,
    },
    /// Does a failed run again.
    Replay {
        /// The failed run.
        file: PathBuf,
        /// Writes every event into this file, for `diff`.
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
    },
    /// Makes a failed run smaller.
    Shrink {
        /// The failed run.
        file: PathBuf,
        /// Where the smaller one is kept; over the first if not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Runs at most.
        #[arg(long, default_value_t = 2_000)]
        attempts: u32,
    },
    /// Draws a failed run as a page.
    Show {
        /// The failed run.
        file: PathBuf,
        /// The page.
        #[arg(long, value_name = "FILE", default_value = "run.html")]
        html: PathBuf,
        /// The view whose votes and messages are drawn large; by default the last one.
        #[arg(long)]
        view: Option<u64>,
        /// The span that is drawn large, as `FIRST..LAST` in milliseconds; by default the view's.
        #[arg(long, value_parser = seeds)]
        messages: Option<(u64, u64)>,
    },
    /// Says where two traces part.
    Diff {
        /// One.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// Runs seeds in two processes each, and compares.
    CheckDeterminism {
        /// The seeds, as `FIRST..LAST`.
        #[arg(long, value_parser = seeds, default_value = "1..20")]
        seeds: (u64, u64),
        /// Another build of this program, perhaps of another optimisation level, for two processes
        /// more.
        #[arg(long, value_name = "PROGRAM")]
        other: Option<PathBuf>,
        /// Flags of `run` besides the seed and `--draw`.
        #[arg(last = true)]
        flags: Vec<String>,
    },
    /// Tries deliberately broken cores: each must be caught.
    Canary {
        /// Only this one.
        name: Option<String>,
        /// Makes what caught them smaller too, and does it again: at most 20 decisions may be left.
        #[arg(long)]
        shrink: bool,
        /// Keeps what caught them in this directory.
        #[arg(long, value_name = "DIRECTORY")]
        keep: Option<PathBuf>,
        /// Canaries at a time.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Prints one canary a line as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs a validator twice under one key, in every scenario of who hears which.
    Twins {
        /// Validators.
        #[arg(long, default_value_t = 4)]
        nodes: u16,
        /// Views in which the twins differ.
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Scenarios at most; a sample if there are more.
        #[arg(long, default_value_t = 1_000)]
        max: usize,
        /// The seed of links, disks and work.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Keeps the first failure in this file.
        #[arg(long, value_name = "FILE")]
        keep: Option<PathBuf>,
    },
    /// Lists the strategies of hostile nodes.
    Strategies,
    /// Adds up what shards of a swarm wrote.
    Merge {
        /// The shards' files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Prints the summary as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Tells what went wrong with the command itself.
pub(crate) fn complain(error: &anyhow::Error) {
    // Whoever closed standard error does not want to know.
    let _ = writeln!(io::stderr(), "bitcraps-sim: {error:#}");
}

impl Cli {
    /// Does what was asked; the exit code.
    pub(crate) fn carry_out(self) -> anyhow::Result<u8> {
        run::quiet_panics();
        match self.command {
            Command::Run { flags, seed, trace, out, json } => {
                let config = flags.config(seed)?;
                let told = Some(print::tell as fn(&World));
                let watch = Watch { trace: trace.as_deref(), timeline: None, told };
                let outcome = run::run(&config, None, watch);
                print::told();
                if let Some(failure) = Failure::of(&outcome) {
                    failure.write(&out)?;
                }
                if json {
                    say(&serde_json::to_string(&outcome.report)?)?;
                } else {
                    say(&print::report(&outcome.report, &out))?;
                }
                Ok(exit_code(&outcome.report))
            }
            Command::Swarm { flags, seeds, shard, jobs, budget, json, keep } => {
                let swarm = Swarm { first: seeds.0, last: seeds.1, shard, jobs, budget };
                run_swarm(&swarm, &flags, json, &keep)
            }
            Command::Replay { file, trace } => {
                let failure = Failure::read(&file)?;
                let watch = Watch { trace: trace.as_deref(), ..Watch::default() };
                let (replayed, outcome) = failure.replay(watch);
                say(&print::report(&outcome.report, &file))?;
                let (sentence, code) = match replayed {
                    Replayed::Same => ("It fails as recorded.", failure.check.exit_code()),
                    Replayed::Differently => {
                        ("The same check fails, but in another run than was recorded.", 13)
                    }
                    Replayed::Gone => {
                        let violation = outcome.report.violation.as_ref();
                        let code = violation.map_or(0, |violation| violation.check.exit_code());
                        ("It does not fail as recorded any more.", code)
                    }
                };
                say(sentence)?;
                Ok(code)
            }
            Command::Shrink { file, out, attempts } => {
                let failure = Failure::read(&file)?;
                let before = failure.decisions.len();
                let (mut progress, mut kept) = (Progress::new(0), Ok(()));
                let out = out.as_ref().unwrap_or(&file);
                let smaller = shrink::shrink(failure, attempts, |best| {
                    progress.shrinks(best);
                    // Whoever loses patience has the best so far.
                    kept = best.write(out);
                });
                progress.end();
                kept.and_then(|()| smaller.write(out))?;
                say(&format!("{before} decisions before, {} now", smaller.decisions.len()))?;
                say(&print::decisions(&smaller))?;
                Ok(0)
            }
            Command::Show { file, html, view, messages } => {
                let failure = Failure::read(&file)?;
                let watch = Watch { timeline: Some((0, 0)), ..Watch::default() };
                let (_, first) = failure.replay(watch);
                let first = first.timeline.context("the run ended before it began")?;
                let view = view.or_else(|| show::last_view(&first));
                let of_view = view.and_then(|view| show::span_of(&first, view));
                let span = messages.map(|(from, to)| (from * 1_000, to * 1_000)).or(of_view);
                let watch = Watch { timeline: Some(span.unwrap_or_default()), ..Watch::default() };
                let (_, outcome) = failure.replay(watch);
                let timeline = outcome.timeline.context("the run ended before it began")?;
                let view = view.filter(|_| span.is_some());
                fs::write(&html, show::page(&outcome.report, &timeline, view))
                    .with_context(|| format!("writing {}", html.display()))?;
                Ok(0)
            }
            Command::Diff { one, other } => {
                match compare::describe(&compare::read(&one)?, &compare::read(&other)?) {
                    Some(text) => {
                        say(&text)?;
                        Ok(Check::Determinism.exit_code())
                    }
                    None => Ok(0),
                }
            }
            Command::CheckDeterminism { seeds: (first, last), other, flags } => {
                let own = std::env::current_exe().context("finding this program")?;
                // Each build twice, each time in a process of its own.
                let mut programs = vec![own.clone(), own];
                programs.extend(other.iter().chain(&other).cloned());
                let mut code = 0;
                for seed in first..=last {
                    if let Some(difference) = determinism::check(&programs, seed, &flags)? {
                        say(&format!("seed {seed}: {}", difference.digests.join(", ")))?;
                        say(&difference.where_they_part)?;
                        code = Check::Determinism.exit_code();
                    }
                }
                let verdict = if code == 0 { "no difference" } else { "not deterministic" };
                let builds = if other.is_some() { "two builds" } else { "one build" };
                say(&format!(
                    "seeds {first}..{last} in two processes each of {builds}: {verdict}"
                ))?;
                Ok(code)
            }
            Command::Canary { name, shrink, keep, jobs, json } => {
                canaries::hunt(name.as_deref(), shrink, keep.as_deref(), jobs, json)
            }
            Command::Twins { nodes, rounds, max, seed, keep } => {
                attack::twins(nodes, rounds, max, seed, keep)
            }
            Command::Strategies => attack::strategies(),
            Command::Merge { files, json } => {
                let reports = files.iter().map(|path| swarm::read(path));
                let reports = reports.collect::<anyhow::Result<Vec<_>>>()?.concat();
                let summary = Summary::of(&swarm::merge(reports));
                if json {
                    say(&serde_json::to_string(&summary)?)?;
                } else {
                    say(&print::summary(&summary))?;
                }
                Ok(summary.exit_code())
            }
        }
    }
}

fn run_swarm(
    swarm: &Swarm,
    flags: &RunFlags,
    json: Option<PathBuf>,
    keep: &std::path::Path,
) -> anyhow::Result<u8> {
    ensure!(swarm.first <= swarm.last, "there is no seed to run");
    flags.drawn_unless_given(swarm.first)?;
    let mut progress = Progress::new(swarm.seeds().count() as u64);
    let mut kept = Ok(());
    let config = |seed| flags.drawn_unless_given(seed).expect("checked with the first seed");
    let reports = swarm.run(config, |report, failure| {
        progress.ran(report);
        if let Some(failure) = failure {
            let path = keep.join(format!("fail-{}.sim", report.config.seed));
            if let Err(error) = failure.write(&path) {
                kept = Err(error);
            }
        }
    });
    progress.end();
    let summary = Summary::of(&reports);
    say(&print::summary(&summary))?;
    kept?;
    if let Some(path) = json {
        let lines: Result<Vec<String>, _> = reports.iter().map(serde_json::to_string).collect();
        let mut text = lines?.join("\n");
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(summary.exit_code())
}

/// The exit code of one run.
fn exit_code(report: &Report) -> u8 {
    Summary::of(std::slice::from_ref(report)).exit_code()
}

fn say(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
