//! How long frames stay here that others wait for: from their arrival to the hand-over of what they
//! gave rise to on other links, which on a node between two others is the hop of a relay.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the histogram's buckets, in microseconds; what takes longer is in one more.
const BOUNDS_US: [u64; 14] =
    [25, 50, 100, 200, 300, 400, 500, 750, 1_000, 2_000, 5_000, 10_000, 50_000, 250_000];

/// What the exposition's name and unit are.
const NAME: &str = "bitcraps_relay_seconds";

/// A histogram that one thread adds to and anybody reads.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Relays {
    /// Adds one frame.
    pub(crate) fn note(&self, stayed: Duration) {
        let micros = u64::try_from(stayed.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < micros);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// As OpenMetrics writes it.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "# TYPE {NAME} histogram\n# UNIT {NAME} seconds\n\
             # HELP {NAME} From a frame's arrival to the hand-over of what it gave rise to on other \
             links.\n"
        );
        let mut count = 0;
        let bounds = BOUNDS_US.iter().map(|micros| seconds(*micros)).chain(["+Inf".to_owned()]);
        for (bound, inside) in bounds.zip(&self.counts) {
            count += inside.load(Ordering::Relaxed);
            // Into a string, which takes everything.
            let _ = writeln!(text, "{NAME}_bucket{{le=\"{bound}\"}} {count}");
        }
        let sum = seconds(self.sum_us.load(Ordering::Relaxed));
        let _ = writeln!(text, "{NAME}_count {count}\n{NAME}_sum {sum}");
        text
    }
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_in_every_bucket_that_is_not_below_it() {
        let relays = Relays::default();
        for micros in [0, 25, 26, 1_500_000] {
            relays.note(Duration::from_micros(micros));
        }
        let text = relays.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[3], "bitcraps_relay_seconds_bucket{le=\"0.000025\"} 2");
        assert_eq!(lines[4], "bitcraps_relay_seconds_bucket{le=\"0.000050\"} 3");
        assert_eq!(lines[16], "bitcraps_relay_seconds_bucket{le=\"0.250000\"} 3");
        assert_eq!(lines[17], "bitcraps_relay_seconds_bucket{le=\"+Inf\"} 4");
        assert_eq!(
            lines[18..],
            ["bitcraps_relay_seconds_count 4", "bitcraps_relay_seconds_sum 1.500051"]
        );
    }
}
