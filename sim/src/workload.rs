//! Players: they open tables, sit down, bet on anything there is, roll, stand up, pay one another,
//! and ask for what they cannot afford. Lively ones know the game, and live with it: see
//! [`Workload::lively`].

use std::collections::BTreeMap;

use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::{Operation, TableEntry, TableId};
use bitcraps_protocol::craps::{self, Bet, Chips, Phase, Round, Rules, Table};
use bitcraps_protocol::event::Command;
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::wire::Text;

use crate::config::{Config, Workload};
use crate::sometimes;
use crate::world::World;

/// What everybody's hands do.
#[derive(Debug, Default)]
pub struct Player {
    workload: Option<Workload>,
    rng: Option<Rng>,
    bets: Vec<Bet>,
    /// The same by kind.
    kinds: Vec<Vec<Bet>>,
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
        let mut kinds = BTreeMap::<String, Vec<Bet>>::new();
        Bet::all().for_each(|bet| kinds.entry(sometimes::kind(bet)).or_default().push(bet));
        Self {
            kinds: kinds.into_values().collect(),
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
        if world.config.private && rng.fork("keys").below(12) == 0 {
            change_keys(world, place, &mut rng);
            return wait;
        }
        if workload.lively {
            self.live(world, place, &workload, &mut rng);
            return wait;
        }
        let Some(operation) = self.operation(world, place, &workload, &mut rng) else {
            return wait;
        };
        ask(world, place, operation);
        wait
    }

    /// A lively player does something, or somebody throws the dice.
    fn live(&self, world: &mut World, place: usize, workload: &Workload, rng: &mut Rng) {
        if rng.below(3) == 0 {
            return throw(world, rng);
        }
        if place >= usize::from(world.config.nodes) && rng.below(40) == 0 {
            world.leave(place);
            return world.count("player left the network");
        }
        let Some(node) = world.node(place) else { return };
        let me = world.address(place).peer;
        if node.state().account(&me).is_none() {
            return;
        }
        let newcomer = world.places.iter().enumerate().find_map(|(other, it)| {
            let unknown = node.state().account(&it.keypair.peer()).is_none();
            unknown.then(|| world.address(other))
        });
        if let Some(to) = newcomer.filter(|_| rng.below(4) == 0) {
            world.count("newcomer joined");
            return ask(world, place, Operation::Transfer { to, amount: Chips(5_000) });
        }
        let own = node.state().tables().find(|(_, entry)| entry.owner == me).map(|(id, _)| id);
        let tables: Vec<_> = node.state().tables().collect();
        let sits = |table: &Table| table.seats().iter().any(|seat| seat.player.0 == me.0);
        let seated: Vec<_> = tables.iter().filter(|(_, entry)| sits(&entry.table)).collect();
        let operation = match rng.below(20) {
            0 => own.map(|table| Operation::Fund { table, amount: Chips(1 + rng.below(500)) }),
            1 => own.map(|table| Operation::Draw { table, amount: Chips(1 + rng.below(2_000)) }),
            2..12 if !seated.is_empty() => {
                let (id, entry) = seated[rng.below(seated.len() as u64) as usize];
                self.game(*id, &entry.table, craps::Player(me.0), rng)
            }
            _ => self.operation(world, place, workload, rng),
        };
        if let Some(operation) = operation {
            ask(world, place, operation);
        }
    }

    /// Something that the table will take: a bet, one called off or on, or one taken down.
    fn game(
        &self,
        id: TableId,
        table: &Table,
        me: craps::Player,
        rng: &mut Rng,
    ) -> Option<Operation> {
        let Phase::Betting { opened } = table.phase() else { return None };
        let round = table.round();
        let mine: Vec<Bet> =
            table.bets().filter(|(of, ..)| *of == me).map(|(_, bet, _)| bet).collect();
        if !mine.is_empty() && rng.below(6) == 0 {
            let bet = mine[rng.below(mine.len() as u64) as usize];
            let on = rng.below(2) == 0;
            let amount = (rng.below(3) == 0).then(|| Chips(1 + rng.below(10)));
            return Some(match rng.below(2) {
                0 => Operation::SetWorking { table: id, round, bet, on },
                _ => Operation::TakeDown { table: id, round, bet, amount },
            });
        }
        (0..TRIES).find_map(|_| {
            let kind = &self.kinds[rng.below(self.kinds.len() as u64) as usize];
            let bet = kind[rng.below(kind.len() as u64) as usize];
            let amount = Chips(5 * (1 + rng.below(12)));
            let takes = table.clone().bet(me, round, bet, amount, opened).is_ok();
            takes.then_some(Operation::Bet { table: id, round, bet, amount })
        })
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
            let crapless = workload.lively && rng.below(3) == 0;
            let rules = Rules { window_ms: 0, shooter_ms: 3_000, crapless, ..Rules::default() };
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

/// Bets that a player thinks of before giving up.
const TRIES: u32 = 24;

/// Validators make new keys for everybody, and stand by those of others.
fn change_keys(world: &mut World, place: usize, rng: &mut Rng) {
    let private = world.node(place).and_then(|node| node.status().private);
    let command = match private.as_ref().and_then(|it| it.pending.first()) {
        Some(rotation) => Command::Endorse { rotation: rotation.id },
        None if rng.below(4) > 0 => return,
        None => {
            let with = world.places.iter().map(|it| it.keypair.peer()).collect();
            Command::Rotate { without: Vec::new(), with }
        }
    };
    world.submit(place, command);
}

fn ask(world: &mut World, place: usize, operation: Operation) {
    match world.submit(place, Command::Operate(operation)) {
        Some(Ok(_)) => world.count("operation accepted"),
        Some(Err(_)) => world.count("operation refused"),
        None => {}
    }
}

/// Whoever has the dice of some table throws them, with a line bet if one is needed, or lets the
/// time pass.
fn throw(world: &mut World, rng: &mut Rng) {
    let places = world.places.len();
    let looks = rng.below(places as u64) as usize;
    let Some(node) = world.node(looks) else { return };
    let waiting = |(id, entry): (TableId, &TableEntry)| {
        let table = &entry.table;
        let (Phase::Betting { .. }, Some(shooter)) = (table.phase(), table.shooter()) else {
            return None;
        };
        let has_line = |bet: &Bet| matches!(bet, Bet::Pass | Bet::DontPass);
        let has_line = table.bets().any(|(of, bet, _)| of == shooter && has_line(&bet));
        Some((id, table.round(), shooter, table.point().is_none() && !has_line))
    };
    let tables: Vec<_> = node.state().tables().filter_map(waiting).collect();
    let nth = rng.below(tables.len().max(1) as u64) as usize;
    let Some((table, round, shooter, needs_line)) = tables.get(nth).copied() else { return };
    let is_shooter = |place: &usize| world.address(*place).peer.0 == shooter.0;
    let Some(place) = (0..places).find(is_shooter) else { return };
    if world.roles.byzantine.contains(&place) || rng.below(8) == 0 {
        return world.count("shooter let the time pass");
    }
    if needs_line {
        let bet = if rng.below(3) == 0 { Bet::DontPass } else { Bet::Pass };
        ask(world, place, Operation::Bet { table, round, bet, amount: Chips(10) });
    }
    ask(world, place, Operation::Roll { table, round });
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
