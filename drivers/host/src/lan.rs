//! Nodes of the same network on the same local network, found and announced by multicast DNS
//! service discovery (RFC 6762, RFC 6763) as `_bitcraps._tcp`.
//!
//! An announcement is only a hint: anybody on the local network can make one, in any number. It
//! costs a place in a bounded list and perhaps a dial; who answers there is proven by the
//! handshake.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bitcraps_protocol::node::Node;
use bitcraps_protocol::wire::limits;
use mdns_sd::{Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};

use crate::config::Config;
use crate::tcp::endpoint_of;
use crate::{Handle, Links};

const SERVICE: &str = "_bitcraps._tcp.local.";
/// The network's id in hexadecimal.
const NETWORK: &str = "network";
/// What the network is called.
const NAME: &str = "name";
/// How many tables are open.
const TABLES: &str = "tables";
/// Before a table's number: what it is called.
const TABLE: &str = "table-";

/// Announcements that are remembered; of more, those seen last are ignored.
const MOST_FOUND: usize = 64;
/// Addresses of one announcement that are looked at.
const MOST_ADDRESSES: usize = 4;
/// Tables that are announced with their names.
const MOST_TABLES: usize = 8;
/// How often a node looks whether other tables are open than it announced.
const TABLES_EVERY: Duration = Duration::from_secs(5);
/// An address is not given to the node again before this has passed.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Announces one node and tells it of others, until dropped.
pub struct Lan {
    daemon: ServiceDaemon,
    /// Hangs up when this is dropped.
    _announces: mpsc::Sender<()>,
}

/// What a node says of itself.
struct Announcement {
    network: String,
    name: String,
    node: String,
    port: u16,
}

/// The tables that are open in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tables {
    /// How many.
    pub open: u32,
    /// Numbers and names of the first eight.
    pub named: Vec<(u32, String)>,
}

/// A node that announces itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its network's id in hexadecimal.
    pub network: String,
    /// What its network is called, as it says.
    pub name: String,
    /// The first letters of its key, as it says.
    pub node: String,
    /// The tables of its network, as it says.
    pub tables: Tables,
    /// Where it accepts links.
    pub addresses: Vec<SocketAddr>,
}

/// Multicast DNS does not work here.
#[derive(Debug, thiserror::Error)]
#[error("cannot look around on the local network: {0}")]
pub struct LanError(#[from] mdns_sd::Error);

impl Lan {
    /// Looks around for the node behind `handle`, which listens there, if the owner wants it and
    /// others could connect. A node does without where that does not work.
    pub fn join(config: &Config, handle: &Handle, listens_on: SocketAddr) -> Option<Self> {
        if !config.lan.value || listens_on.ip().is_loopback() {
            return None;
        }
        let status = handle.status();
        let announcement = Announcement {
            network: status.network.to_string(),
            name: status.name.to_string(),
            node: status.peer.short(),
            port: listens_on.port(),
        };
        let lan = Self::start(announcement, handle);
        lan.inspect_err(|error| tracing::warn!(%error, "others here cannot find this node")).ok()
    }

    /// Announces the node on every interface, and tells it of others of its network.
    fn start(announcement: Announcement, handle: &Handle) -> Result<Self, LanError> {
        let daemon = ServiceDaemon::new()?;
        let announced = Tables::default();
        daemon.register(announcement.service(&announced)?)?;
        let found = daemon.browse(SERVICE)?;
        let (network, own) = (announcement.network.clone(), announcement.node.clone());
        let links = handle.links();
        // Ends with the daemon, which hangs up.
        thread::spawn(move || tell(&found, &network, &own, &links));
        let (announces, over) = mpsc::channel();
        let (announcing, handle) = (daemon.clone(), handle.clone());
        thread::spawn(move || keep_announcing(&announcing, &announcement, &handle, &over));
        Ok(Self { daemon, _announces: announces })
    }
}

impl Announcement {
    fn service(&self, tables: &Tables) -> Result<ServiceInfo, mdns_sd::Error> {
        let mut properties = vec![
            (NETWORK.to_owned(), self.network.clone()),
            (NAME.to_owned(), self.name.clone()),
            (TABLES.to_owned(), tables.open.to_string()),
        ];
        let named = tables.named.iter();
        properties.extend(named.map(|(id, name)| (format!("{TABLE}{id}"), name.clone())));
        let host = format!("bitcraps-{}.local.", self.node);
        let service = ServiceInfo::new(SERVICE, &self.node, &host, "", self.port, &properties[..])?;
        Ok(service.enable_addr_auto())
    }
}

impl Tables {
    /// Those that `node` knows.
    pub fn of(node: &Node) -> Self {
        let open = node.state().tables();
        let named = open.take(MOST_TABLES).map(|(id, entry)| (id.0, entry.name.to_string()));
        let named = named.collect();
        Self { open: node.state().tables().count().try_into().unwrap_or(u32::MAX), named }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // The announcement is withdrawn on the way out; if the daemon is gone already, so is that.
        drop(self.daemon.shutdown());
    }
}

/// Announces the tables that are open whenever they are others, until it is over.
fn keep_announcing(
    daemon: &ServiceDaemon,
    announcement: &Announcement,
    handle: &Handle,
    over: &mpsc::Receiver<()>,
) {
    let mut announced = Tables::default();
    while let Err(mpsc::RecvTimeoutError::Timeout) = over.recv_timeout(TABLES_EVERY) {
        let (teller, told) = mpsc::channel();
        handle.query(move |node| drop(teller.send(Tables::of(node))));
        let Ok(tables) = told.recv_timeout(TABLES_EVERY) else { continue };
        if tables == announced {
            continue;
        }
        // What does not work now is tried again.
        if announcement.service(&tables).and_then(|service| daemon.register(service)).is_ok() {
            announced = tables;
        }
    }
}

/// Gives every address of other nodes of the network to the node, now and then.
fn tell(found: &Receiver<ServiceEvent>, network: &str, own: &str, links: &Links) {
    let mut told: BTreeMap<SocketAddr, Instant> = BTreeMap::new();
    while let Ok(event) = found.recv() {
        let Some(other) = resolved(event) else { continue };
        if other.network != network || other.node == own {
            continue;
        }
        let now = Instant::now();
        told.retain(|_, at| now.duration_since(*at) < AGAIN_AFTER);
        for address in other.addresses {
            if told.len() < MOST_FOUND && told.insert(address, now).is_none() {
                links.discovered(endpoint_of(&address.to_string()));
            }
        }
    }
}

/// Listens to announcements for so long. Blocks.
///
/// # Errors
///
/// If no socket for multicast can be made.
pub fn look_around(span: Duration) -> Result<Vec<Found>, LanError> {
    let daemon = ServiceDaemon::new()?;
    let announced = daemon.browse(SERVICE)?;
    let end = Instant::now() + span;
    let mut found = BTreeMap::new();
    while let Ok(event) = announced.recv_deadline(end) {
        if let Some(one) = resolved(event)
            && (found.len() < MOST_FOUND || found.contains_key(&one.node))
        {
            found.insert(one.node.clone(), one);
        }
    }
    drop(daemon.shutdown());
    Ok(found.into_values().collect())
}

fn resolved(event: ServiceEvent) -> Option<Found> {
    match event {
        ServiceEvent::ServiceResolved(service) => read(&service),
        // The library's own enum, which may grow; nothing else is of use here.
        _ => None,
    }
}

/// What an announcement says, if it makes sense.
fn read(service: &ResolvedService) -> Option<Found> {
    let text = |key| service.get_property_val_str(key).filter(|text| is_printable(text));
    let node = service.get_fullname().strip_suffix(SERVICE)?.strip_suffix('.')?;
    let mut addresses: Vec<_> = service
        .get_addresses()
        .iter()
        .map(|address| address.to_ip_addr())
        .filter(is_dialable)
        .map(|ip| SocketAddr::new(ip, service.get_port()))
        .collect();
    addresses.sort();
    addresses.truncate(MOST_ADDRESSES);
    let named = service.get_properties().iter().filter_map(|property| {
        let id = property.key().strip_prefix(TABLE)?.parse().ok()?;
        Some((id, text(property.key())?.to_owned()))
    });
    let mut named: Vec<_> = named.take(MOST_TABLES).collect();
    named.sort();
    let open = text(TABLES).and_then(|count| count.parse().ok()).unwrap_or(0);
    let found = Found {
        network: text(NETWORK)?.to_owned(),
        name: text(NAME)?.to_owned(),
        node: node.to_owned(),
        tables: Tables { open, named },
        addresses,
    };
    let sound = is_printable(node) && !found.addresses.is_empty() && service.get_port() != 0;
    sound.then_some(found)
}

/// Whether a terminal may show this.
fn is_printable(text: &str) -> bool {
    text.len() <= limits::NAME_BYTES && !text.chars().any(char::is_control)
}

/// Whether a link can lead there; link-local IPv6 addresses would need an interface's name.
fn is_dialable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback(),
        IpAddr::V6(ip) => {
            let special = ip.is_unspecified() || ip.is_multicast() || ip.is_loopback();
            !special && !ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(host: &str, ip: &str, port: u16, properties: &[(&str, &str)]) -> ResolvedService {
        let info = ServiceInfo::new(SERVICE, host, "host.local.", ip, port, properties).unwrap();
        info.as_resolved_service()
    }

    #[test]
    fn an_announcement_is_read() {
        let tables = [(TABLES, "12"), ("table-7", "garden"), ("table-1", "kitchen")];
        let odd = [("table-x", "?"), ("table-9", "\u{7}")];
        let properties = [&[(NETWORK, "00ff"), (NAME, "friends")], &tables[..], &odd].concat();
        let addresses = "192.0.2.1,127.0.0.1,fe80::1,2001:db8::1";
        let found = read(&service("abcd", addresses, 7711, &properties)).unwrap();
        let expected = Found {
            network: "00ff".into(),
            name: "friends".into(),
            node: "abcd".into(),
            tables: Tables { open: 12, named: vec![(1, "kitchen".into()), (7, "garden".into())] },
            addresses: vec![
                "192.0.2.1:7711".parse().unwrap(),
                "[2001:db8::1]:7711".parse().unwrap(),
            ],
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn announcements_that_make_no_sense_are_not() {
        let properties = [(NETWORK, "00ff"), (NAME, "friends")];
        assert_eq!(read(&service("abcd", "192.0.2.1", 7711, &properties[..1])), None);
        assert_eq!(read(&service("abcd", "127.0.0.1", 7711, &properties)), None);
        assert_eq!(read(&service("abcd", "192.0.2.1", 0, &properties)), None);
        let escape = [(NETWORK, "00ff"), (NAME, "\u{1b}[2J")];
        assert_eq!(read(&service("abcd", "192.0.2.1", 7711, &escape)), None);
    }
}
