//! Trying checks until they pass or the time is over.

use std::future::Future;
use std::time::{Duration, Instant};

use domain::names::EnvironmentName;
use domain::smoke_test::{Check, CheckResult, Report, SmokeTests};
use futures::StreamExt as _;

/// How fast checks are tried.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The pause before the second round; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How many checks are under way at once.
    pub at_once: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
            at_once: 8,
        }
    }
}

/// What came of trying a check once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What speaks against it; nothing where it passed.
    pub reasons: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// Whether trying again can help.
    pub may_pass: bool,
}

/// Tries every check, and those that fail again, round after round, until the tests' time is over.
///
/// Whoever tries is told the round. Rounds and not each check by itself: with one time for all, a few checks that keep failing would hold every place
/// until it is over.
pub async fn run<'t, Answer>(
    tests: &'t SmokeTests,
    environment: &EnvironmentName,
    pace: Pace,
    attempt: impl Fn(&'t Check, u32) -> Answer,
) -> Report
where
    Answer: Future<Output = Attempt>,
{
    let started = Instant::now();
    let mut results: Vec<Option<CheckResult>> = vec![None; tests.checks.len()];
    let mut open: Vec<usize> = (0..tests.checks.len()).collect();
    let mut pause = pace.first_pause;
    for round in 1.. {
        let answers = std::mem::take(&mut open).into_iter().map(|index| {
            let answer = attempt(&tests.checks[index], round);
            async move { (index, answer.await) }
        });
        let answers: Vec<(usize, Attempt)> = futures::stream::iter(answers)
            .buffer_unordered(pace.at_once)
            .collect()
            .await;
        for (index, answer) in answers {
            if !answer.reasons.is_empty() && answer.may_pass {
                open.push(index);
            }
            let (check, took) = (&tests.checks[index], answer.took);
            results[index] = Some(CheckResult::new(check, environment, round, took, &answer.reasons));
        }
        if open.is_empty() || started.elapsed() + pause > tests.within {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(pace.longest_pause);
    }
    Report::new(results.into_iter().flatten().collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const FAST: Pace = Pace {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(1),
        at_once: 8,
    };

    fn tests_named(names: &[&str]) -> SmokeTests {
        let checks = names
            .iter()
            .map(|name| format!("[[http]]\nname = {name:?}\nurl = \"${{web.Url}}\"\n"));
        format!("within = \"1 minute\"\n{}", checks.collect::<String>())
            .parse()
            .unwrap()
    }

    fn passed() -> Attempt {
        Attempt {
            reasons: vec![],
            took: Duration::ZERO,
            may_pass: true,
        }
    }

    fn failed(may_pass: bool) -> Attempt {
        Attempt {
            reasons: vec!["it is down".to_owned()],
            took: Duration::ZERO,
            may_pass,
        }
    }

    #[tokio::test]
    async fn only_what_fails_and_may_pass_is_tried_again() {
        let tests = tests_named(&["flapping", "fine", "denied"]);
        let asked = Mutex::new(BTreeMap::new());
        let report = run(&tests, &"dev".parse().unwrap(), FAST, |check, _| {
            let times = *asked
                .lock()
                .unwrap()
                .entry(check.name.clone())
                .and_modify(|times| *times += 1)
                .or_insert(1);
            let attempt = match check.name.as_str() {
                "flapping" if times < 3 => failed(true),
                "denied" => failed(false),
                _ => passed(),
            };
            async { attempt }
        })
        .await;
        let results: Vec<_> = report
            .checks
            .iter()
            .map(|check| (check.name.as_str(), check.passed, check.attempts))
            .collect();
        assert_eq!(
            results,
            [("flapping", true, 3), ("fine", true, 1), ("denied", false, 1)]
        );
        assert!(!report.passed);
        assert_eq!(asked.into_inner().unwrap().values().sum::<u32>(), 5);
    }

    #[tokio::test]
    async fn without_time_everything_is_tried_once() {
        let tests = SmokeTests {
            within: Duration::ZERO,
            ..tests_named(&["a", "b"])
        };
        let report = run(&tests, &"dev".parse().unwrap(), FAST, |_, _| async { failed(true) }).await;
        assert_eq!(
            report.checks.iter().map(|check| check.attempts).collect::<Vec<_>>(),
            [1, 1]
        );
    }

    #[tokio::test]
    async fn eight_are_under_way_at_once_and_no_more() {
        let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let tests = tests_named(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let report = run(&tests, &"dev".parse().unwrap(), FAST, |_, _| async {
            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            under_way.fetch_sub(1, Ordering::SeqCst);
            passed()
        })
        .await;
        assert_eq!(most.into_inner(), 8);
        assert_eq!(
            report.checks.iter().map(|check| check.name.clone()).collect::<Vec<_>>(),
            names
        );
    }
}
