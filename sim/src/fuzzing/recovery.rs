//! A node that starts on a journal that is not quite its own.

use std::sync::LazyLock;
use std::time::Duration;

use bitcraps_protocol::block::{ValidatorIndex, View};
use bitcraps_protocol::consensus::Statement;
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::event::{Command, Event, Label, Record};
use bitcraps_protocol::fuzzing::{Choices, Decisions};
use bitcraps_protocol::identity::{Context, Epoch};
use bitcraps_protocol::journal::Entry;
use bitcraps_protocol::time::{BlockTime, Time};
use bitcraps_protocol::wire::Hash;
use bytes::Bytes;

use super::driver::{ALONE, Driver, FOUR, Founded, SIGNATURES, START_MS};
use super::hostile::open_table;
use super::node::Net;

/// Changes of one journal.
const CHANGES: usize = 24;

/// Journals that nodes wrote: one alone, and one of four.
static GENUINE: LazyLock<[Vec<Record>; 2]> = LazyLock::new(|| [written(&ALONE), written(&FOUR)]);

fn founded(which: usize) -> &'static Founded {
    if which == 0 { &ALONE } else { &FOUR }
}

fn written(founded: &'static Founded) -> Vec<Record> {
    let mut net = Net::new(founded, START_MS);
    net.ordinary(20);
    net.submit(Command::Operate(open_table(Chips(5_000))));
    net.ordinary(20);
    // A view that comes to nothing, and what follows it.
    net.pass(Duration::from_secs(20));
    net.ordinary(20);
    net.victim().journal().to_vec()
}

/// The bytes say how a genuine journal is changed: records taken out, repeated, exchanged, cut off,
/// with bytes changed, taken from another node's journal, or made up and rightly signed. The node
/// starts on it or says why it cannot; if it starts, it keeps every promise of the boundary, and
/// what it writes then can be started on again.
pub fn recovery(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let which = choices.index(2);
    let mut records = GENUINE[which].clone();
    for _ in 0..CHANGES {
        if choices.is_over() {
            break;
        }
        change(&mut records, which, &mut choices);
    }
    let started = Driver::start(founded(which), 0, true, Time::ZERO, records);
    let Ok(mut driver) = started else { return };
    let mut now = Time::ZERO;
    driver.give(now, Event::WallClock { unix_ms: START_MS + 60_000 });
    for millis in [0, 1, 10, 1_500, 40_000] {
        now = now + Duration::from_millis(millis);
        driver.persist(now, usize::MAX);
        while !driver.loads.is_empty() {
            driver.load(now, true);
        }
        driver.give(now, Event::Tick);
    }
    driver.persist(now, usize::MAX);
    driver.restart(now);
}

fn change(records: &mut Vec<Record>, which: usize, choices: &mut Choices<'_>) {
    let other = &GENUINE[1 - which];
    let at = choices.below(1 << 16) as usize % (records.len() + 1);
    let kind = choices.below(KINDS);
    if at == records.len() && kind < 6 {
        return;
    }
    match kind {
        0 => _ = records.remove(at),
        1 => records.truncate(at),
        2 => {
            let end = (at + 1 + choices.index(16)).min(records.len());
            records.drain(at..end);
        }
        3 => {
            let to = choices.below(1 << 16) as usize % records.len();
            records.swap(at, to);
        }
        4 => {
            let mut bytes = records[at].bytes.to_vec();
            if !bytes.is_empty() {
                let place = choices.below(1 << 16) as usize % bytes.len();
                bytes[place] ^= 1 << choices.below(8);
                records[at].bytes = Bytes::from(bytes);
            }
        }
        5 => {
            let record = records[at].clone();
            let to = choices.below(1 << 16) as usize % (records.len() + 1);
            records.insert(to, record);
        }
        6 => {
            let record = other[choices.below(1 << 16) as usize % other.len()].clone();
            records.insert(at, record);
        }
        7 => {
            let entry = made_up(records, which, choices);
            records.insert(at, entry.to_record());
        }
        _ => records
            .insert(at, Record { label: Label::Plain, bytes: Bytes::from(choices.bytes(255)) }),
    }
}

const KINDS: u64 = 9;

/// A promise that this node never made.
fn made_up(records: &[Record], which: usize, choices: &mut Choices<'_>) -> Entry {
    let entries = records.iter().filter_map(|record| Entry::from_bytes(&record.bytes).ok());
    let blocks = entries.filter_map(|entry| match entry {
        Entry::Block(block) => Some(block.hash()),
        _ => None,
    });
    let blocks: Vec<Hash> = blocks.collect();
    let block = match choices.below(2) {
        0 if !blocks.is_empty() => choices.pick(&blocks),
        _ => Hash([choices.byte(); 32]),
    };
    let view = View(choices.below(32));
    let statement = match choices.below(5) {
        0 => Statement::Notarize { view, block, time: BlockTime(START_MS) },
        1 => Statement::Finalize { view, block },
        2 => Statement::Nullify { view, highest: View(choices.below(32)) },
        3 => return Entry::Barred { maximum: view },
        _ => return Entry::Overridden,
    };
    let founded = founded(which);
    let key = SIGNATURES.equip(&founded.identities[0].0);
    let context = Context { network: founded.genesis.network(), epoch: Epoch(0) };
    Entry::Vote(statement.sign(ValidatorIndex(0), &key, &context).into_inner())
}

/// Journals as they are, and with a change of each kind.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for which in 0..2 {
        seeds.push(vec![which as u8]);
        for kind in 0..KINDS {
            let mut decisions = Decisions::default();
            decisions.put(which, 2).put(5 + 3 * kind, 1 << 16).put(kind, KINDS).put(7, 1 << 16);
            seeds.push(decisions.into_bytes());
        }
    }
    seeds
}
