//! Writes the inputs to begin with into `corpus`: `cargo run --example seeds`, here.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    for target in bitcraps_fuzz::targets() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        fs::create_dir_all(&corpus)?;
        let seeds = (target.seeds)();
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(corpus.join(format!("seed-{index:03}")), seed)?;
        }
        println!("{}: {} seeds", target.name, seeds.len());
    }
    Ok(())
}
