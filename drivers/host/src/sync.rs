//! Every lock and condition variable of this crate is named here, so that loom's can take their
//! place (`--cfg loom`, see `models.rs`). No foreign code ever runs under one of these locks.

/// For closures, which loom's cannot hold.
pub(crate) use std::sync::Arc as StdArc;
use std::sync::PoisonError;
use std::time::Duration;

#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Locks even if another thread panicked under the lock: the state is whole between any two of our
/// own statements, and the panic itself is reported by whoever joins that thread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits at most `patience` while `is_idle`.
#[cfg(not(loom))]
pub(crate) fn wait_while<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    patience: Duration,
    is_idle: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    let waited = condvar.wait_timeout_while(guard, patience, is_idle);
    waited.unwrap_or_else(PoisonError::into_inner).0
}

/// Waits while `is_idle`. Time never passes in a model, so whoever is not woken waits for ever,
/// which loom reports; only who has no patience at all does not wait.
#[cfg(loom)]
pub(crate) fn wait_while<'a, T>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    patience: Duration,
    mut is_idle: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    while !patience.is_zero() && is_idle(&mut guard) {
        guard = condvar.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
    guard
}

/// A mistake that a model makes on purpose, to see whether it would be noticed. Each is asked about
/// at the one line that it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Whoever puts something in wakes nobody.
    InputWakesNobody,
    /// The stop wakes nobody.
    StopWakesNobody,
    /// That a frame was turned away is not noted.
    StarvedForgotten,
    /// An inbox that is dropped does not close.
    NeverClosed,
    /// The last status is lost if somebody still looks at the one before.
    LastWordLost,
}

/// Whether this mistake is made; never outside a model.
#[cfg(not(loom))]
pub(crate) const fn has(_: Bug) -> bool {
    false
}

#[cfg(loom)]
pub(crate) use crate::models::has;
