//! How many events does a node handle?
//!
//! * Whole networks of 4, 16 and 31 validators over sealed links, joined by nothing but a queue, no
//!   players: `network`. One iteration is one block, final everywhere; one element one event. The
//!   same beside a simulator's faults and checks: `networks`.

use bitcraps_benches::cases::network::Network;
use bitcraps_benches::criterion;
use criterion::Throughput;

fn main() {
    let mut criterion = criterion().configure_from_args();
    let mut group = criterion.benchmark_group("network");
    group.sample_size(10);
    for n in [4, 16, 31] {
        let mut network = Network::new(n);
        // Links come up, time-outs get used to the network.
        network.run(5);
        let before = network.events;
        network.run(5);
        group.throughput(Throughput::Elements((network.events - before) / 5));
        group.bench_function(format!("{n} validators"), |it| it.iter(|| network.run(1)));
    }
    group.finish();
    criterion.final_summary();
}
