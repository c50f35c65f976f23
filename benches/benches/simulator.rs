//! What does the simulator cost?
//!
//! * An event of its queue, beside a binary heap's: `queue`.
//! * An event of its loop, with link, latency, faults and fingerprint, but without a node's work:
//!   `loop`. At most 150 ns is the aim with 100 nodes. Beside other simulators: `../rivals`.

use bitcraps_benches::all_to_all::{AllToAll, EVERY_MS};
use bitcraps_benches::criterion;
use bitcraps_protocol::time::Time;
use bitcraps_sim::config::root;
use bitcraps_sim::queue::{Calendar, Heap, Queue};
use criterion::Throughput;
use std::hint::black_box;

/// Takes an item out and puts it back a while later, as a network of so many nodes does.
fn hold<Q: Queue<u64> + Default>(nodes: u64) -> impl FnMut() {
    let (mut queue, mut rng) = (Q::default(), root(1));
    for item in 0..nodes * nodes {
        queue.push(Time::from_micros(rng.below(20_000)), item);
    }
    move || {
        let (now, item) = queue.pop().expect("what is taken out is put back");
        queue.push(Time::from_micros(now.as_micros() + 5_000 + rng.below(15_000)), item);
        black_box(item);
    }
}

fn main() {
    let mut criterion = criterion().configure_from_args();
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(1));
    for nodes in [100, 1_000] {
        let mut calendar = hold::<Calendar<u64>>(nodes);
        group.bench_function(format!("calendar, {nodes} nodes"), |it| it.iter(&mut calendar));
        let mut heap = hold::<Heap<u64>>(nodes);
        group.bench_function(format!("heap, {nodes} nodes"), |it| it.iter(&mut heap));
    }
    group.finish();
    let mut group = criterion.benchmark_group("loop");
    for nodes in [100, 300] {
        let mut hosts = AllToAll::new(nodes);
        hosts.run_until(EVERY_MS);
        let mut ms = EVERY_MS;
        let mut round = || {
            ms += EVERY_MS;
            hosts.run_until(ms);
            hosts.events
        };
        let before = round();
        group.throughput(Throughput::Elements(round() - before));
        group.sample_size(10);
        group.bench_function(format!("{nodes} nodes"), |it| it.iter(&mut round));
    }
    group.finish();
    criterion.final_summary();
}
