//! Tasks that end together.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use smol::Timer;
use smol::channel::{Receiver, Sender, WeakSender, bounded};
use smol::future::or;

/// The one executor of this process, which whoever waits for it lends a thread.
pub type Executor = smol::Executor<'static>;

/// Ends tasks, at the latest when dropped, and tells when all have ended.
pub(crate) struct Stop {
    signal: Sender<Infallible>,
    /// Every task holds the other side.
    running: Receiver<Infallible>,
    group: Group,
}

/// Where tasks learn that they must end.
#[derive(Clone)]
pub(crate) struct Group {
    stopped: Receiver<Infallible>,
    running: Sender<Infallible>,
}

/// A way to a group that does not keep anybody waiting.
pub(crate) struct WeakGroup {
    stopped: Receiver<Infallible>,
    running: WeakSender<Infallible>,
}

impl Stop {
    pub(crate) fn new() -> Self {
        let (signal, stopped) = bounded(1);
        let (holding, running) = bounded(1);
        Self { signal, running, group: Group { stopped, running: holding } }
    }

    /// For tasks that are to end with this.
    pub(crate) fn group(&self) -> Group {
        self.group.clone()
    }

    /// Ends all tasks, and waits until they have ended.
    pub(crate) async fn stop(self) {
        self.stop_after(Duration::ZERO).await;
    }

    /// Ends all tasks that have not ended within `grace`, and waits until they have.
    pub(crate) async fn stop_after(self, grace: Duration) {
        let Self { signal, running, group } = self;
        drop(group);
        // Nobody ever sends: it is over when nobody can any more.
        if within(grace, running.recv()).await.is_err() {
            signal.close();
            let _ = running.recv().await;
        }
    }
}

impl Group {
    /// Does `work` until it is done or must end.
    pub(crate) async fn during(self, work: impl Future<Output = ()>) {
        or(work, self.stopped()).await;
    }

    /// Waits until all must end.
    pub(crate) async fn stopped(&self) {
        // Nobody ever sends: this ends when the channel is closed.
        let _ = self.stopped.recv().await;
    }

    pub(crate) fn downgrade(&self) -> WeakGroup {
        WeakGroup { stopped: self.stopped.clone(), running: self.running.downgrade() }
    }
}

impl WeakGroup {
    /// The group, unless its tasks must end.
    pub(crate) fn upgrade(&self) -> Option<Group> {
        let running = self.running.upgrade().filter(|_| !self.stopped.is_closed())?;
        Some(Group { stopped: self.stopped.clone(), running })
    }
}

/// What `work` gives within `span`.
pub(crate) async fn within<T>(span: Duration, work: impl Future<Output = T>) -> io::Result<T> {
    let late = async {
        Timer::after(span).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    or(async { Ok(work.await) }, late).await
}

/// Waits for so long.
pub(crate) async fn sleep(span: Duration) {
    Timer::after(span).await;
}
