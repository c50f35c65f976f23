//! Answers in words.

use std::fmt::Write as _;

use bitcraps_host::api::{
    Path, PeerView, StatusView, TableSummary, TableView, TransactionState, TransactionView,
};

use crate::output::grouped;

/// Rolls shown of a table's history.
const ROLLS: usize = 12;

/// What is said wherever dice under a dealt key are shown.
pub(crate) const INSECURE: &str =
    "INSECURE: whoever made the network could know every roll; play money only";

pub(crate) fn status(view: &StatusView) -> String {
    let mut text = String::new();
    let role = match view.validator {
        Some(index) => format!("validator {index} (of {}, counted from 0)", view.validators),
        None if view.light => "light node: headers and proofs only".to_owned(),
        None => format!("player; {} validators decide", view.validators),
    };
    if let Some(relay) = &view.relay {
        let role = "relay: carries what it cannot read";
        line(&mut text, "address", &view.address);
        line(&mut text, "network", short(&view.network));
        line(&mut text, "role", role);
        let refused = format!("{}, {} beyond the budget", relay.carried, relay.refused);
        line(&mut text, "carried", &refused);
        line(&mut text, "peers", &view.peers.len().to_string());
        view.peers.iter().for_each(|it| line(&mut text, "", &peer(it)));
        if !view.waiting_for.is_empty() {
            line(&mut text, "waiting", &view.waiting_for);
        }
        return text;
    }
    line(&mut text, "address", &view.address);
    line(&mut text, "network", &format!("{} ({})", view.name, short(&view.network)));
    line(&mut text, "role", &role);
    let faults = match view.tolerated_faults {
        0 => "tolerates no fault".to_owned(),
        faults => format!("tolerates {faults} faulty or dishonest"),
    };
    line(&mut text, "quorum", &format!("{} of {}, {faults}", view.quorum, view.validators));
    let tip = format!("{}, view {}, state {}", view.height, view.view, short(&view.state_root));
    line(&mut text, "height", &tip);
    let dice = if view.insecure_dealer { INSECURE.to_owned() } else { view.dice.state.clone() };
    line(&mut text, "dice", &dice);
    let linked = view.peers.iter().filter(|peer| peer.path != Path::Relayed).count();
    line(&mut text, "peers", &linked.to_string());
    for it in &view.peers {
        line(&mut text, "", &peer(it));
    }
    if let Some(private) = &view.private {
        line(&mut text, "private", &format!("network key {}", private.version));
        for it in &private.pending {
            let by = format!("{} of {}", it.endorsed_by.len(), private.endorsements_needed);
            let members = it.members.iter().map(|member| short(member)).collect::<Vec<_>>();
            line(&mut text, "new key", &format!("{} has {by} endorsements", it.id));
            line(&mut text, "", &format!("for {}", members.join(", ")));
        }
    }
    for (name, patterns) in [("allowed", &view.allow), ("denied", &view.deny)] {
        if !patterns.is_empty() {
            line(&mut text, name, &patterns.join(", "));
        }
    }
    for (index, ban) in view.bans.iter().enumerate() {
        let name = if index == 0 { "banned" } else { "" };
        line(&mut text, name, &format!("{}, for {} s more", ban.culprit, ban.seconds));
    }
    if view.waiting_transactions > 0 {
        line(&mut text, "to order", &format!("{} transactions", view.waiting_transactions));
    }
    if !view.waiting_for.is_empty() {
        line(&mut text, "waiting", &view.waiting_for);
    }
    if let Some(reason) = &view.halted {
        line(&mut text, "HALTED", reason);
    }
    text
}

/// A peer, how it is reached, and how fast.
fn peer(view: &PeerView) -> String {
    let role = view.validator.map_or(String::new(), |index| format!(", validator {index}"));
    let way = match view.path {
        Path::Tcp => format!("at {}, tcp", view.endpoint),
        Path::Ble => format!("at {}, ble", view.endpoint),
        Path::Other => format!("at {}", view.endpoint),
        Path::Relayed => "relayed".to_owned(),
    };
    let tenths = view.round_trip_us.map(|micros| micros.div_ceil(100));
    let time = tenths.map_or(String::new(), |it| format!(", {}.{} ms", it / 10, it % 10));
    let points = match view.points {
        0 => String::new(),
        points => format!(", {points} of 100 points to a ban"),
    };
    format!("{} {way}{time}{role}{points}", short(&view.peer))
}

pub(crate) fn tables(tables: &[TableSummary]) -> String {
    if tables.is_empty() {
        return "no table is open; open one with: bitcraps table open NAME BANK".into();
    }
    let lines = tables.iter().map(|table| {
        let puck = table.point.map_or("come-out".into(), |point| format!("point {point}"));
        format!(
            "{:>4}  {:<20} bank {:>12}  {} seated  roll {}  {puck}",
            table.id,
            table.name,
            grouped(table.bank),
            table.seats,
            table.round,
        )
    });
    let warning = tables.iter().any(|table| table.insecure_dealer);
    let warning = warning.then(|| format!("dice are {INSECURE}"));
    lines.chain(warning).collect::<Vec<_>>().join("\n")
}

/// A table; `own` is the key that is called "you".
pub(crate) fn table(view: &TableView, own: &str, waiting_for: &str) -> String {
    let name = |peer: &str| if peer == own { "you".to_owned() } else { short(peer).to_owned() };
    let mut text = String::new();
    let puck = view.point.map_or("come-out".into(), |point| format!("point {point}"));
    let state = if view.rolling { ", the dice are in the air" } else { "" };
    line(&mut text, "table", &format!("{} \"{}\"", view.id, view.name));
    line(&mut text, "roll", &format!("{}, {puck}{state}", view.round));
    let bank = format!(
        "{} of {}, {} reserved for bets",
        grouped(view.bank),
        name(&view.owner),
        grouped(view.reserved)
    );
    line(&mut text, "bank", &bank);
    if view.insecure_dealer {
        line(&mut text, "dice", INSECURE);
    }
    let shooter = view.shooter.as_deref().map_or("nobody".into(), name);
    line(&mut text, "shooter", &shooter);
    for (index, seat) in view.seats.iter().enumerate() {
        let label = if index == 0 { "seats" } else { "" };
        let ready = if seat.ready { ", ready" } else { "" };
        let leaving = if seat.leaving { ", leaving" } else { "" };
        let bets = view.bets.iter().filter(|bet| bet.player == seat.player);
        let bets = bets.map(|bet| {
            let off = if bet.working { "" } else { " (off)" };
            format!("{} {}{off}", bet.bet, grouped(bet.amount))
        });
        let bets = bets.collect::<Vec<_>>().join(", ");
        line(&mut text, label, &format!("{}{ready}{leaving}: {bets}", name(&seat.player)));
    }
    let newest = view.history.len().saturating_sub(ROLLS);
    let rolls = view.history[newest..].iter().map(|dice| dice_text(*dice)).collect::<Vec<_>>();
    if !rolls.is_empty() {
        line(&mut text, "rolled", &rolls.join("  "));
    }
    if !waiting_for.is_empty() {
        line(&mut text, "waiting", waiting_for);
    }
    text
}

/// What became of a change, in a sentence.
pub(crate) fn transaction(view: &TransactionView) -> String {
    match &view.state {
        TransactionState::Final { height, table, dice } => {
            let mut text = format!("final in block {height}");
            if let Some(table) = table {
                write!(text, ": table {table}").expect("writing to a string cannot fail");
            }
            if let Some(dice) = dice {
                text = format!("{}   ({text})", dice_text(*dice));
            }
            text
        }
        TransactionState::Failed { reason } => format!("impossible: {reason}"),
        TransactionState::Waiting { .. } | TransactionState::Unknown => view.id.clone(),
    }
}

pub(crate) fn dice_text([first, second]: [u8; 2]) -> String {
    format!("{first}-{second} = {}", first + second)
}

/// The first eight digits of a key or hash.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn line(text: &mut String, label: &str, value: &str) {
    writeln!(text, "{label:<9} {value}").expect("writing to a string cannot fail");
}
