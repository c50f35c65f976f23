//! Processor time for the tests that print figures: other programs on the machine do not count.

use core::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// For how long this process has computed.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(time.tv_sec.unsigned_abs(), nanoseconds)
}

/// For how long this thread has computed.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(time.tv_sec.unsigned_abs(), nanoseconds)
}

/// What `work` gives, and how long it takes: the least of so many times, for what else the machine
/// does only ever adds.
pub(crate) fn least<T>(times: u32, work: impl Fn() -> T) -> (T, Duration) {
    let once = || {
        let start = cpu_time();
        let result = work();
        (result, cpu_time() - start)
    };
    (1..times).fold(once(), |least, _| {
        let next = once();
        if next.1 < least.1 { next } else { least }
    })
}
