//! Every lock and condition variable of this crate is named here, so that a model checker's can
//! take their place. No foreign code ever runs under one of these locks.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use std::sync::PoisonError;

/// Locks even if another thread panicked under the lock: the state is whole between any two of our
/// own statements, and the panic itself is reported by whoever joins that thread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
