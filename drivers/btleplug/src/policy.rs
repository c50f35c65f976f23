//! How much radio time and how many connections a node spends: numbers with reasons, and the duty
//! cycle that follows from them. Pure.

use std::time::Duration;

use bitcraps_protocol::time::Time;

use crate::greeting::MOST_FRAME_BYTES;

/// What kind of machine this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// On a battery: it looks around less and keeps fewer connections.
    Mobile,
    /// On mains.
    #[default]
    Desktop,
}

/// What a node spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Links that an adapter opens at most.
    pub outbound: usize,
    /// Links that an adapter accepts at most; it does not advertise when it has so many.
    pub inbound: usize,
    /// Devices heard more weakly are left alone, in dBm. −90: a connection would drop all the time.
    pub least_rssi: i16,
    /// How an adapter looks around as long as it has few links.
    pub seeking: Cycle,
    /// How it does later.
    pub settled: Cycle,
    /// How many links are few.
    pub few: usize,
    /// How often the advertisement is renewed: controllers forget it when a connection comes up.
    pub advertise_every: Duration,
    /// Bytes of the longest frame on any connection.
    pub frame_bytes: u16,
    /// The pause before a radio that was lost is tried again.
    pub retry_after: Duration,
}

/// Looking around for so long, and then not for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Looking.
    pub on: Duration,
    /// Not looking.
    pub off: Duration,
}

impl Cycle {
    const fn of_seconds(on: u64, off: u64) -> Self {
        Self { on: Duration::from_secs(on), off: Duration::from_secs(off) }
    }
}

impl Profile {
    /// What such a machine spends. Connections: phones hold about seven, laptops about as many for
    /// each role.
    pub fn policy(self) -> Policy {
        let common = Policy {
            outbound: 6,
            inbound: 6,
            least_rssi: -90,
            // Never without a pause: some controllers connect only while they do not scan, and
            // some report an advertiser once for each scan.
            seeking: Cycle::of_seconds(9, 1),
            settled: Cycle::of_seconds(5, 10),
            few: 2,
            advertise_every: Duration::from_secs(10),
            frame_bytes: MOST_FRAME_BYTES,
            retry_after: Duration::from_secs(5),
        };
        match self {
            Self::Desktop => common,
            Self::Mobile => Policy {
                outbound: 3,
                inbound: 4,
                seeking: Cycle::of_seconds(5, 10),
                settled: Cycle::of_seconds(3, 15),
                few: 1,
                advertise_every: Duration::from_secs(30),
                ..common
            },
        }
    }
}

/// Whether an adapter is looking around, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Duty {
    is_on: bool,
    until: Time,
}

impl Duty {
    /// Not yet looking, but about to.
    pub(crate) const fn new(now: Time) -> Self {
        Self { is_on: false, until: now }
    }

    /// Whether to begin or to stop now, if either. An adapter that is `connecting` does nothing
    /// else, and makes up for it later.
    pub(crate) fn turn(&mut self, now: Time, cycle: Cycle, connecting: bool) -> Option<bool> {
        if connecting {
            self.until = now;
            return std::mem::take(&mut self.is_on).then_some(false);
        }
        if now < self.until {
            return None;
        }
        self.is_on = !self.is_on;
        self.until = now + if self.is_on { cycle.on } else { cycle.off };
        Some(self.is_on)
    }

    /// When to ask again unless something changes.
    pub(crate) const fn until(&self) -> Time {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn an_adapter_looks_around_in_turns_and_not_while_it_connects() {
        let cycle = Cycle::of_seconds(5, 10);
        let mut duty = Duty::new(at(0));
        let mut turn = |seconds, connecting| duty.turn(at(seconds), cycle, connecting);
        assert_eq!(turn(0, false), Some(true));
        assert_eq!(turn(4, false), None);
        assert_eq!(turn(5, false), Some(false));
        assert_eq!(turn(14, false), None);
        assert_eq!(turn(15, false), Some(true));
        assert_eq!(turn(16, true), Some(false));
        assert_eq!(turn(17, true), None);
        assert_eq!(turn(18, false), Some(true));
        assert_eq!(duty.until(), at(23));
    }

    #[test]
    fn a_phone_spends_less_than_a_laptop() {
        let (phone, laptop) = (Profile::Mobile.policy(), Profile::Desktop.policy());
        let share = |cycle: Cycle| cycle.on.as_secs() * 100 / (cycle.on + cycle.off).as_secs();
        assert_eq!((share(laptop.seeking), share(laptop.settled)), (90, 33));
        assert_eq!((share(phone.seeking), share(phone.settled)), (33, 16));
        assert!(phone.outbound + phone.inbound <= 7);
    }
}
