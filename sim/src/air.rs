//! The air that radios share: when a frame has been said.
//!
//! A radio does one thing at a time, so what it sends and what it hears take turns; and all who hear
//! one another share so many channels, among which transmissions hop at random. Both are reckoned as
//! fluids: every frame adds its airtime to what its sender, its receiver and the air around the
//! sender are busy with, and is through when the busiest of them is. Nothing is lost by that;
//! collisions are among the losses that a configuration asks for.

use bitcraps_protocol::time::Time;

use crate::topology::Links;

/// How busy radios, and the air around them, are.
#[derive(Debug)]
pub struct Air {
    channels: u64,
    /// Who hears each radio, itself included.
    near: Vec<Vec<usize>>,
    radios: Vec<Nanos>,
    /// The channels around each radio, taken together.
    around: Vec<Nanos>,
}

/// Since the simulation began; a frame's share of a channel is less than a microsecond.
type Nanos = u64;

impl Air {
    /// Free air among so many radios, of which those with `links` hear one another.
    pub fn new(places: usize, links: &Links, channels: u16) -> Self {
        let mut near: Vec<Vec<usize>> = (0..places).map(|place| vec![place]).collect();
        for (one, other) in links {
            near[*one].push(*other);
            near[*other].push(*one);
        }
        let channels = u64::from(channels.max(1));
        Self { channels, near, radios: vec![0; places], around: vec![0; places] }
    }

    /// Says something that takes so many microseconds of airtime; when it has been said.
    pub fn say(&mut self, now: Time, from: usize, to: usize, airtime: u64) -> Time {
        let (now, airtime) = (now.as_micros() * 1_000, airtime * 1_000);
        let free = [self.radios[from], self.radios[to], self.around[from], self.around[to]];
        let begins = free.into_iter().fold(now, Nanos::max);
        for radio in [from, to] {
            self.radios[radio] = self.radios[radio].max(now) + airtime;
        }
        for &place in &self.near[from] {
            self.around[place] = self.around[place].max(now) + airtime / self.channels;
        }
        Time::from_micros((begins + airtime).div_ceil(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_micros(1_000);

    fn said(air: &mut Air, pairs: &[(usize, usize)]) -> Vec<u64> {
        let ends = pairs.iter().map(|(from, to)| air.say(START, *from, *to, 100).as_micros());
        ends.collect()
    }

    #[test]
    fn a_radio_does_one_thing_at_a_time() {
        let links = [(0, 1), (1, 2), (3, 4)].into();
        let mut air = Air::new(5, &links, u16::MAX);
        assert_eq!(said(&mut air, &[(0, 1), (2, 1), (3, 4)]), [1_100, 1_200, 1_100]);
    }

    #[test]
    fn all_who_hear_one_another_share_the_channels() {
        let links: Links = (0..6).flat_map(|one| (0..one).map(move |other| (other, one))).collect();
        let pairs = [(0, 1), (2, 3), (4, 5)];
        assert_eq!(said(&mut Air::new(6, &links, 1), &pairs), [1_100, 1_200, 1_300]);
        assert_eq!(said(&mut Air::new(6, &links, 2), &pairs), [1_100, 1_150, 1_200]);
        let apart = [(0, 1), (2, 3), (4, 5)].into();
        assert_eq!(said(&mut Air::new(6, &apart, 1), &pairs), [1_100, 1_100, 1_100]);
    }
}
