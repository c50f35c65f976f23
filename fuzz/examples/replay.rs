//! Carries out the committed corpora of the named targets, or of all.

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    for target in bitcraps_fuzz::targets() {
        if names.is_empty() || names.iter().any(|name| name == target.name) {
            println!("{}: {} inputs", target.name, target.replay());
        }
    }
}
