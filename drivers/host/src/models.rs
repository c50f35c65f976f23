//! Every interleaving of the few threads that meet in this crate, enumerated by loom, and for each
//! model a mistake that it must notice. There is nothing to model about the journal: it is synced
//! on the loop's own thread, between what it takes from the inbox and what it sends.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p bitcraps-host --lib models -- --nocapture
//! ```

use std::cell::Cell;

use crate::sync::Bug;

std::thread_local! {
    /// All threads of a model run on one thread of the operating system.
    static MADE: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether the model that runs here makes this mistake.
pub(crate) fn has(bug: Bug) -> bool {
    MADE.get() == Some(bug)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use bitcraps_protocol::chain::{Genesis, ValidatorCard};
    use bitcraps_protocol::event::{CloseReason, Direction, Endpoint, Event, LinkKind, Position};
    use bitcraps_protocol::identity::{Keypair, ProofOfWork};
    use bitcraps_protocol::keyring::Kept;
    use bitcraps_protocol::node::{Config, Node, Past, Setup, Status};
    use bitcraps_protocol::time::{BlockTime, Time};
    use bitcraps_protocol::wire::Text;
    use bytes::Bytes;
    use loom::thread;

    use super::*;
    use crate::inbox::{Inbox, Input, Taken};
    use crate::links::{LinkInbound, LinkSink, Links};
    use crate::status::StatusCell;
    use crate::sync::{Condvar, Mutex, lock};

    const FOR_EVER: Duration = Duration::from_secs(1);

    /// Set in the process in which a model makes its mistake.
    const MISTAKEN: &str = "BITCRAPS_MODEL_MISTAKEN";

    /// Explores `model`, then once more in another process with `bug`, where it must fail: a thread
    /// that waits for ever cannot be unwound.
    fn explore(bug: Bug, model: impl Fn() + Sync + Send + 'static) {
        if std::env::var_os(MISTAKEN).is_some() {
            MADE.set(Some(bug));
            return loom::model(model);
        }
        let (explored, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let count = explored.clone();
        loom::model(move || {
            count.fetch_add(1, Ordering::Relaxed);
            model();
        });
        let explored = explored.load(Ordering::Relaxed);
        let test = std::thread::current().name().expect("a test's thread").to_owned();
        println!("{test}: {explored} interleavings in {:?}", start.elapsed());
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", &test]).env(MISTAKEN, "1").env("RUST_BACKTRACE", "0");
        let failed = again.output().unwrap();
        assert!(!failed.status.success(), "{bug:?} was not noticed");
    }

    struct Sink;

    impl LinkSink for Sink {
        fn send(&mut self, _frame: Bytes) {}

        fn close(&mut self, _reason: CloseReason) {}
    }

    fn open(links: &Links, on_credit: impl Fn() + Send + Sync + 'static) -> LinkInbound {
        let endpoint = Endpoint { transport: 9, bytes: Bytes::new() };
        let (kind, direction) = (LinkKind::Stream, Direction::Inbound);
        links.open(kind, 100, direction, endpoint, Box::new(Sink), on_credit)
    }

    /// Takes inputs until there were `count`, or the stop.
    fn take(inbox: &mut Inbox, count: usize) -> usize {
        let mut taken = 0;
        while taken < count {
            match inbox.take(FOR_EVER) {
                Taken::Inputs(inputs) => taken += inputs.len(),
                Taken::Stop => break,
            }
        }
        taken
    }

    #[test]
    fn whatever_is_put_in_wakes_the_loop() {
        explore(Bug::InputWakesNobody, || {
            let mut inbox = Inbox::new();
            let (shared, other) = (inbox.shared(), inbox.shared());
            let first = thread::spawn(move || shared.complete(Event::Tick));
            let second = thread::spawn(move || {
                let asked = other.request(Input::Query(Box::new(|_| {})));
                assert!(asked.is_ok());
            });
            assert_eq!(take(&mut inbox, 2), 2);
            first.join().unwrap();
            second.join().unwrap();
        });
    }

    #[test]
    fn the_stop_wakes_the_loop_whatever_else_happens() {
        explore(Bug::StopWakesNobody, || {
            let mut inbox = Inbox::new();
            let (shared, other) = (inbox.shared(), inbox.shared());
            let stopper = thread::spawn(move || shared.stop());
            let worker = thread::spawn(move || other.complete(Event::Tick));
            while let Taken::Inputs(_) = inbox.take(FOR_EVER) {}
            stopper.join().unwrap();
            worker.join().unwrap();
        });
    }

    /// A flag that a reader waits for, as a transport's task does.
    #[derive(Default)]
    struct Credit {
        given: Mutex<bool>,
        changed: Condvar,
    }

    impl Credit {
        fn give(&self) {
            *lock(&self.given) = true;
            self.changed.notify_one();
        }

        fn wait(&self) {
            let mut given = lock(&self.given);
            while !std::mem::take(&mut *given) {
                given = self.changed.wait(given).unwrap();
            }
        }
    }

    #[test]
    fn a_reader_that_was_turned_away_is_told_of_credit() {
        explore(Bug::StarvedForgotten, || {
            let mut inbox = Inbox::new();
            let links = Links::of(&inbox);
            let reader = thread::spawn(move || {
                let credit = Arc::new(Credit::default());
                let waker = credit.clone();
                let link = open(&links, move || waker.give());
                for frame in [Bytes::from_static(b"a"), Bytes::from_static(b"b")] {
                    let mut offered = link.try_receive(frame);
                    while let Err(frame) = offered {
                        credit.wait();
                        offered = link.try_receive(frame);
                    }
                }
            });
            // Up, two frames, down: each frame needs all the credit there is.
            assert_eq!(take(&mut inbox, 4), 4);
            reader.join().unwrap();
        });
    }

    /// Says when it is dropped.
    struct Dropped(Arc<Credit>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.give();
        }
    }

    #[test]
    fn nobody_waits_for_an_answer_from_a_loop_that_is_gone() {
        explore(Bug::NeverClosed, || {
            let inbox = Inbox::new();
            let shared = inbox.shared();
            let asker = thread::spawn(move || {
                let answered = Arc::new(Credit::default());
                let question = Dropped(answered.clone());
                drop(shared.request(Input::Query(Box::new(move |_| drop(question)))));
                // Called or dropped uncalled, the question is gone in the end.
                answered.wait();
            });
            drop(inbox);
            asker.join().unwrap();
        });
    }

    /// The condition of a node that has just been made.
    fn status() -> Status {
        let keypair = Keypair::from_seed([1; 32]);
        let card = ValidatorCard::new(&keypair, ProofOfWork(0));
        let name = Text::new("model").unwrap();
        let genesis = Genesis::new(name, vec![card], vec![], BlockTime(0), 0).unwrap();
        let setup = Setup {
            genesis,
            keypair,
            proof: ProofOfWork(0),
            seed: [2; 32],
            config: Config::default(),
            past: Past::Known,
            begins: Position(0),
            keys: Kept::nothing(),
        };
        Node::new(setup, Time::ZERO, []).unwrap().status()
    }

    #[test]
    fn the_last_status_is_the_one_that_stays() {
        static STATUS: std::sync::LazyLock<Status> = std::sync::LazyLock::new(status);
        let at = |height: u64| {
            let mut status = STATUS.clone();
            status.height.0 = height;
            status
        };
        at(0);
        explore(Bug::LastWordLost, move || {
            let cell = Arc::new(StatusCell::new(at(0)));
            let reading = cell.clone();
            let reader = thread::spawn(move || {
                let first = reading.read();
                assert!(first.height <= reading.read().height, "a status of the past came back");
            });
            cell.try_publish(at(1));
            cell.publish_last(at(2));
            reader.join().unwrap();
            assert_eq!(cell.read().height.0, 2);
        });
    }
}
