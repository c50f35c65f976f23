//! A run as one HTML page: a lane for each node, time from left to right, and what happened. First
//! the whole run, then one view with the messages in it.

use std::fmt::Write as _;

use crate::checks::Violation;
use crate::decision::TimedFault;
use crate::recorder::{Flight, Happening, Kind, SaidVote, Timeline, VoteKind};
use crate::run::Report;

const LANE: u64 = 28;
const LEFT: u64 = 90;
const TOP: u64 = 40;
const WIDTH: u64 = 1_600;

/// Frames drawn at most; the earliest are kept.
const FLIGHTS: usize = 5_000;

/// Events drawn at most; the latest are kept, since the failure is at the end.
const HAPPENINGS: usize = 20_000;

/// Makes the page, with the messages of `view` if it says which. Everything is in it: no other file
/// is needed to look at it.
pub fn page(report: &Report, timeline: &Timeline, view: Option<u64>) -> String {
    let whole = (0, report.simulated_us.max(1));
    let mut pictures = Page::new(report, whole).draw(report, timeline);
    if let Some(view) = view {
        let (from, to) = timeline.span;
        let mut page = Page::new(report, (from, to.max(from + 1)));
        let known = |flight: &&Flight| flight.sent <= to;
        for flight in timeline.flights.iter().filter(known).take(FLIGHTS) {
            page.flight(flight, &timeline.votes, view);
        }
        let title = format!("<h2>View {view}, from {from} to {to} µs</h2>\n");
        pictures += &(title + &page.draw(report, timeline));
    }
    finish(report, timeline, &pictures)
}

/// The microseconds from the first thing to the last that has to do with a view.
pub fn span_of(timeline: &Timeline, view: u64) -> Option<(u64, u64)> {
    let votes = timeline.votes.iter().filter(|vote| vote.view == view).map(|vote| vote.at);
    let concerns = |it: &&Happening| match it.kind {
        Kind::Entered => it.what == view || it.what == view + 1,
        Kind::Finalized => it.what == view,
        _ => false,
    };
    let happened = timeline.happenings.iter().filter(concerns).map(|it| it.at);
    let times: Vec<u64> = votes.chain(happened).collect();
    Some((*times.iter().min()?, times.iter().max()? + 1))
}

/// The view of the last vote before the end.
pub fn last_view(timeline: &Timeline) -> Option<u64> {
    timeline.votes.last().map(|vote| vote.view)
}

struct Page {
    svg: String,
    from: u64,
    to: u64,
    places: u64,
}

impl Page {
    fn new(report: &Report, (from, to): (u64, u64)) -> Self {
        let places = report.config.places() as u64;
        let mut page = Self { svg: String::new(), from, to, places };
        for place in 0..places {
            let y = page.y(place);
            let role = if place < u64::from(report.config.nodes) { "validator" } else { "player" };
            page.put(format_args!(
                "<line class=\"lane\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\
                 <text x=\"4\" y=\"{}\">{role} {place}</text>",
                LEFT + WIDTH,
                y + 4
            ));
        }
        for tick in 0..=10 {
            let at = from + (to - from) * tick / 10;
            let x = page.x(at);
            page.put(format_args!(
                "<text class=\"axis\" x=\"{x}\" y=\"20\">{}.{:06} s</text>",
                at / 1_000_000,
                at % 1_000_000
            ));
        }
        page
    }

    /// Everything but messages.
    fn draw(mut self, report: &Report, timeline: &Timeline) -> String {
        self.partitions(&timeline.faults);
        self.crashes(&timeline.happenings);
        let within: Vec<&Happening> =
            timeline.happenings.iter().filter(|it| self.shows(it.at)).collect();
        let skipped = within.len().saturating_sub(HAPPENINGS);
        within[skipped..].iter().for_each(|happening| self.happening(happening));
        let said: Vec<&SaidVote> = timeline.votes.iter().filter(|it| self.shows(it.at)).collect();
        let skipped = said.len().saturating_sub(HAPPENINGS);
        said[skipped..].iter().for_each(|vote| self.vote(vote));
        if let Some(violation) = report.violation.as_ref().filter(|it| self.shows(it.at)) {
            self.violation(violation);
        }
        let (width, height) = (LEFT + WIDTH + 40, TOP + self.places * LANE + 20);
        format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 6 6\" refX=\"6\" refY=\"3\" \
             markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0L6 3L0 6z\"/>\
             </marker></defs>\n{}</svg>\n",
            self.svg
        )
    }

    fn shows(&self, at: u64) -> bool {
        (self.from..=self.to).contains(&at)
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.svg, "{arguments}");
    }

    fn x(&self, at: u64) -> u64 {
        LEFT + (at.clamp(self.from, self.to) - self.from) * WIDTH / (self.to - self.from)
    }

    fn y(&self, place: u64) -> u64 {
        TOP + place * LANE
    }

    /// Shades the lanes of a partition's smaller side.
    fn partitions(&mut self, faults: &[(u64, TimedFault)]) {
        for (start, fault) in faults {
            let TimedFault::Cut { id, left, right, one_way, .. } = fault else { continue };
            let healed = faults.iter().find(|(at, other)| {
                at >= start && matches!(other, TimedFault::Heal { id: of } if of == id)
            });
            let end = healed.map_or(self.to, |(at, _)| *at);
            if end < self.from || *start > self.to {
                continue;
            }
            let side = if left.len() <= right.len() { left } else { right };
            let class = if *one_way { "cut oneway" } else { "cut" };
            let (x, width) = (self.x(*start), self.x(end).saturating_sub(self.x(*start)).max(1));
            for place in side {
                let y = self.y(u64::from(*place)) - LANE / 2;
                self.put(format_args!(
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" \
                     height=\"{LANE}\"><title>partition {id}</title></rect>"
                ));
            }
        }
    }

    /// Leaves gaps where no process runs.
    fn crashes(&mut self, happenings: &[Happening]) {
        for place in 0..self.places {
            let mut since = None;
            let of_place = happenings.iter().filter(|it| u64::from(it.place) == place);
            for happening in of_place {
                match happening.kind {
                    Kind::Stop => since = Some(happening.at),
                    Kind::Start => {
                        if let Some(since) = since.take() {
                            self.gap(place, since, happening.at);
                        }
                    }
                    _ => {}
                }
            }
            if let Some(since) = since {
                self.gap(place, since, self.to);
            }
        }
    }

    fn gap(&mut self, place: u64, from: u64, to: u64) {
        if to < self.from || from > self.to {
            return;
        }
        let (x, y) = (self.x(from), self.y(place) - LANE / 4);
        let (width, height) = (self.x(to).saturating_sub(x).max(2), LANE / 2);
        self.put(format_args!(
            "<rect class=\"down\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\">\
             <title>node {place} is down</title></rect>"
        ));
    }

    /// An arrow, in the colour of the vote that was said when it was sent.
    fn flight(&mut self, flight: &Flight, votes: &[SaidVote], view: u64) {
        let Flight { sent, arrives, from, to } = flight;
        let (x1, y1) = (self.x(*sent), self.y(u64::from(*from)));
        let (x2, y2) = (self.x(*arrives), self.y(u64::from(*to)));
        let said = |vote: &&SaidVote| vote.at == *sent && vote.place == *from && vote.view == view;
        let (class, what) = votes.iter().find(said).map_or(("", "something"), |vote| {
            let (class, _, name) = drawn(vote.kind);
            (class, name)
        });
        self.put(format_args!(
            "<line class=\"flight {class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" \
             marker-end=\"url(#tip)\"><title>{from} sends {what} to {to}</title></line>"
        ));
    }

    fn vote(&mut self, vote: &SaidVote) {
        let SaidVote { at, place, kind, view, block } = vote;
        let (x, y) = (self.x(*at), self.y(u64::from(*place)));
        let (class, glyph, name) = drawn(*kind);
        let block = block.map(|block| format!(" of {}", block.short())).unwrap_or_default();
        self.put(format_args!(
            "<text class=\"vote {class}\" x=\"{x}\" y=\"{}\">{glyph}<title>node {place}: {name} \
             of view {view}{block} at {at} µs</title></text>",
            y - 5
        ));
    }

    fn happening(&mut self, happening: &Happening) {
        let Happening { at, kind, place, what, .. } = happening;
        let (x, y) = (self.x(*at), self.y(u64::from(*place)));
        let (class, title) = match kind {
            Kind::Entered => ("view", format!("enters view {what}")),
            Kind::Finalized => ("final", format!("view {what} is final")),
            Kind::Rolled => ("dice", format!("the dice of view {what} are shown")),
            Kind::Start => ("start", format!("process {what} starts")),
            _ => return,
        };
        self.put(format_args!(
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3\"><title>node {place} {title} \
             at {at} µs</title></circle>"
        ));
    }

    fn violation(&mut self, violation: &Violation) {
        let (x, bottom) = (self.x(violation.at), self.y(self.places));
        self.put(format_args!(
            "<line class=\"bad\" x1=\"{x}\" x2=\"{x}\" y1=\"24\" y2=\"{bottom}\"/>"
        ));
        if let Some(place) = violation.place {
            let y = self.y(u64::from(place));
            self.put(format_args!("<circle class=\"bad\" cx=\"{x}\" cy=\"{y}\" r=\"7\"/>"));
        }
    }
}

/// How a vote is drawn: its class, its glyph, its name.
const fn drawn(kind: VoteKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        VoteKind::Propose => ("propose", "▲", "proposal"),
        VoteKind::Notarize => ("notarize", "◦", "notarize"),
        VoteKind::Nullify => ("nullify", "✕", "nullify"),
        VoteKind::Finalize => ("finalize", "◆", "finalize"),
    }
}

fn finish(report: &Report, timeline: &Timeline, pictures: &str) -> String {
    let verdict = match &report.violation {
        Some(violation) => escape(&violation.to_string()),
        None => "nothing is violated".to_owned(),
    };
    let mut said = String::new();
    for (at, place, what) in timeline.said.iter().rev().take(500).rev() {
        let _ = writeln!(said, "{at:>12} µs  node {place:<3} {}", escape(what));
    }
    for (at, fault) in &timeline.faults {
        let _ = writeln!(said, "{at:>12} µs  {}", escape(&format!("{fault:?}")));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n\
         <title>bitcraps-sim, seed {seed}</title>\n<style>{STYLE}</style>\n\
         <h1>Seed {seed}: {verdict}</h1>\n\
         <p><b class=\"view\">●</b> view entered <b class=\"final\">●</b> block final \
         <b class=\"dice\">●</b> dice shown <b class=\"start\">●</b> process started; \
         <b class=\"propose\">▲</b> propose <b class=\"notarize\">◦</b> notarize \
         <b class=\"nullify\">✕</b> nullify <b class=\"finalize\">◆</b> finalize; \
         shaded: partitioned; grey: down; red line: the first bad event</p>\n\
         {pictures}<pre>{said}</pre>\n</html>\n",
        seed = report.config.seed,
    )
}

const STYLE: &str = "body{font:13px system-ui,sans-serif;margin:1.5em}svg{border:1px solid #ccc;\
max-width:100%;height:auto}text{font-size:11px;fill:#333}.axis{fill:#777}.lane{stroke:#ddd}.cut{fill:#f5c46b;\
opacity:.45}.oneway{fill:#c9a0dc}.down{fill:#999}.flight{stroke:#7a9cc6;stroke-width:.5;opacity:.6}\
circle.view,b.view{fill:#9ab;color:#9ab}circle.final,b.final{fill:#2a8f4f;color:#2a8f4f}\
circle.dice,b.dice{fill:#b8860b;color:#b8860b}circle.start,b.start{fill:#333;color:#333}\
text.vote{text-anchor:middle;font-size:12px}.propose{fill:#6a3d9a;color:#6a3d9a}\
.notarize{fill:#1f78b4;color:#1f78b4}.nullify{fill:#d00;color:#d00}.finalize{fill:#2a8f4f;color:#2a8f4f}\
line.propose{stroke:#6a3d9a}line.notarize{stroke:#1f78b4}line.nullify{stroke:#d00}\
line.finalize{stroke:#2a8f4f}marker path{fill:#7a9cc6}line.bad{stroke:#d00;stroke-width:2}circle.bad{fill:none;stroke:#d00;stroke-width:2}pre{overflow:auto}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::run::{Watch, run};

    #[test]
    fn a_page_is_one_file_with_a_lane_for_every_node_and_the_messages_of_a_view() {
        let mut config = Config { faulty_ms: 500, players: 1, ..Config::default() };
        config.faults.cuts = 1;
        config.faults.crashes = 1;
        let watch = Watch { timeline: Some((0, 1)), ..Watch::default() };
        let first = run(&config, None, watch).timeline.unwrap();
        let span = span_of(&first, 2).unwrap();
        let watch = Watch { timeline: Some(span), ..Watch::default() };
        let outcome = run(&config, None, watch);
        let page = page(&outcome.report, &outcome.timeline.unwrap(), Some(2));
        for part in [
            "validator 0",
            "validator 3",
            "player 4",
            "class=\"final\"",
            "class=\"cut",
            "class=\"down\"",
            "class=\"vote propose\"",
            "class=\"vote notarize\"",
            "class=\"vote finalize\"",
            "class=\"flight propose\"",
            "<h2>View 2",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("http"), "nothing is fetched from elsewhere");
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }

    #[test]
    fn the_first_bad_event_is_marked() {
        let config = Config { flaws: vec!["share-on-notarize".to_owned()], ..Config::default() };
        let watch = Watch { timeline: Some((0, 1)), ..Watch::default() };
        let outcome = run(&config, None, watch);
        assert!(outcome.report.violation.is_some());
        let page = page(&outcome.report, &outcome.timeline.unwrap(), None);
        assert_eq!(page.matches("<line class=\"bad\"").count(), 1);
        assert_eq!(page.matches("<circle class=\"bad\"").count(), 1);
    }
}
