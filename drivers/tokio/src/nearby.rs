//! `nearby`: which networks can be found on the local network.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcraps_tokio::lan::{Found, look_around};
use serde::Serialize;

use crate::output::Output;
use crate::words::short;

#[derive(Serialize)]
struct NearbyView {
    networks: Vec<NetworkView>,
}

#[derive(Serialize)]
struct NetworkView {
    network: String,
    /// As its nodes say; nobody has proven it.
    name: String,
    nodes: Vec<NodeView>,
}

#[derive(Serialize)]
struct NodeView {
    node: String,
    addresses: Vec<String>,
}

/// `bitcraps nearby`.
pub(crate) async fn run(seconds: u64, output: Output) -> anyhow::Result<()> {
    output.words(&format!("looking around for {seconds} s …"))?;
    let span = Duration::from_secs(seconds);
    let found = tokio::task::spawn_blocking(move || look_around(span)).await??;
    let view = by_network(found);
    output.answer(&view, || words(&view))?;
    Ok(())
}

fn by_network(found: Vec<Found>) -> NearbyView {
    let mut networks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Found { network, name, node, addresses } in found {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        networks.entry((network, name)).or_default().push(NodeView { node, addresses });
    }
    let networks = networks.into_iter();
    let view = |((network, name), nodes)| NetworkView { network, name, nodes };
    NearbyView { networks: networks.map(view).collect() }
}

fn words(view: &NearbyView) -> String {
    if view.networks.is_empty() {
        return "nobody announces a network here; ask a friend for a ticket".into();
    }
    let mut lines = Vec::new();
    for NetworkView { network, name, nodes } in &view.networks {
        lines.push(format!(
            "\"{name}\" ({}): to play, ask somebody there for a ticket",
            short(network)
        ));
        for NodeView { node, addresses } in nodes {
            lines.push(format!("  {node}  {}", addresses.join(", ")));
        }
    }
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
}
