//! Players: they open tables, sit down, bet on anything there is, roll, stand up, pay one another,
//! and ask for what they cannot afford.

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Operation, TableId};
use bitcraps_protocol::craps::{Bet, Chips, Phase, Round, Rules, Table};
use bitcraps_protocol::event::Command;
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::wire::Text;

use crate::config::{Config, Workload};
use crate::world::World;

/// What everybody's hands do.
#[derive(Debug, Default)]
pub struct Player {
    workload: Option<Workload>,
    rng: Option<Rng>,
    bets: Vec<Bet>,
    asked: u32,
}

/// One kind of deed.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Transfer,
    Bet,
    Roll,
    Seat,
    Overspend,
}

const DEEDS: [Deed; 5] = [Deed::Transfer, Deed::Bet, Deed::Roll, Deed::Seat, Deed::Overspend];

impl Player {
    /// The hands of a world.
    pub(crate) fn new(config: &Config, rng: &Rng) -> Self {
        Self {
            workload: Some(config.workload),
            rng: Some(rng.fork("workload")),
            bets: Bet::all().collect(),
            asked: 0,
        }
    }

    /// Somebody does something; how many microseconds until the next deed.
    pub(crate) fn play(&mut self, world: &mut World) -> u64 {
        let (Some(workload), Some(rng)) = (self.workload, &mut self.rng) else { return u64::MAX };
        let wait = 1 + rng.below(2 * workload.every_ms.max(1) * 1_000);
        if workload.operations > 0 && self.asked >= workload.operations {
            return wait;
        }
        let place = rng.below(world.places.len() as u64) as usize;
        // The draws are the same whether or not the place is up, so that taking a crash out of a
        // schedule leaves the others' deeds as they were.
        let mut rng = rng.fork(&self.asked.to_string());
        self.asked += 1;
        if world.node(place).is_none() || world.roles.byzantine.contains(&place) {
            return wait;
        }
        let Some(operation) = self.operation(world, place, &workload, &mut rng) else {
            return wait;
        };
        match world.submit(place, Command::Operate(operation)) {
            Some(Ok(_)) => world.count("operation accepted"),
            Some(Err(_)) => world.count("operation refused"),
            None => {}
        }
        wait
    }

    fn operation(
        &self,
        world: &World,
        place: usize,
        workload: &Workload,
        rng: &mut Rng,
    ) -> Option<Operation> {
        let node = world.node(place)?;
        let me = world.address(place).peer;
        let account = node.state().account(&me)?;
        let open = node.state().tables().count();
        if open < usize::from(workload.tables) && rng.below(2) == 0 {
            let rules = Rules { window_ms: 0, shooter_ms: 3_000, ..Rules::default() };
            let name = Text::new("craps").ok()?;
            let bank = Chips(1 + account.balance.0 / 4);
            return Some(Operation::OpenTable { name, rules, bank });
        }
        let to = world.address(rng.below(world.places.len() as u64) as usize);
        let deed = deed(workload, rng);
        let choice = node.state().tables().nth(rng.below(open as u64) as usize);
        match (deed, choice) {
            (Deed::Overspend, _) => {
                Some(Operation::Transfer { to, amount: Chips(account.balance.0 + 1) })
            }
            (Deed::Transfer, _) | (_, None) => {
                Some(Operation::Transfer { to, amount: Chips(1 + rng.below(100)) })
            }
            (deed, Some((id, entry))) => {
                let table = &entry.table;
                let seated = table.seats().iter().any(|seat| seat.player.0 == me.0);
                Some(at_table(deed, id, table, seated, entry.owner == me, &self.bets, rng))
            }
        }
    }
}

/// What somebody does at a table.
fn at_table(
    deed: Deed,
    id: TableId,
    table: &Table,
    seated: bool,
    owner: bool,
    bets: &[Bet],
    rng: &mut Rng,
) -> Operation {
    let round = table.round();
    // Now and then, the round that is in the air or is over.
    let round = if rng.below(20) == 0 { Round(round.0.wrapping_sub(1)) } else { round };
    match deed {
        _ if !seated => Operation::Sit { table: id },
        Deed::Roll if matches!(table.phase(), Phase::Betting { .. }) && rng.below(3) > 0 => {
            Operation::Roll { table: id, round }
        }
        Deed::Roll => Operation::Ready { table: id, round },
        Deed::Seat if owner && rng.below(4) == 0 => Operation::CloseTable { table: id },
        Deed::Seat => Operation::Stand { table: id },
        Deed::Bet | Deed::Transfer | Deed::Overspend => {
            let bet = bets[rng.below(bets.len() as u64) as usize];
            if rng.below(8) == 0 {
                return Operation::TakeDown { table: id, round, bet, amount: None };
            }
            let amount = Chips(5 * (1 + rng.below(12)));
            Operation::Bet { table: id, round, bet, amount }
        }
    }
}

fn deed(workload: &Workload, rng: &mut Rng) -> Deed {
    let total: u64 = workload.mix.iter().map(|share| u64::from(*share)).sum();
    let mut left = rng.below(total.max(1));
    for (deed, share) in DEEDS.into_iter().zip(workload.mix) {
        match left.checked_sub(u64::from(share)) {
            Some(rest) => left = rest,
            None => return deed,
        }
    }
    Deed::Transfer
}

/// The heights of everybody who is honest and up.
pub fn heights(world: &World) -> impl Iterator<Item = (usize, Height)> + '_ {
    let up = |place: &usize| world.node(*place).is_some();
    (0..world.places.len()).filter(up).map(|place| (place, world.places[place].height))
}
