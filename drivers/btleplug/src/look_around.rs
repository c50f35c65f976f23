//! Looking for nodes without being one.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::greeting::Beacon;
use crate::radio::{Command, Condition, Event, Radio};
use crate::run::Near;

/// Devices that are listed; more are not.
const MOST: usize = 256;

/// The nodes that `radio` hears within `span`, of whatever network.
///
/// # Errors
///
/// If there is no radio that is on, with a sentence that says what to do.
pub async fn look_around(mut radio: impl Radio, span: Duration) -> Result<Vec<Near>, String> {
    let (commander, commands) = mpsc::channel(16);
    let (reporter, mut events) = mpsc::channel(256);
    let mut near = BTreeMap::new();
    let mut why_not = None;
    let looking = async {
        while let Some(event) = events.recv().await {
            match event {
                Event::Adapter { adapter, condition: Condition::On { .. } } => {
                    why_not = Some(Ok(()));
                    // There is room for the few that are sent.
                    drop(commander.send(Command::Scan { adapter, on: true }).await);
                }
                Event::Adapter { condition: Condition::Off { reason }, .. } => {
                    why_not.get_or_insert(Err(reason));
                }
                Event::Seen { port, rssi, data } => {
                    let Some(Beacon { card, tables }) = Beacon::decode(&data) else { continue };
                    if near.len() < MOST || near.contains_key(&port.device) {
                        let device = port.device.to_string();
                        near.insert(port.device, Near { device, card, tables, rssi });
                    }
                }
                Event::Gone { .. }
                | Event::Unheard { .. }
                | Event::Connected { .. }
                | Event::Unreachable { .. }
                | Event::Disconnected { .. }
                | Event::Received { .. }
                | Event::Left { .. } => {}
            }
        }
    };
    tokio::select! {
        lost = radio.run(commands, reporter) => return Err(lost),
        _ = timeout(span, looking) => {}
    }
    why_not.unwrap_or_else(|| Err("no adapter has answered; look for longer".to_owned()))?;
    Ok(near.into_values().collect())
}
