//! `nearby`: which networks, with which tables and nodes, can be found on the local network and over
//! Bluetooth.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcraps_tokio::lan::{self, Found, Tables};
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
    /// Its open tables, as the node says that knows of the most.
    tables: TablesView,
    nodes: Vec<NodeView>,
}

#[derive(Default, Serialize)]
struct TablesView {
    open: u32,
    /// Some of them; none if they were only heard of over the radio.
    named: Vec<TableView>,
}

#[derive(Serialize)]
struct TableView {
    id: u32,
    name: String,
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

impl TablesView {
    /// Takes over what another node says if it knows of more.
    fn learn(&mut self, tables: Tables) {
        if (tables.open, tables.named.len()) > (self.open, self.named.len()) {
            let named = tables.named.into_iter().map(|(id, name)| TableView { id, name });
            *self = Self { open: tables.open, named: named.collect() };
        }
    }
}

fn by_network(found: Vec<Found>) -> NearbyView {
    let mut networks: BTreeMap<_, NetworkView> = BTreeMap::new();
    for Found { network, name, node, tables, addresses } in found {
        let known = networks.entry((network.clone(), name.clone())).or_insert_with(|| {
            let (name, tables) = (Some(name), TablesView::default());
            NetworkView { network, name, tables, nodes: Vec::new() }
        });
        let addresses = addresses.iter().map(ToString::to_string).collect();
        known.nodes.push(NodeView { node, addresses, device: None, rssi: None });
        known.tables.learn(tables);
    }
    NearbyView { networks: networks.into_values().collect(), no_bluetooth: None }
}

/// Over the radio nodes only say how the names of their network and of their key begin, and how many
/// tables are open.
fn add_heard(view: &mut NearbyView, heard: Vec<Heard>) {
    for Heard { network, node, tables, device, rssi } in heard {
        let index = view.networks.iter().position(|known| known.network.starts_with(&network));
        let index = index.unwrap_or_else(|| {
            let (nodes, tables) = (Vec::new(), TablesView::default());
            view.networks.push(NetworkView { network, name: None, tables, nodes });
            view.networks.len() - 1
        });
        let known = &mut view.networks[index];
        let addresses = Vec::new();
        known.nodes.push(NodeView { node, addresses, device: Some(device), rssi });
        // Names that are known are worth more than a number.
        if known.tables.named.is_empty() {
            known.tables.learn(Tables { open: tables.into(), named: Vec::new() });
        }
    }
}

fn words(view: &NearbyView) -> String {
    let mut lines = Vec::new();
    if view.networks.is_empty() {
        lines.push("nobody announces a network here; ask a friend for a ticket".to_owned());
    }
    for NetworkView { network, name, tables, nodes } in &view.networks {
        let name = name.as_ref().map_or("a network".to_owned(), |name| format!("\"{name}\""));
        lines
            .push(format!("{name} ({}): to play, ask somebody there for a ticket", short(network)));
        lines.extend(tables.named.iter().map(|it| format!("  table {}  {}", it.id, it.name)));
        let others = (tables.open as usize).saturating_sub(tables.named.len());
        if others > 0 {
            let more = if tables.named.is_empty() { "" } else { " more" };
            let tables = if others == 1 { "table" } else { "tables" };
            lines.push(format!("  {others}{more} open {tables}"));
        }
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

    fn found(network: &str, node: &str, tables: &[&str]) -> Found {
        let named = (1..).zip(tables.iter().map(|name| (*name).to_owned()));
        Found {
            network: network.into(),
            name: "friends".into(),
            node: node.into(),
            tables: Tables { open: tables.len() as u32, named: named.take(2).collect() },
            addresses: vec!["192.0.2.1:7711".parse().unwrap()],
        }
    }

    #[test]
    fn nodes_and_tables_are_shown_under_their_network() {
        let tables = ["kitchen", "garden", "roof", "bar"];
        let found = [found("00ff", "a", &tables[..1]), found("11ee", "b", &[])].into_iter();
        let found = found.chain([self::found("00ff", "c", &tables)]);
        assert_eq!(
            words(&by_network(found.collect())),
            "\"friends\" (00ff): to play, ask somebody there for a ticket\n  table 1  kitchen\n  \
             table 2  garden\n  2 more open tables\n  a  192.0.2.1:7711\n  c  192.0.2.1:7711\n\
             \"friends\" (11ee): to play, ask somebody there for a ticket\n  b  192.0.2.1:7711"
        );
    }

    #[test]
    fn what_was_heard_is_shown_with_the_network_it_belongs_to() {
        let mut view = by_network(vec![found("00ff", "a", &["kitchen"])]);
        let heard = |network: &str| Heard {
            network: network.into(),
            node: "b".into(),
            tables: 1,
            device: "AA:BB".into(),
            rssi: Some(-60),
        };
        add_heard(&mut view, vec![heard("00"), heard("11")]);
        assert_eq!(
            words(&view),
            "\"friends\" (00ff): to play, ask somebody there for a ticket\n  table 1  kitchen\n  \
             a  192.0.2.1:7711\n  b  Bluetooth AA:BB (-60 dBm)\na network (11): to play, ask \
             somebody there for a ticket\n  1 open table\n  b  Bluetooth AA:BB (-60 dBm)"
        );
    }
}
