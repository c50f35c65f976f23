//! The bodies of the fuzz targets in `fuzz/`. Each makes of any bytes what a stranger could do, and
//! panics if something does not hold that must hold whatever strangers do; `cargo test` carries
//! out the committed corpus of each. The feature `fuzzing` only adds.
//!
//! Most targets drive the model that the property tests of the same part drive, so that what must
//! hold is said once. Bytes become decisions through [`Choices`]: no input is refused, and when
//! the bytes run out everything else goes its ordinary way.

mod choices;
mod consensus;
mod craps;
mod fragments;
mod keygen;
mod keyring;
mod light;
mod mesh;
mod post;
mod receipts;
mod session;
#[cfg(test)]
mod tests;
mod transactions;
mod wire;

use alloc::string::ToString;
use alloc::vec::Vec;
use std::path::Path;

pub use choices::{Choices, Decisions};
pub use consensus::consensus;
pub use craps::craps;
pub use fragments::fragments;
pub use keygen::keygen;
pub use keyring::keyring;
pub use light::light;
pub use mesh::mesh;
pub use post::post;
pub use receipts::receipts;
pub use session::session;
pub use transactions::transactions;
pub(crate) use wire::binary;
pub use wire::wire;

/// A fuzz target: what it does with bytes, and inputs to begin with.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Panics if something does not hold.
    pub body: fn(&[u8]),
    /// Inputs made of real values.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// The targets of this crate.
pub const TARGETS: [Target; 12] = [
    Target { name: "wire", body: wire, seeds: wire::seeds },
    Target { name: "session", body: session, seeds: session::seeds },
    Target { name: "fragments", body: fragments, seeds: fragments::seeds },
    Target { name: "mesh", body: mesh, seeds: mesh::seeds },
    Target { name: "consensus", body: consensus, seeds: consensus::seeds },
    Target { name: "transactions", body: transactions, seeds: transactions::seeds },
    Target { name: "craps", body: craps, seeds: craps::seeds },
    Target { name: "keygen", body: keygen, seeds: keygen::seeds },
    Target { name: "keyring", body: keyring, seeds: keyring::seeds },
    Target { name: "post", body: post, seeds: post::seeds },
    Target { name: "light", body: light, seeds: light::seeds },
    Target { name: "receipts", body: receipts, seeds: receipts::seeds },
];

impl Target {
    /// Carries out the inputs to begin with and the committed corpus; returns how many that holds.
    ///
    /// Panics like the body, having named the input on standard error, and if the corpus is empty.
    pub fn replay(&self) -> usize {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(self.name);
        let files = std::fs::read_dir(&corpus).expect("every target has a corpus");
        let mut paths: Vec<_> =
            files.map(|file| file.expect("the corpus can be read").path()).collect();
        paths.sort();
        for (index, bytes) in (self.seeds)().iter().enumerate() {
            self.carry_out(&std::format!("its seed {index}"), bytes);
        }
        for path in &paths {
            let bytes = std::fs::read(path).expect("the corpus can be read");
            self.carry_out(&path.display().to_string(), &bytes);
        }
        assert!(!paths.is_empty(), "{} has no corpus", self.name);
        paths.len()
    }

    #[expect(clippy::print_stderr, reason = "the panic's message does not know the input")]
    fn carry_out(&self, name: &str, bytes: &[u8]) {
        if let Err(panic) = std::panic::catch_unwind(|| (self.body)(bytes)) {
            std::eprintln!("{} fails on {name}", self.name);
            std::panic::resume_unwind(panic);
        }
    }
}
