//! All fuzz targets; what they do is in the modules `fuzzing` of the crates that they attack.

use bitcraps_protocol::fuzzing::Target;

/// Every target.
pub fn targets() -> impl Iterator<Item = Target> {
    let core = bitcraps_protocol::fuzzing::TARGETS.into_iter();
    core.chain(bitcraps_sim::fuzzing::TARGETS).chain(bitcraps_host::fuzzing::TARGETS)
}
