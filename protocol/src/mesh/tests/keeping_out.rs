//! Who is kept out, for how long, and who is not.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::event::{CloseReason, Direction, Endpoint, Fault, LinkId, LinkKind, Response};
use crate::mesh::world::{MTU, NETWORK, World, mesh_on, peer, words};
use crate::mesh::{Access, Config, Culprit, Input, Lane, Mesh, Output, Rate};
use crate::time::Time;

fn at(host: &str, port: u64) -> Endpoint {
    Endpoint { transport: 0, bytes: Bytes::from(alloc::format!("{host}:{port}")) }
}

/// A mesh that others only dial, by hand.
struct Door {
    mesh: Mesh,
    now: Time,
    links: u64,
}

impl Door {
    fn new(config: Config) -> Self {
        Self { mesh: mesh_on(NETWORK, 0, 0, config), now: Time::ZERO, links: 0 }
    }

    fn knock(&mut self, host: &str) -> (LinkId, Vec<CloseReason>) {
        let link = LinkId(self.links);
        self.links += 1;
        let (kind, direction) = (LinkKind::Stream, Direction::Inbound);
        let endpoint = at(host, 1000 + self.links);
        self.mesh.handle(self.now, Input::LinkUp { link, kind, mtu: MTU, direction, endpoint });
        (link, self.closed())
    }

    fn closed(&mut self) -> Vec<CloseReason> {
        let mut closed = Vec::new();
        while let Some(output) = self.mesh.poll() {
            if let Output::Close { reason, .. } = output {
                closed.push(reason);
            }
        }
        closed
    }

    /// Somebody says what is no handshake.
    fn babble(&mut self, host: &str) -> Vec<CloseReason> {
        let (link, closed) = self.knock(host);
        if !closed.is_empty() {
            return closed;
        }
        let frame = Bytes::from_static(b"GET / HTTP/1.1");
        self.mesh.handle(self.now, Input::Received { link, frame });
        self.closed()
    }
}

#[test]
fn a_peer_that_lies_twice_is_kept_out_until_its_ban_ends() {
    let mut world = World::new(2);
    for response in [Response::Disconnected, Response::Banned(Duration::from_secs(60))] {
        let (_, (_, link)) = world.join(0, 1);
        world.forget();
        let fault = Fault::BadSignature;
        world.input(1, Input::Penalise { link, fault });
        let blamed = Output::Misbehaved { link, peer: Some(peer(0)), fault, response };
        assert_eq!(world.outputs[1][0], blamed);
        world.settle();
    }
    let bans: Vec<_> = world.meshes[1].bans().map(|ban| ban.culprit).collect();
    assert_eq!(bans, [Culprit::Peer(peer(0))]);
    let (_, (_, link)) = world.join(0, 1);
    let reason = CloseReason::Banned;
    assert!(world.outputs[1].contains(&Output::Close { link, reason }));
    assert!(!world.meshes[1].is_linked(peer(0)) && !world.meshes[0].is_linked(peer(1)));
    world.pass(Duration::from_secs(61));
    world.join(0, 1);
    assert!(world.meshes[1].is_linked(peer(0)));
}

#[test]
fn whoever_babbles_is_kept_out_by_address_and_comes_back_when_it_is_over() {
    let mut door = Door::new(Config::default());
    let reasons: Vec<_> = (0..11).flat_map(|_| door.babble("1.2.3.4")).collect();
    let mut expected = vec![CloseReason::Fault(Fault::Malformed); 10];
    expected.push(CloseReason::Banned);
    assert_eq!(reasons, expected);
    door.now = door.now + Duration::from_secs(59);
    assert_eq!(door.knock("1.2.3.4").1, [CloseReason::Banned]);
    assert_eq!(door.knock("1.2.3.5").1, []);
    door.now = door.now + Duration::from_secs(1);
    assert_eq!(door.knock("1.2.3.4").1, []);
}

#[test]
fn an_address_is_not_banned_while_somebody_innocent_is_linked_from_there() {
    let mut world = World::new(2);
    let (_, (_, innocent)) = world.join(0, 1);
    let there = world.meshes[1].peers().next().unwrap().endpoint.clone();
    for number in 0..50 {
        let link = LinkId(1000 + number);
        let (kind, direction) = (LinkKind::Stream, Direction::Inbound);
        let endpoint = there.clone();
        let now = world.now;
        world.meshes[1].handle(now, Input::LinkUp { link, kind, mtu: MTU, direction, endpoint });
        let frame = Bytes::from_static(b"nonsense");
        world.meshes[1].handle(now, Input::Received { link, frame });
    }
    assert_eq!(world.meshes[1].bans().count(), 0);
    assert_eq!(world.links(1), [innocent]);
}

#[test]
fn whom_a_pattern_denies_is_neither_admitted_nor_dialled() {
    let deny = vec!["address:6.6.*".parse().unwrap()];
    let access = Access { allow: Vec::new(), deny };
    let mut door = Door::new(Config { access, ..Config::default() });
    assert_eq!(door.knock("6.6.6.6").1, [CloseReason::Banned]);
    assert_eq!(door.knock("7.7.7.7").1, []);
    door.mesh.handle(door.now, Input::Discovered { endpoint: at("6.6.1.1", 7711) });
    assert_eq!(door.mesh.poll(), None);
    door.mesh.handle(door.now, Input::Discovered { endpoint: at("8.8.1.1", 7711) });
    door.now = door.now + Duration::from_secs(1);
    door.mesh.handle(door.now, Input::Tick);
    assert_eq!(door.mesh.poll(), Some(Output::Dial { endpoint: at("8.8.1.1", 7711) }));
}

#[test]
fn a_denied_identity_is_turned_away_once_it_is_proven() {
    let deny = vec![alloc::format!("peer:{}", peer(0)).parse().unwrap()];
    let access = Access { allow: Vec::new(), deny };
    let config = Config { access, ..Config::default() };
    let meshes = [(0, Config::default()), (1, config), (2, Config::default())];
    let mut world =
        World::of(meshes.map(|(node, config)| mesh_on(NETWORK, node, 0, config)).into());
    world.join_all(1, [0, 2]);
    assert!(!world.meshes[1].is_linked(peer(0)) && world.meshes[1].is_linked(peer(2)));
}

#[test]
fn one_address_opens_so_many_links_and_another_one_still_gets_in() {
    let rate = Rate { burst: 20, per_second: 2 };
    let mut door = Door::new(Config { dials: rate, ..Config::default() });
    let refused = (0..30).filter(|_| !door.knock("1.1.1.1").1.is_empty()).count();
    assert_eq!(refused, 10);
    assert_eq!(door.knock("2.2.2.2").1, []);
    door.now = door.now + Duration::from_secs(1);
    let refused = (0..3).filter(|_| !door.knock("1.1.1.1").1.is_empty()).count();
    assert_eq!(refused, 1);
}

#[test]
fn links_that_say_nothing_keep_out_nobody() {
    let config = Config { links: 8, extra_links: 4, ..Config::default() };
    let mut door = Door::new(config);
    for _ in 0..12 {
        assert_eq!(door.knock("1.1.1.1").1, []);
    }
    // The flooding address loses its oldest, not the newcomer its place.
    for host in ["2.2.2.2", "3.3.3.3", "1.1.1.1"] {
        assert_eq!(door.knock(host).1, [CloseReason::Full]);
        assert_eq!(door.mesh.links.len(), 12);
    }
    assert_eq!(door.mesh.links.keys().next(), Some(&LinkId(3)));
}

#[test]
fn work_for_nothing_is_paid_for_and_votes_are_not() {
    let mut config = Config::default();
    config.allowance.work = Rate { burst: 100, per_second: 1 };
    let mut world =
        World::of(vec![mesh_on(NETWORK, 0, 0, config.clone()), mesh_on(NETWORK, 1, 0, config)]);
    let (near, (_, link)) = world.join(0, 1);
    world.forget();
    for number in 0..1000_u32 {
        world.tell(near, Lane::Votes, words(0, &alloc::format!("vote {number}")));
    }
    world.settle();
    assert_eq!(world.read(1).len(), 1000);
    world.input(1, Input::Spent { link, work: 100 });
    assert_eq!(world.forget_of(1), []);
    world.input(1, Input::Spent { link, work: 1 });
    let (peer, fault, response) = (Some(peer(0)), Fault::Flooding, Response::Disconnected);
    assert_eq!(world.outputs[1][0], Output::Misbehaved { link, peer, fault, response });
}

#[test]
fn places_that_a_driver_invents_are_taken_at_a_measured_pace() {
    let rate = Rate { burst: 10, per_second: 50 };
    let mut door = Door::new(Config { discoveries: rate, wanted_links: 64, ..Config::default() });
    for number in 0..1000 {
        door.mesh.handle(door.now, Input::Discovered { endpoint: at("9.9.9.9", number) });
    }
    let mut dialled = 0;
    while door.now < Time::ZERO + Duration::from_secs(5) {
        while let Some(output) = door.mesh.poll() {
            if let Output::Dial { endpoint } = output {
                dialled += 1;
                door.mesh.handle(door.now, Input::DialFailed { endpoint });
            }
        }
        let Some(next) = door.mesh.deadline() else { break };
        door.now = next;
        door.mesh.handle(door.now, Input::Tick);
    }
    assert!((10..=100).contains(&dialled), "{dialled} dials");
}
