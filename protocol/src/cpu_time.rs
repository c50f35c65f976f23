//! Processor time for the tests that print figures: other programs on the machine do not count.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds for which this process has computed.
pub(crate) fn millis() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// What `work` gives, and the milliseconds that it takes: the least of so many times, for what else
/// the machine does only ever adds.
pub(crate) fn least<T>(times: u32, work: impl Fn() -> T) -> (T, f64) {
    let once = || {
        let start = millis();
        let result = work();
        (result, millis() - start)
    };
    (1..times).fold(once(), |least, _| {
        let next = once();
        if next.1 < least.1 { next } else { least }
    })
}
