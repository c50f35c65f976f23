//! Where nodes can be found: this one by others, and others by this one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use super::{TcpConfig, endpoint_of};
use crate::Links;
use crate::config::Config;
use crate::home::{Home, HomeError};

/// Where a node and its peers can be found, as its owner says.
pub struct Places {
    /// Where others can reach this node, if the owner says so.
    advertised: Vec<String>,
    /// Whom it begins with.
    peers: Vec<String>,
}

impl Places {
    /// What the configuration says, and the invitation that led into this directory.
    pub fn of(config: &Config, home: &Home) -> Result<Self, HomeError> {
        let mut peers = config.peers.value.clone();
        peers.extend(home.peers()?);
        peers.sort();
        peers.dedup();
        Ok(Self { advertised: config.advertise.value.clone(), peers })
    }

    /// How a transport begins that is to listen there.
    pub fn tcp(&self, listen: Option<SocketAddr>) -> TcpConfig {
        TcpConfig { listen, peers: self.peers.clone(), ..TcpConfig::default() }
    }

    /// Tells the node where others reach it if it listens there.
    pub fn tell(&self, links: &Links, listens: Option<SocketAddr>) {
        for place in self.own(listens) {
            links.reachable(endpoint_of(&place));
        }
    }

    /// Where a ticket's reader may find this network: what the owner says, or else what the node
    /// listens on, and its own peers.
    pub fn hints(self, listens: Option<SocketAddr>) -> Vec<String> {
        let mut hints = self.own(listens);
        hints.extend(self.peers);
        hints
    }

    /// Where others can reach this node: what the owner says, or else what it listens on.
    fn own(&self, listens: Option<SocketAddr>) -> Vec<String> {
        match &self.advertised[..] {
            [] => listens.map(|listens| reachable(listens).to_string()).into_iter().collect(),
            said => said.to_vec(),
        }
    }
}

/// An address at which others may reach what listens on every address: the one that the system
/// would use to talk to the world. Nothing is sent to find it.
fn reachable(listens: SocketAddr) -> SocketAddr {
    if !listens.ip().is_unspecified() {
        return listens;
    }
    let somewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let found = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(somewhere)?;
        socket.local_addr()
    });
    let ip = found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_what_the_owner_says_or_what_it_listens_on() {
        let listens = SocketAddr::from(([127, 0, 0, 1], 7711));
        let places = |said: &[&str]| Places {
            advertised: said.iter().map(|it| (*it).to_owned()).collect(),
            peers: vec!["b.example:1".to_owned()],
        };
        assert_eq!(places(&[]).hints(None), ["b.example:1"]);
        let listens = Some(listens);
        assert_eq!(places(&[]).hints(listens), ["127.0.0.1:7711", "b.example:1"]);
        assert_eq!(places(&["a.example:2"]).hints(listens), ["a.example:2", "b.example:1"]);
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 7711));
        assert!(!reachable(everywhere).ip().is_unspecified());
    }
}
