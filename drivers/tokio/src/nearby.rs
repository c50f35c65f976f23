//! `nearby`: which networks can be found on the local network and over Bluetooth.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcraps_tokio::lan::{self, Found};
use bitcraps_tokio::radio::{self, Heard};
use serde::Serialize;

use crate::output::Output;
use crate::words::short;

#[derive(Serialize)]
struct NearbyView {
    networks: Vec<NetworkView>,
    /// Why nothing was heard over Bluetooth, if there is a reason.
    no_bluetooth: Option<String>,
}

#[derive(Serialize)]
struct NetworkView {
    /// Its id; only the beginning, if it was only heard over the radio.
    network: String,
    /// As its nodes say; nobody has proven it. Not said over the radio.
    name: Option<String>,
    nodes: Vec<NodeView>,
}

#[derive(Serialize)]
struct NodeView {
    node: String,
    /// Where it accepts links over TCP.
    addresses: Vec<String>,
    /// Its Bluetooth device, and how strongly that was heard, in dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rssi: Option<i16>,
}

/// `bitcraps nearby`.
pub(crate) async fn run(seconds: u64, output: Output) -> anyhow::Result<()> {
    output.words(&format!("looking around for {seconds} s …"))?;
    let span = Duration::from_secs(seconds);
    let found = tokio::task::spawn_blocking(move || lan::look_around(span));
    let (found, heard) = tokio::join!(found, radio::look_around(span));
    let mut view = by_network(found??);
    match heard {
        Ok(heard) => add_heard(&mut view, heard),
        Err(reason) => view.no_bluetooth = Some(reason),
    }
    output.answer(&view, || words(&view))?;
    Ok(())
}

fn by_network(found: Vec<Found>) -> NearbyView {
    let mut networks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Found { network, name, node, addresses } in found {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        let node = NodeView { node, addresses, device: None, rssi: None };
        networks.entry((network, name)).or_default().push(node);
    }
    let networks = networks.into_iter();
    let view = |((network, name), nodes)| NetworkView { network, name: Some(name), nodes };
    NearbyView { networks: networks.map(view).collect(), no_bluetooth: None }
}

/// Over the radio nodes only say how the names of their network and of their key begin.
fn add_heard(view: &mut NearbyView, heard: Vec<Heard>) {
    for Heard { network, node, device, rssi } in heard {
        let node = NodeView { node, addresses: Vec::new(), device: Some(device), rssi };
        match view.networks.iter_mut().find(|known| known.network.starts_with(&network)) {
            Some(known) => known.nodes.push(node),
            None => view.networks.push(NetworkView { network, name: None, nodes: vec![node] }),
        }
    }
}

fn words(view: &NearbyView) -> String {
    let mut lines = Vec::new();
    if view.networks.is_empty() {
        lines.push("nobody announces a network here; ask a friend for a ticket".to_owned());
    }
    for NetworkView { network, name, nodes } in &view.networks {
        let name = name.as_ref().map_or("a network".to_owned(), |name| format!("\"{name}\""));
        lines
            .push(format!("{name} ({}): to play, ask somebody there for a ticket", short(network)));
        for NodeView { node, addresses, device, rssi } in nodes {
            let rssi = rssi.map_or(String::new(), |rssi| format!(" ({rssi} dBm)"));
            let device = device.iter().map(|device| format!("Bluetooth {device}{rssi}"));
            let places: Vec<String> = addresses.iter().cloned().chain(device).collect();
            lines.push(format!("  {node}  {}", places.join(", ")));
        }
    }
    lines.extend(view.no_bluetooth.iter().map(|reason| format!("no Bluetooth: {reason}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_shown_under_their_network() {
        let found = |network: &str, node: &str| Found {
            network: network.into(),
            name: "friends".into(),
            node: node.into(),
            addresses: vec!["192.0.2.1:7711".parse().unwrap()],
        };
        let view = by_network(vec![found("00ff", "a"), found("11ee", "b"), found("00ff", "c")]);
        let nodes = |view: &NetworkView| view.nodes.iter().map(|it| it.node.clone()).collect();
        let names: Vec<Vec<String>> = view.networks.iter().map(nodes).collect();
        assert_eq!(names, [vec!["a", "c"], vec!["b"]]);
    }

    #[test]
    fn what_was_heard_is_shown_with_the_network_it_belongs_to() {
        let found = Found {
            network: "00ff".into(),
            name: "friends".into(),
            node: "a".into(),
            addresses: vec!["192.0.2.1:7711".parse().unwrap()],
        };
        let mut view = by_network(vec![found]);
        let heard = |network: &str| Heard {
            network: network.into(),
            node: "b".into(),
            device: "AA:BB".into(),
            rssi: Some(-60),
        };
        add_heard(&mut view, vec![heard("00"), heard("11")]);
        assert_eq!(
            words(&view),
            "\"friends\" (00ff): to play, ask somebody there for a ticket\n  a  192.0.2.1:7711\n  \
             b  Bluetooth AA:BB (-60 dBm)\na network (11): to play, ask somebody there for a \
             ticket\n  b  Bluetooth AA:BB (-60 dBm)"
        );
    }
}
