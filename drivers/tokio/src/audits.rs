//! `audit verify|report|export`.

use std::collections::BTreeMap;
use std::io::Write as _;

use bitcraps_host::Identity;
use bitcraps_tokio::audit;
use bitcraps_tokio::home::Home;
use serde::Serialize;

use crate::cli::Audit;
use crate::exit::Usage;
use crate::output::{Output, grouped};

#[derive(Debug, Default, Serialize)]
struct View {
    entries: u64,
    /// The number of the first entry; more than 0 if older files were taken away.
    first: u64,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    events: BTreeMap<String, u64>,
}

/// `bitcraps audit …`. All of them verify what they read; the node may be running.
pub(crate) fn run(home: &Home, command: Audit, output: Output) -> anyhow::Result<()> {
    let outside = Identity::outside(home.directory())?;
    let outside = outside
        .ok_or_else(|| Usage(format!("{} holds no identity", home.directory().display())))?;
    let network = home.genesis()?.network();
    let mut view = View::default();
    let mut broken_pipe = Ok(());
    let mut out = std::io::stdout().lock();
    let checked = audit::verify(home.directory(), outside.address.peer, network, |entry, line| {
        view.from_ms.get_or_insert(entry.time_ms);
        view.to_ms = Some(entry.time_ms);
        let kind = serde_json::to_value(&entry.event).ok();
        let kind = kind.and_then(|value| Some(value.get("event")?.as_str()?.to_owned()));
        *view.events.entry(kind.unwrap_or_default()).or_default() += 1;
        if matches!(command, Audit::Export) && broken_pipe.is_ok() {
            let text = line.rsplit_once(' ').map_or(line, |(text, _)| text);
            broken_pipe = writeln!(out, "{text}");
        }
    });
    drop(out);
    broken_pipe?;
    (view.entries, view.first) = checked?;
    match command {
        Audit::Export => Ok(()),
        Audit::Verify => Ok(output.answer(&view, || view.verdict())?),
        Audit::Report => Ok(output.answer(&view, || view.words())?),
    }
}

impl View {
    fn verdict(&self) -> String {
        let entries = grouped(self.entries);
        match self.first {
            0 => format!("sound: {entries} events, each signed by this node, none missing between"),
            first => format!(
                "sound: {entries} events, each signed by this node; the {} before them are not \
                 here",
                grouped(first)
            ),
        }
    }

    fn words(&self) -> String {
        let mut lines = vec![self.verdict()];
        for (kind, count) in &self.events {
            lines.push(format!("{kind:<14} {}", grouped(*count)));
        }
        lines.join("\n")
    }
}
