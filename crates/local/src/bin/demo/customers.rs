//! Customers of the shop in production, who keep ordering tea.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::task::JoinHandle;

/// One in four of them has a name that not every printer knows.
const NAMES: [&str; 4] = ["Ada", "Grace", "Zoë", "Linus"];
/// Between two orders.
const EVERY: Duration = Duration::from_millis(250);
/// How wide the curve is drawn.
const COLUMNS: usize = 60;
/// From none to all of a column's orders failed.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// An order, and whether the shop took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub at: Timestamp,
    pub served: bool,
}

/// Customers who come one after the other.
pub struct Customers {
    orders: Arc<Mutex<Vec<Order>>>,
    task: JoinHandle<()>,
}

/// What became of all their orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orders(Vec<Order>);

impl Customers {
    /// They come to this shop.
    pub fn come(http: &reqwest::Client, url: &str) -> Self {
        let orders = Arc::new(Mutex::new(Vec::new()));
        let (http, url, kept) = (http.clone(), format!("{url}/orders"), Arc::clone(&orders));
        let task = tokio::spawn(async move {
            for name in NAMES.iter().cycle() {
                let order = json!({ "customer": name, "lines": [{ "item": "sencha", "quantity": 1 }] });
                let at = Timestamp::now();
                let answer = http
                    .post(&url)
                    .json(&order)
                    .timeout(Duration::from_secs(5))
                    .send()
                    .await;
                let served = answer.is_ok_and(|answer| answer.status().is_success());
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Order { at, served });
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { orders, task }
    }

    /// They leave, and say how they were served.
    pub async fn leave(self) -> Orders {
        self.task.abort();
        let _ = self.task.await;
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        Orders(orders.clone())
    }
}

impl Orders {
    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many of them were not served.
    pub fn failed(&self) -> usize {
        self.0.iter().filter(|order| !order.served).count()
    }

    /// The share of orders that failed, over time, with moments marked below it.
    pub fn chart(&self, marks: &[(Timestamp, &str)]) -> String {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else {
            return String::new();
        };
        let length = last.at.duration_since(first.at).max(SignedDuration::from_secs(1));
        let column = |at: Timestamp| {
            let place = at.duration_since(first.at).as_secs_f64() / length.as_secs_f64();
            scaled(place, COLUMNS)
        };
        let mut columns = [(0_u32, 0_u32); COLUMNS];
        for order in &self.0 {
            let (all, failed) = &mut columns[column(order.at)];
            *all += 1;
            *failed += u32::from(!order.served);
        }
        let bars = columns.iter().map(|(all, failed)| match all {
            0 => ' ',
            _ => LEVELS[scaled(f64::from(*failed) / f64::from(*all), LEVELS.len())],
        });
        let mut chart = format!("  failed orders  {}\n", bars.collect::<String>());
        let mut row = vec![' '; COLUMNS];
        for (at, _) in marks {
            row[column(*at)] = '▲';
        }
        let _ = writeln!(
            chart,
            "                 {}",
            row.into_iter().collect::<String>().trim_end()
        );
        for (at, what) in marks {
            let indent = " ".repeat(17 + column(*at));
            let _ = writeln!(chart, "{indent}{} {what}", at.strftime("%H:%M:%S"));
        }
        chart
    }
}

/// A share of so many, from 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of a few dozens"
)]
fn scaled(share: f64, of: usize) -> usize {
    ((share.clamp(0.0, 1.0) * of as f64) as usize).min(of - 1)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn the_curve_shows_when_customers_were_failed_and_what_happened_then() {
        let order = |second| Order {
            at: at(second),
            served: !(20..30).contains(&second) || second % 2 == 0,
        };
        let orders = Orders((0..60).map(order).collect());
        assert_eq!((orders.count(), orders.failed()), (60, 5));
        insta::assert_snapshot!(orders.chart(&[(at(20), "v2"), (at(30), "v1 again")]), @"
        failed orders  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█▁█▁█▁█▁█▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
                                           ▲         ▲
                                           14:13:40 v2
                                                     14:13:50 v1 again
        ");
    }

    #[test]
    fn without_customers_there_is_no_curve() {
        assert_eq!(Orders(Vec::new()).chart(&[]), "");
    }
}
