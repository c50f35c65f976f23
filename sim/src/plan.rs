//! The faults that have a time: drawn before the run, so that they are decisions like any other.

use std::collections::BTreeSet;

use bitcraps_protocol::rng::Rng;

use crate::config::Config;
use crate::decision::TimedFault;

/// Which validators are hostile, and which are honest but have a disk that breaks its word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Do as their strategy says.
    pub byzantine: BTreeSet<usize>,
    /// Lose durable records in a crash.
    pub liars: BTreeSet<usize>,
    /// Lose their whole disk.
    pub wiped: BTreeSet<usize>,
    /// Lose a sector of it, which they notice.
    pub rotten: BTreeSet<usize>,
}

impl Roles {
    /// Draws who is what.
    pub fn drawn(config: &Config, rng: &Rng) -> Self {
        let mut order: Vec<usize> = (0..usize::from(config.nodes)).collect();
        shuffle(&mut order, &mut rng.fork("roles"));
        let mut order = order.into_iter();
        let mut take = |count: u16| order.by_ref().take(usize::from(count)).collect();
        Self {
            byzantine: take(config.byzantine),
            liars: take(config.faults.liars),
            wiped: take(config.faults.wipes),
            rotten: take(config.faults.rotten),
        }
    }

    /// Whether this one counts among the f.
    pub fn is_faulty(&self, place: usize) -> bool {
        [&self.byzantine, &self.liars, &self.wiped].into_iter().any(|those| those.contains(&place))
    }

    /// Everybody who counts among the f.
    pub fn faulty(&self) -> BTreeSet<usize> {
        let faulty = [&self.byzantine, &self.liars, &self.wiped, &self.rotten];
        faulty.into_iter().flatten().copied().collect()
    }
}

/// Draws the faults of a run, by their times in microseconds.
pub fn draw(config: &Config, roles: &Roles, rng: &Rng) -> Vec<(u64, TimedFault)> {
    let mut plan = Vec::new();
    let end = config.faulty_ms * 1_000;
    let stable = config.stabilises_ms.min(config.faulty_ms) * 1_000;
    let places = config.places() as u64;
    let sound: Vec<usize> =
        (0..config.places()).filter(|place| !roles.faulty().contains(place)).collect();

    let mut crashes = rng.fork("crashes");
    for _ in 0..config.faults.crashes {
        // One in four takes everybody down at once.
        let at = crashes.below(stable.max(1));
        let place = pick(&sound, &mut crashes);
        let all = crashes.below(4) == 0;
        let (kept_permille, down) = (crashes.below(1_001) as u32, crashes.below(2_000_000));
        for victim in sound.iter().copied().filter(|victim| all || *victim == place) {
            let place = victim as u16;
            plan.push((at, TimedFault::Crash { place, kept_permille, lied: 0 }));
            plan.push((at + down, TimedFault::Restart { place }));
        }
    }
    let mut liars = rng.fork("liars");
    for place in &roles.liars {
        let (at, place) = (liars.below(stable.max(1)), *place as u16);
        let lied = 1 + liars.below(20) as u32;
        plan.push((at, TimedFault::Crash { place, kept_permille: 0, lied }));
        plan.push((at + liars.below(1_000_000), TimedFault::Restart { place }));
    }
    let mut wipes = rng.fork("wipes");
    for place in &roles.wiped {
        let (at, place) = (wipes.below(stable.max(1)), *place as u16);
        plan.push((at, TimedFault::Wipe { place }));
        plan.push((at + wipes.below(1_000_000), TimedFault::Restart { place }));
    }
    let mut rot = rng.fork("rot");
    for place in &roles.rotten {
        let (at, place) = (rot.below(stable.max(1)), *place as u16);
        let permille = rot.below(1_000) as u32;
        plan.push((at, TimedFault::Rot { place, permille }));
        plan.push((at, TimedFault::Crash { place, kept_permille: 0, lied: 0 }));
        plan.push((at + rot.below(1_000_000), TimedFault::Restart { place }));
    }
    let mut unreadable = rng.fork("unreadable disks");
    for _ in 0..config.faults.unreadable_disks {
        let (at, place) = (unreadable.below(stable.max(1)), pick(&sound, &mut unreadable) as u16);
        plan.push((at, TimedFault::Unreadable { place }));
        let lasts = 500_000 + unreadable.below(4_000_000);
        plan.push((at + lasts, TimedFault::Restart { place }));
    }
    let mut full = rng.fork("full disks");
    for _ in 0..config.faults.full_disks {
        let (at, place) = (full.below(stable.max(1)), pick(&sound, &mut full) as u16);
        plan.push((at, TimedFault::Full { place }));
        plan.push((at + 500_000 + full.below(1_000_000), TimedFault::Restart { place }));
    }
    let mut jumps = rng.fork("clock jumps");
    for _ in 0..config.faults.clock_jumps {
        let (at, place) = (jumps.below(end.max(1)), jumps.below(places) as u16);
        let by_ms = jumps.below(7_200_000) as i64 - 3_600_000;
        plan.push((at, TimedFault::Jump { place, by_ms }));
    }
    let mut cuts = rng.fork("cuts");
    for id in 0..config.faults.cuts {
        draw_cut(id * FLAPS, stable, places as u16, &mut cuts, &mut plan);
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

/// How often a flapping cut comes and goes.
const FLAPS: u16 = 4;

fn draw_cut(id: u16, stable: u64, places: u16, rng: &mut Rng, plan: &mut Vec<(u64, TimedFault)>) {
    let mut order: Vec<u16> = (0..places).collect();
    shuffle(&mut order, rng);
    let at = rng.below(stable.max(1));
    let lasts = 100_000 + rng.below((stable - at).max(200_000));
    let middle = (1 + rng.below(u64::from(places.max(2)) - 1)) as usize;
    let (breaks, kind) = (rng.below(2) == 0, rng.below(5));
    let (left, right) = match kind {
        // One alone.
        0 => order.split_at(1),
        // A bridge, the last one, hears both sides.
        1 if places > 2 => order[..order.len() - 1].split_at(middle.min(order.len() - 2)),
        _ => order.split_at(middle),
    };
    let (left, right, one_way) = (left.to_vec(), right.to_vec(), kind == 2);
    let times = if kind == 3 { FLAPS } else { 1 };
    for time in 0..times {
        let (id, start) = (id + time, at + lasts * u64::from(time) / u64::from(times));
        let (left, right) = (left.clone(), right.clone());
        plan.push((start, TimedFault::Cut { id, left, right, one_way, breaks }));
        let share = if times == 1 { lasts } else { lasts / u64::from(times) / 2 };
        plan.push((start + share, TimedFault::Heal { id }));
    }
}

fn pick(from: &[usize], rng: &mut Rng) -> usize {
    from.get(rng.below(from.len() as u64) as usize).copied().unwrap_or(0)
}

/// Puts `items` into a random order.
pub fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Profile, root};

    #[test]
    fn every_fault_that_is_asked_for_is_planned() {
        let mut config = Config::of(Profile::Worst);
        (config.nodes, config.faults.liars, config.faults.wipes) = (10, 1, 1);
        config.faults.rotten = 1;
        let rng = root(3);
        let roles = Roles::drawn(&config, &rng);
        assert_eq!(roles.faulty().len(), 3);
        let plan = draw(&config, &roles, &rng);
        let count = |is: fn(&TimedFault) -> bool| plan.iter().filter(|(_, it)| is(it)).count();
        assert!(count(|it| matches!(it, TimedFault::Crash { lied: 0, .. })) >= 6);
        assert_eq!(count(|it| matches!(it, TimedFault::Crash { lied: 1.., .. })), 1);
        assert_eq!(count(|it| matches!(it, TimedFault::Wipe { .. })), 1);
        assert_eq!(count(|it| matches!(it, TimedFault::Rot { .. })), 1);
        assert!(count(|it| matches!(it, TimedFault::Cut { .. })) >= 4);
        let down = count(|it| {
            matches!(it, TimedFault::Crash { .. } | TimedFault::Wipe { .. })
                || matches!(it, TimedFault::Full { .. } | TimedFault::Unreadable { .. })
        });
        assert_eq!(count(|it| matches!(it, TimedFault::Restart { .. })), down);
        assert!(plan.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        assert_eq!(plan, draw(&config, &roles, &rng));
    }
}
