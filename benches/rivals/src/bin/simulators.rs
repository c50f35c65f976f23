//! How many messages does a simulator deliver in a second of processor time? A hundred hosts, each of
//! which sends 200 bytes to every other one every 100 ms over links of 10 ms; all in one process, one
//! after the other, by the same clock.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use bitcraps_benches::all_to_all::{AllToAll, EVERY_MS, LATENCY_MS, MESSAGE_BYTES};
use bitcraps_benches::cpu_time;
use madsim::net::Endpoint;
use turmoil::net::UdpSocket;

const HOSTS: u16 = 100;
const PORT: u16 = 1_000;
const EVERY: Duration = Duration::from_millis(EVERY_MS);
const LATENCY: Duration = Duration::from_millis(LATENCY_MS);

/// Everybody has bound a socket after this; what comes before is not measured.
const START: Duration = Duration::from_millis(200);

fn main() -> anyhow::Result<()> {
    let mut table = String::from(
        "| simulator | delivered | CPU s | delivered per CPU second |\n|---|---|---|---|\n",
    );
    let mut row = |name: &str, (delivered, time): (u64, Duration)| {
        let rate = delivered as f64 / time.as_secs_f64();
        writeln!(table, "| {name} | {delivered} | {:.2} | {rate:.0} |", time.as_secs_f64())
    };
    row("bitcraps-sim, its loop", ours(10_000))?;
    row("madsim 0.2.34, a task for each host", madsim(2_000))?;
    row("turmoil 0.7.2, ticks of 10 ms", turmoil(2_000, 10)?)?;
    row("turmoil 0.7.2, ticks of 1 ms", turmoil(500, 1)?)?;
    std::io::stdout().write_all(table.as_bytes())?;
    Ok(())
}

fn ours(ms: u64) -> (u64, Duration) {
    let mut hosts = AllToAll::new(HOSTS);
    hosts.run_until(START.as_millis() as u64);
    let (before, start) = (hosts.delivered, cpu_time());
    hosts.run_until(START.as_millis() as u64 + ms);
    (hosts.delivered - before, cpu_time() - start)
}

fn address(host: u16) -> SocketAddr {
    let [high, low] = (host + 1).to_be_bytes();
    (Ipv4Addr::new(10, 0, high, low), PORT).into()
}

fn others(host: u16) -> impl Iterator<Item = SocketAddr> {
    (0..HOSTS).filter(move |other| *other != host).map(address)
}

/// One task for each host that sends, and one that receives: what its users write.
fn madsim(ms: u64) -> (u64, Duration) {
    let mut config = madsim::Config::default();
    config.net.packet_loss_rate = 0.0;
    config.net.send_latency = LATENCY..LATENCY + Duration::from_nanos(1);
    let runtime = madsim::runtime::Runtime::with_seed_and_config(1, config);
    let delivered = Arc::new(AtomicU64::new(0));
    for host in 0..HOSTS {
        let node = runtime.create_node().ip(address(host).ip()).build();
        let delivered = delivered.clone();
        node.spawn(async move {
            let endpoint = Arc::new(Endpoint::bind(address(host)).await.expect("nobody is here"));
            let sender = endpoint.clone();
            madsim::task::spawn(async move {
                madsim::time::sleep(EVERY * u32::from(host) / u32::from(HOSTS)).await;
                loop {
                    for other in others(host) {
                        // Before all are there, some are not.
                        let _ = sender.send_to(other, 0, &[host as u8; MESSAGE_BYTES]).await;
                    }
                    madsim::time::sleep(EVERY).await;
                }
            });
            let mut buffer = [0; MESSAGE_BYTES];
            loop {
                endpoint.recv_from(0, &mut buffer).await.expect("the socket lives");
                delivered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    runtime.block_on(async {
        madsim::time::sleep(START).await;
        let (before, start) = (delivered.load(Ordering::Relaxed), cpu_time());
        madsim::time::sleep(Duration::from_millis(ms)).await;
        (delivered.load(Ordering::Relaxed) - before, cpu_time() - start)
    })
}

fn turmoil(ms: u64, tick_ms: u64) -> anyhow::Result<(u64, Duration)> {
    let mut simulation = turmoil::Builder::new()
        .tick_duration(Duration::from_millis(tick_ms))
        .min_message_latency(LATENCY)
        .max_message_latency(LATENCY)
        .simulation_duration(START + Duration::from_millis(10 * ms))
        .udp_capacity(100_000)
        .rng_seed(1)
        .build();
    let delivered = Rc::new(Cell::new(0));
    let name = |host: u16| format!("host{host}");
    for host in 0..HOSTS {
        let delivered = delivered.clone();
        simulation.host(name(host), move || {
            let delivered = delivered.clone();
            async move {
                let socket = Rc::new(UdpSocket::bind((IpAddr::from([0; 4]), PORT)).await?);
                let others = (0..HOSTS).filter(|other| *other != host);
                let others: Vec<SocketAddr> =
                    others.map(|other| (turmoil::lookup(name(other)), PORT).into()).collect();
                let sender = async {
                    tokio::time::sleep(EVERY * u32::from(host) / u32::from(HOSTS)).await;
                    loop {
                        for other in &others {
                            let _ = socket.send_to(&[host as u8; MESSAGE_BYTES], *other).await;
                        }
                        tokio::time::sleep(EVERY).await;
                    }
                };
                let receiver = async {
                    let mut buffer = [0; MESSAGE_BYTES];
                    while socket.recv_from(&mut buffer).await.is_ok() {
                        delivered.set(delivered.get() + 1);
                    }
                };
                tokio::join!(sender, receiver);
                Ok(())
            }
        });
    }
    let mut until = |ms: u64| {
        while simulation.elapsed() < Duration::from_millis(ms) {
            simulation.step().map_err(|error| anyhow!("{error}"))?;
        }
        anyhow::Ok(())
    };
    let start_ms = START.as_millis() as u64;
    until(start_ms)?;
    let (before, start) = (delivered.get(), cpu_time());
    until(start_ms + ms)?;
    Ok((delivered.get() - before, cpu_time() - start))
}
