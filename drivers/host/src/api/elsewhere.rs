//! Work that takes milliseconds or more, where nobody else waits for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_channel::oneshot;

use super::{Code, Failure};

/// Pieces of work at a time, also of requests that were given up; whoever comes then is told that
/// too much is waiting.
const AT_ONCE: usize = 64;

static WORKING: AtomicUsize = AtomicUsize::new(0);

/// One of the places, given back when dropped.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let one_more = |working| (working < AT_ONCE).then_some(working + 1);
        let taken = WORKING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        WORKING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What `work` gives, done on a thread of its own.
pub(super) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let busy = || Failure::new(Code::Busy, "too much is being worked out; try again");
    let place = Place::take().ok_or_else(busy)?;
    let (sender, done) = oneshot::channel();
    let thread = thread::Builder::new().name("bitcraps-answer".to_owned());
    let spawned = thread.spawn(move || {
        // Fails only if nobody waits for the answer any more.
        let _ = sender.send(work());
        drop(place);
    });
    spawned.map_err(|_| busy())?;
    done.await.map_err(|_| Failure::new(Code::Failed, "this is a bug: the answer panicked"))?
}
