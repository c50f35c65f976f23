//! What happens next: what waits in the queue, and what comes of it when its time comes.

use bitcraps_protocol::event::{Endpoint, Event};
use bitcraps_protocol::time::Time;
use bytes::Bytes;

use super::{World, links};
use crate::checks::Check;
use crate::decision::TimedFault;
use crate::process::Process;
use crate::queue::Queue as _;
use crate::recorder::Kind;

/// How often a driver tells the wall clock.
const WALL_CLOCK_MICROS: u64 = 10_000_000;

/// What happens next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Deliver { edge: u32, generation: u32, frame: Bytes },
    Sent { edge: u32, generation: u32 },
    Synced { place: u32, life: u32, count: u32 },
    Wake { place: u32 },
    Dial { pair: u32 },
    Dialled { place: u32, life: u32, endpoint: Endpoint },
    WallClock { place: u32, life: u32 },
    Timed { index: u32 },
    Play,
    Pause,
}

impl World {
    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Deliver { edge, generation, frame } => {
                self.deliver(edge as usize, generation, frame);
            }
            Step::Sent { edge, generation } => {
                if self.network.is_up(edge as usize, generation) {
                    let place = self.network.sender(edge as usize);
                    self.note(Kind::Sent, place, u64::from(edge));
                    let link = links::link_id(edge as usize, generation);
                    self.give(place, Event::Sent { link });
                }
            }
            Step::Synced { place, life, count } => self.synced(place as usize, life, count),
            Step::Wake { place } => self.wake(place as usize),
            Step::Dial { pair } => self.dial(pair as usize),
            Step::Dialled { place, life, endpoint } => {
                self.dialled(place as usize, life, endpoint);
            }
            Step::WallClock { place, life } => {
                let it = &self.places[place as usize];
                if it.life == life && it.process.is_some() {
                    let unix_ms = it.clock.unix_ms(self.now);
                    self.note(Kind::WallClock, place as usize, unix_ms);
                    self.give(place as usize, Event::WallClock { unix_ms });
                    let at = Time::from_micros(self.now.as_micros() + WALL_CLOCK_MICROS);
                    self.queue.push(at, Step::WallClock { place, life });
                }
            }
            Step::Timed { index } => {
                let (_, fault) = self.timed[index as usize].clone();
                if self.network.faulty {
                    self.inflict(fault);
                }
            }
            Step::Play => {
                let wait = self.play();
                let at = Time::from_micros(self.now.as_micros() + wait);
                self.queue.push(at, Step::Play);
            }
            Step::Pause => self.paused = true,
        }
    }

    fn wake(&mut self, place: usize) {
        let it = &mut self.places[place];
        if it.wake != Some(self.now) {
            return;
        }
        it.wake = None;
        let local = it.clock.local(self.now);
        let due = it.process.as_ref().and_then(Process::deadline).is_some_and(|at| at <= local);
        if due {
            self.note(Kind::Tick, place, 0);
            self.give(place, Event::Tick);
        } else {
            self.rearm(place);
        }
    }

    /// Makes sure that the place is woken up by its deadline.
    pub(super) fn rearm(&mut self, place: usize) {
        let it = &mut self.places[place];
        let Some(deadline) = it.process.as_ref().and_then(Process::deadline) else { return };
        let local = it.clock.local(self.now);
        // A refusal changes nothing; what is due at the same moment has its turn after it.
        if deadline <= local && it.wake.is_some_and(|wake| wake <= self.now) {
            return;
        }
        if deadline <= local {
            let message = format!("its deadline {deadline:?} is not after {local:?}");
            return self.violate(Check::Deadline, place, message);
        }
        let at = it.clock.simulated(deadline);
        if it.wake.is_none_or(|wake| at < wake) {
            it.wake = Some(at);
            self.queue.push(at, Step::Wake { place: place as u32 });
        }
    }

    /// Lets the players do something; how long until the next time, in microseconds.
    fn play(&mut self) -> u64 {
        let mut player = std::mem::take(&mut self.player);
        let wait = player.play(self);
        self.player = player;
        wait
    }

    /// Does what a timed decision says.
    fn inflict(&mut self, fault: TimedFault) {
        self.digest.bytes(format!("{fault:?}").as_bytes());
        self.recorder.inflict(self.now, &fault);
        match fault {
            TimedFault::Crash { place, kept_permille, lied } => {
                self.crash(usize::from(place), kept_permille, lied);
            }
            TimedFault::Wipe { place } => self.wipe(usize::from(place)),
            TimedFault::Full { place } => {
                self.places[usize::from(place)].disk.full = true;
            }
            TimedFault::Unreadable { place } => {
                self.places[usize::from(place)].disk.unreadable = true;
            }
            TimedFault::Rot { place, permille } => {
                self.count("sector rotted");
                self.places[usize::from(place)].disk.rot(permille);
            }
            TimedFault::Restart { place } => self.start(usize::from(place)),
            TimedFault::Cut { id, left, right, one_way, breaks } => {
                self.cut(id, crate::network::Cut { left, right, one_way, breaks });
            }
            TimedFault::Heal { id } => self.heal(id),
            TimedFault::Jump { place, by_ms } => {
                self.count("wall clock jumped");
                self.places[usize::from(place)].clock.wall_error_ms += by_ms;
                let unix_ms = self.places[usize::from(place)].clock.unix_ms(self.now);
                self.give(usize::from(place), Event::WallClock { unix_ms });
            }
        }
    }
}
