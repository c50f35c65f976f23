//! The bodies of the fuzz targets that need whole nodes; see [`bitcraps_protocol::fuzzing`], which
//! says how they are made and carried out.

mod driver;
mod hostile;
mod node;
mod recovery;
mod world;

pub use bitcraps_protocol::fuzzing::Target;
pub use node::node;
pub use recovery::recovery;
pub use world::world;

/// The targets of this crate.
pub const TARGETS: [Target; 3] = [
    Target { name: "node", body: node, seeds: node::seeds },
    Target { name: "recovery", body: recovery, seeds: recovery::seeds },
    Target { name: "world", body: world, seeds: world::seeds },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(name: &str) {
        let target = TARGETS.iter().find(|target| target.name == name).expect("it is listed");
        assert!(target.replay() > 0);
    }

    #[test]
    fn nodes_of_the_corpus_keep_what_the_boundary_promises() {
        replay("node");
    }

    #[test]
    fn journals_of_the_corpus_are_gone_on_from_or_refused() {
        replay("recovery");
    }

    #[test]
    fn worlds_of_the_corpus_violate_nothing() {
        replay("world");
    }
}
