//! A run as one HTML page: a lane for each node, time from left to right, and what happened.

use std::fmt::Write as _;

use crate::checks::Violation;
use crate::decision::TimedFault;
use crate::recorder::{Flight, Happening, Kind, Timeline};
use crate::run::Report;

const LANE: u64 = 28;
const LEFT: u64 = 90;
const TOP: u64 = 40;
const WIDTH: u64 = 1_600;

/// Frames drawn at most; the earliest are kept.
const FLIGHTS: usize = 5_000;

/// Events drawn at most; the latest are kept, since the failure is at the end.
const HAPPENINGS: usize = 20_000;

/// Makes the page. Everything is in it: no other file is needed to look at it.
pub fn page(report: &Report, timeline: &Timeline) -> String {
    let mut page = Page::new(report);
    page.partitions(&timeline.faults);
    page.crashes(&timeline.happenings);
    timeline.flights.iter().take(FLIGHTS).for_each(|flight| page.flight(flight));
    let skipped = timeline.happenings.len().saturating_sub(HAPPENINGS);
    timeline.happenings[skipped..].iter().for_each(|happening| page.happening(happening));
    if let Some(violation) = &report.violation {
        page.violation(violation);
    }
    page.finish(report, timeline)
}

struct Page {
    svg: String,
    end: u64,
    places: u64,
}

impl Page {
    fn new(report: &Report) -> Self {
        let (places, end) = (report.config.places() as u64, report.simulated_us.max(1));
        let mut page = Self { svg: String::new(), end, places };
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
            let at = end * tick / 10;
            let x = page.x(at);
            page.put(format_args!(
                "<text class=\"axis\" x=\"{x}\" y=\"20\">{}.{:03} s</text>",
                at / 1_000_000,
                at / 1_000 % 1_000
            ));
        }
        page
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.svg, "{arguments}");
    }

    fn x(&self, at: u64) -> u64 {
        LEFT + at.min(self.end) * WIDTH / self.end
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
            let end = healed.map_or(self.end, |(at, _)| *at);
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
                self.gap(place, since, self.end);
            }
        }
    }

    fn gap(&mut self, place: u64, from: u64, to: u64) {
        let (x, y) = (self.x(from), self.y(place) - LANE / 4);
        let (width, height) = (self.x(to).saturating_sub(x).max(2), LANE / 2);
        self.put(format_args!(
            "<rect class=\"down\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\">\
             <title>node {place} is down</title></rect>"
        ));
    }

    fn flight(&mut self, flight: &Flight) {
        let Flight { sent, arrives, from, to } = flight;
        let (x1, y1) = (self.x(*sent), self.y(u64::from(*from)));
        let (x2, y2) = (self.x(*arrives), self.y(u64::from(*to)));
        self.put(format_args!(
            "<line class=\"flight\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        ));
    }

    fn happening(&mut self, happening: &Happening) {
        let Happening { at, kind, place, what, .. } = happening;
        let (x, y) = (self.x(*at), self.y(u64::from(*place)));
        let (class, title) = match kind {
            Kind::Entered => ("view", format!("enters view {what}")),
            Kind::Finalized => ("final", format!("view {what} is final")),
            Kind::Rolled => ("dice", format!("the dice show {what}")),
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

    fn finish(self, report: &Report, timeline: &Timeline) -> String {
        let (width, height) = (LEFT + WIDTH + 40, TOP + self.places * LANE + 20);
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
             shaded: partitioned; grey: down; red: the first bad event</p>\n\
             <svg width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n{svg}</svg>\n<pre>{said}</pre>\n</html>\n",
            seed = report.config.seed,
            svg = self.svg,
        )
    }
}

const STYLE: &str = "body{font:13px system-ui,sans-serif;margin:1.5em}svg{border:1px solid #ccc;\
max-width:100%;height:auto}text{font-size:11px;fill:#333}.axis{fill:#777}.lane{stroke:#ddd}.cut{fill:#f5c46b;\
opacity:.45}.oneway{fill:#c9a0dc}.down{fill:#999}.flight{stroke:#7a9cc6;stroke-width:.5;opacity:.6}\
circle.view,b.view{fill:#9ab;color:#9ab}circle.final,b.final{fill:#2a8f4f;color:#2a8f4f}\
circle.dice,b.dice{fill:#b8860b;color:#b8860b}circle.start,b.start{fill:#333;color:#333}\
line.bad{stroke:#d00;stroke-width:2}circle.bad{fill:none;stroke:#d00;stroke-width:2}pre{overflow:auto}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::run::{Watch, run};

    #[test]
    fn a_page_is_one_file_with_a_lane_for_every_node() {
        let mut config = Config { faulty_ms: 500, players: 1, ..Config::default() };
        config.faults.cuts = 1;
        config.faults.crashes = 1;
        let watch = Watch { timeline: Some((0, 50_000)), ..Watch::default() };
        let outcome = run(&config, None, watch);
        let page = page(&outcome.report, &outcome.timeline.unwrap());
        for part in ["validator 0", "validator 3", "player 4", "class=\"final\"", "class=\"cut"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("http"), "nothing is fetched from elsewhere");
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }
}
