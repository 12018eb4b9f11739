//! One reading for everybody who asks at about the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::names::DeploymentId;
use tokio::sync::Mutex as Turn;

/// How long a reading counts: however many look, it is not made again before.
pub const SHARED_FOR: Duration = Duration::from_secs(5);

/// The last reading, and when it was made. Who asks while it is being made waits for it.
pub struct Shared<T> {
    last: Turn<Option<(Instant, T)>>,
    counts_for: Duration,
}

/// The readings of single deployments.
pub struct SharedByDeployment<T>(Mutex<BTreeMap<DeploymentId, Asked<T>>>);

/// When somebody asked for it last, and what they share.
struct Asked<T> {
    at: Instant,
    shared: Arc<Shared<T>>,
}

impl<T: Clone> Shared<T> {
    /// Nothing was read yet. A reading counts for so long after it was made.
    pub fn new(counts_for: Duration) -> Self {
        Self {
            last: Turn::new(None),
            counts_for,
        }
    }

    /// The last reading, where it still counts; otherwise this one.
    pub async fn or(&self, read: impl Future<Output = T>) -> T {
        let mut last = self.last.lock().await;
        if let Some((at, reading)) = &*last
            && at.elapsed() < self.counts_for
        {
            return reading.clone();
        }
        let reading = read.await;
        *last = Some((Instant::now(), reading.clone()));
        reading
    }
}

impl<T> Default for SharedByDeployment<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> SharedByDeployment<T> {
    /// What is shared of this deployment. Of those that nobody asked for lately, nothing is kept.
    pub fn of(&self, deployment: &DeploymentId) -> Arc<Shared<T>> {
        let now = Instant::now();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, asked| now.duration_since(asked.at) < 2 * SHARED_FOR);
        let new = || Asked {
            at: now,
            shared: Arc::new(Shared::new(SHARED_FOR)),
        };
        let asked = kept.entry(deployment.clone()).or_insert_with(new);
        asked.at = now;
        asked.shared.clone()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_and_soon_after_get_one_reading() {
        let shared = Shared::new(Duration::from_mins(1));
        let readings = AtomicUsize::new(0);
        let read = || async {
            tokio::task::yield_now().await;
            readings.fetch_add(1, Ordering::Relaxed)
        };
        let got = join_all((0..20).map(|_| shared.or(read()))).await;
        assert_eq!(got, [0; 20]);
        assert_eq!(shared.or(read()).await, 0);
        let never = Shared::new(Duration::ZERO);
        assert_eq!((never.or(read()).await, never.or(read()).await), (1, 2));
    }

    #[tokio::test]
    async fn a_reading_that_is_broken_off_is_made_by_the_next_who_asks() {
        let shared = Shared::new(Duration::from_mins(1));
        let broken_off = tokio::time::timeout(Duration::from_millis(1), shared.or(std::future::pending::<u8>()));
        broken_off.await.unwrap_err();
        assert_eq!(shared.or(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn each_deployment_has_a_reading_of_its_own() {
        let shared = SharedByDeployment::<u8>::default();
        let id = |text: &str| text.parse::<DeploymentId>().unwrap();
        assert_eq!(shared.of(&id("shop-dev-1")).or(async { 1 }).await, 1);
        assert_eq!(shared.of(&id("shop-dev-2")).or(async { 2 }).await, 2);
        assert_eq!(shared.of(&id("shop-dev-1")).or(async { 3 }).await, 1);
    }
}
