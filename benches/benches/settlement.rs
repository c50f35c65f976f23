//! What does a roll cost at a table?
//!
//! * Settling all bets of a small layout (1 player, 3 bets) and of a full one (20 players, 500
//!   bets), over all 36 outcomes in turn: `settlement`. One element is one roll of the whole table.

use bitcraps_benches::cases::tables::{FULL, SMALL, table, thrown};
use bitcraps_benches::criterion;
use bitcraps_protocol::craps::{Dice, Moment};
use criterion::{BatchSize, Throughput};

fn main() {
    let mut criterion = criterion().configure_from_args();
    let mut group = criterion.benchmark_group("settlement");
    group.throughput(Throughput::Elements(1));
    for (players, bets) in [(1, &SMALL[..]), (20, &FULL[..])] {
        let mut table = table(players, bets);
        let up = table.bets().count();
        thrown(&mut table);
        let mut outcomes = (1..=6).flat_map(|a| (1..=6).map(move |b| (a, b))).cycle();
        let next = move || {
            let (first, second) = outcomes.next().expect("it has no end");
            (table.clone(), Dice::new(first, second).expect("two faces"))
        };
        group.bench_function(format!("{players} players, {up} bets"), |it| {
            it.iter_batched(
                next.clone(),
                |(mut table, dice)| {
                    let settlement = table.settle(dice, Moment::default());
                    (table, settlement)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    criterion.final_summary();
}
