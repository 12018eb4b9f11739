//! What is read now and then and remembered in between: secrets, which operators replace and take away.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Whoever sends wrong signatures or made-up links must not make us ask each time.
const AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// What was taken away counts no longer than this.
const AT_LEAST_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// What was read last. A clock that was set back makes it old.
#[derive(Debug)]
pub struct Remembered<T, E> {
    last: Mutex<Last<T, E>>,
    /// How long a failure to read it counts.
    failed_for: SignedDuration,
}

#[derive(Debug)]
struct Last<T, E> {
    read: Option<(T, Timestamp)>,
    /// Since it was read.
    failed: Option<(E, Timestamp)>,
}

impl<T, E> Default for Remembered<T, E> {
    /// What cannot be read is tried again by the next who needs it.
    fn default() -> Self {
        Self {
            last: Mutex::new(Last {
                read: None,
                failed: None,
            }),
            failed_for: SignedDuration::ZERO,
        }
    }
}

impl<T, E> Remembered<T, E> {
    /// For what every stranger's request needs: what cannot be read is not tried again for some seconds either.
    pub fn sparing() -> Self {
        Self {
            failed_for: AT_MOST_EVERY,
            ..Self::default()
        }
    }
}

impl<T: Clone, E: Clone> Remembered<T, E> {
    /// What was read within the last minutes, or else what `read` finds.
    pub async fn known<R>(&self, now: Timestamp, read: impl FnOnce() -> R) -> Result<T, E>
    where
        R: Future<Output = Result<T, E>>,
    {
        self.younger_than(AT_LEAST_EVERY, now, read).await
    }

    /// The same, where what is known did not do: it may have been replaced since, and is read again if that was not done
    /// or tried a moment ago.
    pub async fn newest<R>(&self, now: Timestamp, read: impl FnOnce() -> R) -> Result<T, E>
    where
        R: Future<Output = Result<T, E>>,
    {
        self.younger_than(AT_MOST_EVERY, now, read).await
    }

    async fn younger_than<R>(&self, age: SignedDuration, now: Timestamp, read: impl FnOnce() -> R) -> Result<T, E>
    where
        R: Future<Output = Result<T, E>>,
    {
        if let Some(remembered) = self.remembered(age, now) {
            return remembered;
        }
        // On the heap, because it is seldom and everybody who asks would carry it.
        let read = Box::pin(read()).await;
        let mut last = self.last();
        match &read {
            Ok(value) => {
                last.failed = None;
                last.read = Some((value.clone(), now));
            }
            Err(error) => last.failed = Some((error.clone(), now)),
        }
        read
    }

    fn remembered(&self, age: SignedDuration, now: Timestamp) -> Option<Result<T, E>> {
        let last = self.last();
        let is_within = |at: Timestamp, age| now.duration_since(at).abs() < age;
        let read = |age| last.read.as_ref().filter(|(_, at)| is_within(*at, age));
        let failed = last.failed.as_ref().filter(|(_, at)| is_within(*at, self.failed_for));
        match (read(age), failed) {
            (Some((value, _)), _) => Some(Ok(value.clone())),
            (None, Some((error, _))) => Some(Err(error.clone())),
            (None, None) => None,
        }
    }

    fn last(&self) -> MutexGuard<'_, Last<T, E>> {
        // What is guarded is replaced as a whole, so that a panic elsewhere cannot have left half of it.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    /// Reads the second at which it is read.
    fn second(second: i64) -> Ready<Result<i64, &'static str>> {
        ready(Ok(second))
    }

    fn nothing() -> Ready<Result<i64, &'static str>> {
        ready(Err("not there"))
    }

    #[tokio::test]
    async fn what_is_known_is_read_again_after_five_minutes_and_what_did_not_do_after_five_seconds() {
        let remembered = Remembered::default();
        for (now, read_at) in [(0, 0), (299, 0), (300, 300), (301, 300)] {
            assert_eq!(remembered.known(at(now), || second(now)).await, Ok(read_at), "{now}");
        }
        for (now, read_at) in [(304, 300), (305, 305), (309, 305), (310, 310)] {
            assert_eq!(remembered.newest(at(now), || second(now)).await, Ok(read_at), "{now}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_tried_every_five_seconds_and_what_is_known_counts_for_five_minutes() {
        let remembered = Remembered::sparing();
        assert_eq!(remembered.known(at(0), nothing).await, Err("not there"));
        assert_eq!(remembered.known(at(4), || second(4)).await, Err("not there"));
        assert_eq!(remembered.known(at(5), || second(5)).await, Ok(5));

        assert_eq!(remembered.newest(at(10), nothing).await, Err("not there"));
        assert_eq!(remembered.newest(at(14), || second(14)).await, Err("not there"));
        assert_eq!(remembered.known(at(304), nothing).await, Ok(5));
        assert_eq!(remembered.known(at(305), nothing).await, Err("not there"));
        assert_eq!(remembered.known(at(309), || second(309)).await, Err("not there"));
        assert_eq!(remembered.known(at(310), || second(310)).await, Ok(310));
    }

    #[tokio::test]
    async fn nobody_waits_for_anothers_failure_where_that_is_not_said() {
        let remembered = Remembered::default();
        assert_eq!(remembered.known(at(0), nothing).await, Err("not there"));
        assert_eq!(remembered.known(at(0), || second(0)).await, Ok(0));
        assert_eq!(remembered.newest(at(5), nothing).await, Err("not there"));
        assert_eq!(remembered.newest(at(5), || second(5)).await, Ok(5));
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_stops_nothing() {
        let remembered = Remembered::default();
        assert_eq!(remembered.known(at(3_600), || second(3_600)).await, Ok(3_600));
        assert_eq!(remembered.known(at(0), || second(0)).await, Ok(0));
    }
}
