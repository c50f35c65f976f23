//! How others have behaved: points for faults, which fade, and bans, which end.
//!
//! Whoever is known is counted by identity, where a frame comes from by address. Identities are
//! cheap, so that their faults count a little for the address, too; but many may share an address,
//! so that it is not banned while somebody is linked from there who did nothing wrong. Whoever sits
//! on the way can spoil frames: what does not decrypt is no fault of the identity.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use super::access::Access;
use crate::event::{Endpoint, Fault, Response};
use crate::identity::PeerId;
use crate::time::Time;

/// Points at which somebody is banned.
pub const BANNED_AT: u32 = 100;
/// Culprits remembered of each kind. The victim is one that is not banned and has the fewest points,
/// or else the one whose ban ends first.
pub const CULPRITS: usize = 1024;

/// Bytes of one of them; the name of an address is at most as long as a driver makes it.
const CULPRIT_BYTES: usize = size_of::<(Host, Record)>() + 256;
/// Bytes of all, and of the budgets for links that are counted beside them.
pub(super) const STANDING_BYTES: usize = 3 * CULPRITS * CULPRIT_BYTES;

/// In what time a point fades.
const FADES: Duration = Duration::from_secs(6);
/// The first ban; each further one lasts twice as long as the last.
const FIRST_BAN: Duration = Duration::from_secs(60);
/// The longest. After as long without a fault a culprit's bans are forgotten.
const LONGEST_BAN: Duration = Duration::from_secs(3600);

/// Points of an identity for what nobody does by accident: two within three minutes are a ban.
const GRAVE: u32 = 65;
/// For what a careless program does.
const CARELESS: u32 = 25;
/// Points of an address for a fault that comes from there.
const OF_ADDRESS: u32 = 10;
/// For one that is most likely an accident.
const ACCIDENT: u32 = 2;

/// Where somebody is, as far as it can be banned: an endpoint without what changes from one link to
/// the next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host {
    transport: u8,
    name: Bytes,
}

/// The transport whose endpoints end in a port.
const TCP: u8 = 0;

impl Host {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let Endpoint { transport, bytes } = endpoint;
        let port = bytes.iter().rposition(|byte| *byte == b':').filter(|_| *transport == TCP);
        Self { transport: *transport, name: bytes.slice(..port.unwrap_or(bytes.len())) }
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }
}

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// An identity.
    Peer(PeerId),
    /// An address, as its transport names it, without a port.
    Address(String),
}

/// A ban that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Whose.
    pub culprit: Culprit,
    /// How long it still lasts.
    pub remaining: Duration,
}

/// What is remembered of one culprit.
#[derive(Clone, Copy, Debug)]
struct Record {
    points: u32,
    /// When points last faded.
    faded: Time,
    bans: u32,
    until: Time,
}

/// Points and bans of identities and addresses.
#[derive(Debug)]
pub(super) struct Standing {
    access: Access,
    peers: BTreeMap<PeerId, Record>,
    hosts: BTreeMap<Host, Record>,
}

impl Standing {
    pub(super) const fn new(access: Access) -> Self {
        Self { access, peers: BTreeMap::new(), hosts: BTreeMap::new() }
    }

    /// Counts a fault that came over a link; what is done about it. `peer` is who is proven to have
    /// done it, `is_shared` says whether somebody innocent is linked from there as well.
    pub(super) fn blame(
        &mut self,
        now: Time,
        peer: Option<PeerId>,
        host: &Host,
        is_shared: bool,
        fault: Fault,
    ) -> Response {
        let (of_peer, of_host) = weight(fault);
        let peer = peer.filter(|peer| !self.access.allows_peer(*peer));
        let banned = peer.and_then(|peer| count(&mut self.peers, now, &peer, of_peer, true));
        let spares = self.access.allows_host(host);
        let host_banned =
            if spares { None } else { count(&mut self.hosts, now, host, of_host, !is_shared) };
        match (host_banned, banned) {
            (Some(time), _) => Response::AddressBanned(time),
            (None, Some(time)) => Response::Banned(time),
            (None, None) => Response::Disconnected,
        }
    }

    /// Whether no link from or to there is wanted.
    pub(super) fn refuses_host(&self, now: Time, host: &Host) -> bool {
        self.access.denies_host(host) || is_banned(self.hosts.get(host), now)
    }

    /// Whether no link with them is wanted.
    pub(super) fn refuses_peer(&self, now: Time, peer: PeerId) -> bool {
        self.access.denies_peer(peer) || is_banned(self.peers.get(&peer), now)
    }

    /// The points of an identity that have not faded.
    pub(super) fn points(&self, now: Time, peer: PeerId) -> u32 {
        self.peers.get(&peer).map_or(0, |record| record.faded_by(now).points)
    }

    /// The bans in force.
    pub(super) fn bans(&self, now: Time) -> impl Iterator<Item = Ban> + '_ {
        let peers = self.peers.iter().map(|(peer, record)| (Culprit::Peer(*peer), record));
        let hosts = self.hosts.iter().map(|(host, record)| {
            (Culprit::Address(String::from_utf8_lossy(&host.name).into_owned()), record)
        });
        let banned = peers.chain(hosts).filter(move |(_, record)| record.until > now);
        banned.map(move |(culprit, record)| Ban { culprit, remaining: record.until.since(now) })
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        (self.peers.len() + self.hosts.len()) * CULPRIT_BYTES
    }

    /// What whoever runs this node wants.
    pub(super) const fn access(&self) -> &Access {
        &self.access
    }
}

/// Points for a fault: of the identity, if it is proven to be its own, and of the address.
const fn weight(fault: Fault) -> (u32, u32) {
    match fault {
        Fault::Malformed
        | Fault::TooLarge
        | Fault::BadSignature
        | Fault::BadCertificate
        | Fault::BadShare
        | Fault::BadBlock
        | Fault::NotAValidator
        | Fault::ForgedTransaction
        | Fault::Flooding => (GRAVE, OF_ADDRESS),
        Fault::Unsolicited | Fault::Unsealed => (CARELESS, OF_ADDRESS),
        Fault::Handshake | Fault::TooLittleWork | Fault::WrongIdentity | Fault::Replay => {
            (0, OF_ADDRESS)
        }
        // Another network's node, or a broken line.
        Fault::WrongNetwork | Fault::Decryption => (0, ACCIDENT),
    }
}

/// Adds points; for how long the culprit is banned if that is what they amount to and it `may_be`.
fn count<K: Ord + Clone>(
    records: &mut BTreeMap<K, Record>,
    now: Time,
    culprit: &K,
    points: u32,
    may_be: bool,
) -> Option<Duration> {
    if points == 0 {
        return None;
    }
    if !records.contains_key(culprit) {
        make_room(records, now);
    }
    let fresh = Record { points: 0, faded: now, bans: 0, until: Time::ZERO };
    let record = records.entry(culprit.clone()).or_insert(fresh);
    *record = record.faded_by(now);
    record.points = (record.points + points).min(2 * BANNED_AT);
    if record.points < BANNED_AT || !may_be {
        return None;
    }
    let ban = FIRST_BAN.saturating_mul(1 << record.bans.min(16)).min(LONGEST_BAN);
    (record.points, record.until) = (0, now + ban);
    record.bans = record.bans.saturating_add(1);
    Some(ban)
}

fn make_room<K: Ord + Clone>(records: &mut BTreeMap<K, Record>, now: Time) {
    if records.len() < CULPRITS {
        return;
    }
    records.retain(|_, record| !record.is_over(now));
    if records.len() >= CULPRITS {
        let worth = |record: &Record| (record.until.max(now), record.faded_by(now).points);
        let least = records.iter().min_by_key(|(_, record)| worth(record));
        if let Some(culprit) = least.map(|(culprit, _)| culprit.clone()) {
            records.remove(&culprit);
        }
    }
}

fn is_banned(record: Option<&Record>, now: Time) -> bool {
    record.is_some_and(|record| record.until > now)
}

impl Record {
    fn faded_by(mut self, now: Time) -> Self {
        let steps = now.since(self.faded).as_micros() / FADES.as_micros();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.points = self.points.saturating_sub(steps);
        self.faded = if self.points == 0 { now } else { self.faded + FADES.saturating_mul(steps) };
        if now.since(self.until) >= LONGEST_BAN && now > self.until {
            self.bans = 0;
        }
        self
    }

    fn is_over(&self, now: Time) -> bool {
        let faded = self.faded_by(now);
        faded.points == 0 && faded.bans == 0 && self.until <= now
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => write!(formatter, "peer:{peer}"),
            Self::Address(address) => write!(formatter, "address:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use std::string::ToString;

    use super::*;

    const PEER: PeerId = PeerId([1; 32]);

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn host(text: &str) -> Host {
        Host::of(&Endpoint { transport: TCP, bytes: Bytes::copy_from_slice(text.as_bytes()) })
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn an_address_is_what_stays_from_link_to_link() {
        assert_eq!(host("10.0.0.1:80").name(), b"10.0.0.1");
        assert_eq!(host("[::1]:80").name(), b"[::1]");
        assert_eq!(host("nowhere").name(), b"nowhere");
        let radio = Endpoint { transport: 1, bytes: Bytes::from_static(b"aa:bb:cc") };
        assert_eq!(Host::of(&radio).name(), b"aa:bb:cc");
    }

    #[test]
    fn the_second_grave_fault_bans_and_each_further_ban_is_twice_as_long() {
        let mut standing = Standing::new(Access::default());
        let mut now = at(0);
        let blame = |standing: &mut Standing, now| {
            standing.blame(now, Some(PEER), &host("a:1"), true, Fault::BadSignature)
        };
        for ban in [1, 2, 4, 8, 16, 32, 60, 60].map(minutes) {
            assert_eq!(blame(&mut standing, now), Response::Disconnected);
            assert!(!standing.refuses_peer(now, PEER));
            assert_eq!(blame(&mut standing, now), Response::Banned(ban));
            assert!(standing.refuses_peer(now, PEER));
            assert!(!standing.refuses_host(now, &host("a:2")), "somebody else is there");
            let [banned] = &standing.bans(now).collect::<Vec<_>>()[..] else { panic!() };
            assert_eq!((&banned.culprit, banned.remaining), (&Culprit::Peer(PEER), ban));
            now = now + ban;
            assert!(!standing.refuses_peer(now, PEER));
        }
        // After an hour of quiet it begins anew.
        now = now + minutes(60);
        blame(&mut standing, now);
        assert_eq!(blame(&mut standing, now), Response::Banned(minutes(1)));
    }

    #[test]
    fn points_fade_with_time() {
        let mut standing = Standing::new(Access::default());
        standing.blame(at(0), Some(PEER), &host("a:1"), true, Fault::Malformed);
        assert_eq!(standing.points(at(0), PEER), GRAVE);
        assert_eq!(standing.points(at(60), PEER), GRAVE - 10);
        for second in [200, 400, 600, 800] {
            let again =
                standing.blame(at(second), Some(PEER), &host("a:1"), true, Fault::Unsolicited);
            assert_eq!(again, Response::Disconnected, "too seldom to matter");
        }
    }

    #[test]
    fn whoever_changes_identities_is_banned_by_address_unless_others_share_it() {
        let mut standing = Standing::new(Access::default());
        let mut blame = |number: u8, address: &str, is_shared| {
            let peer = Some(PeerId([number; 32]));
            standing.blame(at(0), peer, &host(address), is_shared, Fault::Malformed)
        };
        let responses: Vec<Response> = (0..10).map(|it| blame(it, "a:1", false)).collect();
        let mut expected = vec![Response::Disconnected; 9];
        expected.push(Response::AddressBanned(minutes(1)));
        assert_eq!(responses, expected);
        for number in 100..150 {
            assert_eq!(blame(number, "b:1", true), Response::Disconnected);
        }
        assert!(standing.refuses_host(at(59), &host("a:9")));
        assert!(!standing.refuses_host(at(60), &host("a:9")));
        assert!(!standing.refuses_host(at(0), &host("b:9")));
    }

    #[test]
    fn what_spoils_frames_on_the_way_bans_no_identity() {
        let mut standing = Standing::new(Access::default());
        for _ in 0..49 {
            let response =
                standing.blame(at(0), Some(PEER), &host("a:1"), false, Fault::Decryption);
            assert_eq!(response, Response::Disconnected);
        }
        assert_eq!(standing.points(at(0), PEER), 0);
        assert!(!standing.refuses_peer(at(0), PEER));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for_and_bans_go_last() {
        let mut standing = Standing::new(Access::default());
        for _ in 0..2 {
            standing.blame(at(0), Some(PEER), &host("a:1"), true, Fault::Malformed);
        }
        for number in 0..5000_u32 {
            let mut key = [7; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            let address = number.to_string() + ":1";
            standing.blame(at(0), Some(PeerId(key)), &host(&address), true, Fault::Malformed);
            assert!(standing.peers.len() <= CULPRITS && standing.hosts.len() <= CULPRITS);
        }
        assert!(standing.refuses_peer(at(1), PEER));
    }

    #[test]
    fn whoever_is_allowed_is_never_banned() {
        let allow = vec!["peer:01*".parse().unwrap(), "address:a".parse().unwrap()];
        let mut standing = Standing::new(Access { allow, deny: Vec::new() });
        for _ in 0..50 {
            let response = standing.blame(at(0), Some(PEER), &host("a:1"), false, Fault::Flooding);
            assert_eq!(response, Response::Disconnected);
        }
        assert_eq!(standing.bans(at(0)).count(), 0);
    }
}
