//! What was measured, for people and for programs.

use std::path::PathBuf;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::events::Kind;

/// The figures of one run.
pub struct Figures {
    pub measured_at: Timestamp,
    pub binary: PathBuf,
    pub started_in: Duration,
    pub kinds: Vec<OfKind>,
    pub resident_kib: Option<u64>,
}

/// The figures of one kind of delivery.
pub struct OfKind {
    pub kind: Kind,
    /// How long each took, shortest first.
    times: Vec<Duration>,
    /// From handing out the first event until the function asked for one after the last.
    all_took: Duration,
    /// The function's processor time in that.
    processor: Option<Duration>,
}

impl OfKind {
    pub fn new(kind: Kind, mut times: Vec<Duration>, all_took: Duration, processor: Option<Duration>) -> Self {
        times.sort_unstable();
        Self {
            kind,
            times,
            all_took,
            processor,
        }
    }

    /// The shortest time that so many per cent of the deliveries kept to.
    fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.times.len() * percent).div_ceil(100).max(1);
        self.times.get(rank - 1).copied().unwrap_or_default()
    }

    fn count(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap_or(u32::MAX)
    }

    fn per_second(&self, of: Duration) -> f64 {
        (f64::from(self.count()) / of.as_secs_f64()).round()
    }

    fn processor_of_each(&self) -> Option<Duration> {
        self.processor.map(|all| all / self.count().max(1))
    }

    fn json(&self) -> Value {
        json!({
            "p50_us": micros(self.percentile(50)),
            "p99_us": micros(self.percentile(99)),
            "max_us": micros(self.percentile(100)),
            "processor_us": self.processor_of_each().map(micros),
            "per_second": self.per_second(self.all_took),
            "per_processor_second": self.processor.map(|of| self.per_second(of)),
        })
    }
}

impl Figures {
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["delivery", "count", "p50", "p99", "max", "processor", "per second"]);
        for of in &self.kinds {
            table.add_row([
                of.kind.name().to_owned(),
                of.count().to_string(),
                shown(of.percentile(50)),
                shown(of.percentile(99)),
                shown(of.percentile(100)),
                of.processor_of_each().map_or_else(|| "not told".to_owned(), shown),
                of.per_second(of.all_took).to_string(),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.trim_fmt()
    }

    pub fn sentences(&self) -> String {
        let resident = self.resident_kib.map_or_else(
            || "this system does not tell the resident memory".to_owned(),
            |kib| {
                format!(
                    "resident memory afterwards {}.{} MiB",
                    kib / 1024,
                    kib % 1024 * 10 / 1024
                )
            },
        );
        let refused = self.kinds.iter().find(|of| of.kind == Kind::Refused);
        let core = refused
            .and_then(|of| of.processor.map(|time| of.per_second(time)))
            .map_or_else(String::new, |rate| {
                format!("\nBadly signed, by processor time alone: {rate} a second on one core.")
            });
        format!(
            "{}\nFirst event asked for after {}; {resident}.{core}",
            self.binary.display(),
            shown(self.started_in),
        )
    }

    pub fn json(&self) -> Value {
        let kinds: serde_json::Map<String, Value> = self
            .kinds
            .iter()
            .map(|of| (of.kind.key().to_owned(), of.json()))
            .collect();
        json!({
            "measured_at": self.measured_at,
            "binary": self.binary,
            "deliveries_of_each_kind": self.kinds.first().map(OfKind::count),
            "started_in_us": micros(self.started_in),
            "resident_kib": self.resident_kib,
            "kinds": kinds,
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn shown(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let millis = Duration::from_millis;
        for (count, percent, expected) in [
            (1, 50, 1),
            (1, 99, 1),
            (2, 50, 1),
            (4, 50, 2),
            (100, 99, 99),
            (101, 99, 100),
            (200, 99, 198),
            (200, 100, 200),
        ] {
            let times = (1..=count).rev().map(millis).collect();
            let of = OfKind::new(Kind::Refused, times, millis(1), None);
            assert_eq!(of.percentile(percent), millis(expected), "{percent} % of {count}");
        }
    }
}
