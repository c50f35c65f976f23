//! The `bitcraps-sim` command.
use clap::Parser;
#[derive(Parser)]
struct A {
    #[arg(long, default_value_t = 4)]
    nodes: u16,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long)]
    draw: bool,
}
fn main() {
    let a = A::parse();
    let config = if a.draw {
        bitcraps_sim::config::Config::drawn(a.seed)
    } else {
        bitcraps_sim::config::Config { nodes: a.nodes, seed: a.seed, ..Default::default() }
    };
    let out = bitcraps_sim::run::run(&config, None, Default::default());
    println!("{}", serde_json::to_string_pretty(&out.report).unwrap());
}
