//! A node that listens on the local network is found there by `nearby`, over real multicast.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails where it is surprised")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bitcraps_tokio::config::Source;
use bitcraps_tokio::home::Home;
use bitcraps_tokio::lan::look_around;
use bitcraps_tokio::runtime::Running;

mod support;

/// Whether this machine has an interface over which it hears its own multicast.
fn multicast_works() -> bool {
    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 11);
    let heard = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.send_to(b"anybody?", (GROUP, socket.local_addr()?.port()))?;
        socket.recv_from(&mut [0; 16])
    };
    heard().is_ok_and(|(_, from)| !from.ip().is_loopback())
}

#[test]
fn a_node_on_the_local_network_is_found_and_one_on_loopback_is_not() {
    if !multicast_works() {
        eprintln!("SKIPPED: this machine has no network with multicast");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (data_dir, address) = support::one_validator(directory.path());
    let mut config = support::config(&data_dir);
    let network = Home::new(&data_dir).genesis().unwrap().network();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();

    let hidden = runtime.block_on(Running::start(&config, None, false)).unwrap();
    let found = look_around(Duration::from_secs(2)).unwrap();
    assert!(found.iter().all(|one| one.network != network.to_string()), "{found:?}");
    runtime.block_on(hidden.stop());

    config.listen.value = Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    config.listen.source = Source::Flag;
    let running = runtime.block_on(Running::start(&config, None, false)).unwrap();
    let port = running.listens_on().unwrap().port();
    let deadline = Instant::now() + Duration::from_secs(60);
    let one = loop {
        assert!(Instant::now() < deadline, "not found");
        let found = look_around(Duration::from_secs(2)).unwrap();
        if let Some(one) = found.into_iter().find(|one| one.network == network.to_string()) {
            break one;
        }
    };
    assert_eq!((one.name.as_str(), one.node), ("test", address.peer.short()));
    assert!(one.addresses.iter().all(|address| address.port() == port), "{:?}", one.addresses);
    runtime.block_on(running.stop());
}
