//! The alarms of an environment's account, and the metric that shows that somebody uses what was deployed.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, HistoryItemType, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StateValue,
};
use aws_sdk_resourcegroupstagging::types::TagFilter;
use domain::bake::{AlarmChoice, AlarmSeen, AlarmState, BakePolicy, EvidencePolicy, Fired, Guard, Seen};
use jiff::Timestamp;
use serde::Deserialize;

use crate::Aws;
use crate::error::{Error, during};

const DESCRIBE: &str = "cloudwatch:DescribeAlarms";
const HISTORY: &str = "cloudwatch:DescribeAlarmHistory";
const DATA: &str = "cloudwatch:GetMetricData";

/// The most names that one call takes (Amazon CloudWatch API reference, `DescribeAlarms`).
const NAMES_AT_ONCE: usize = 100;

/// The length of the periods that evidence is added up from, in seconds.
const PERIOD: i32 = 60;

/// The alarms of an account and region.
#[derive(Debug, Clone)]
pub struct Alarms {
    cloudwatch: aws_sdk_cloudwatch::Client,
    tags: aws_sdk_resourcegroupstagging::Client,
}

/// An alarm as it was described.
#[derive(Debug, Clone)]
struct Described {
    name: String,
    arn: String,
    composite: bool,
    state: AlarmState,
    /// Since when it is in this state.
    since: Option<Timestamp>,
    reason: String,
}

impl Alarms {
    /// The alarms that the observer's role sees.
    pub fn new(observer: &Aws) -> Self {
        Self {
            cloudwatch: observer.cloudwatch(),
            tags: observer.tags(),
        }
    }

    /// What is seen now of everything that a policy looks at, since this time.
    pub async fn look(&self, policy: &BakePolicy, since: Timestamp, now: Timestamp) -> Result<Seen, Error> {
        let mut seen = self.look_at_alarms(&policy.alarms, since).await?;
        if let Some(evidence) = &policy.evidence {
            seen.evidence = Some(self.add_up(evidence, since, now).await?);
        }
        Ok(seen)
    }

    /// What the alarms say now, and whether they went off since this time. One that is back already counts: its history
    /// tells.
    pub async fn look_at_alarms(&self, choices: &[AlarmChoice], since: Timestamp) -> Result<Seen, Error> {
        let (described, missing) = self.find(choices).await?;
        let mut alarms = Vec::with_capacity(described.len());
        for alarm in described {
            let fired = self.fired(&alarm, since).await?;
            alarms.push(AlarmSeen {
                name: alarm.name,
                state: alarm.state,
                fired,
            });
        }
        Ok(Seen {
            alarms,
            missing,
            ..Seen::default()
        })
    }

    /// What the alarms say now, and each as CloudFormation can be guarded by it.
    pub async fn look_before(&self, choices: &[AlarmChoice]) -> Result<(Seen, Vec<Guard>), Error> {
        let (described, missing) = self.find(choices).await?;
        let guards = described.iter().map(|alarm| Guard {
            alarm: alarm.name.clone(),
            arn: alarm.arn.clone(),
            composite: alarm.composite,
        });
        let guards = guards.collect();
        let raised = |alarm: &Described| {
            let at = alarm.since.filter(|_| alarm.state == AlarmState::Alarm)?;
            let reason = alarm.reason.clone();
            Some(Fired { at, reason })
        };
        let alarms = described.into_iter().map(|alarm| AlarmSeen {
            fired: raised(&alarm),
            state: alarm.state,
            name: alarm.name,
        });
        let seen = Seen {
            alarms: alarms.collect(),
            missing,
            ..Seen::default()
        };
        Ok((seen, guards))
    }

    /// The alarms of a policy, by name, and those of its choices that name none that is there.
    async fn find(&self, choices: &[AlarmChoice]) -> Result<(Vec<Described>, Vec<AlarmChoice>), Error> {
        let mut names = BTreeSet::new();
        let mut by_tag = Vec::new();
        for choice in choices {
            match choice {
                AlarmChoice::Named(name) => {
                    names.insert(name.clone());
                }
                AlarmChoice::Tagged { key, value } => {
                    let tagged = self.tagged(key, value).await?;
                    names.extend(tagged.iter().cloned());
                    by_tag.push((choice, tagged));
                }
            }
        }
        let names: Vec<String> = names.into_iter().collect();
        let mut described = BTreeMap::new();
        for some in names.chunks(NAMES_AT_ONCE) {
            for alarm in self.describe(some).await? {
                described.insert(alarm.name.clone(), alarm);
            }
        }
        let absent =
            |choice: &&AlarmChoice| matches!(choice, AlarmChoice::Named(name) if !described.contains_key(name));
        let mut missing: Vec<AlarmChoice> = choices.iter().filter(absent).cloned().collect();
        // Tags are told of for a while after their alarms are gone.
        let is_gone = |tagged: &Vec<String>| tagged.iter().all(|name| !described.contains_key(name));
        let gone = by_tag.iter().filter(|(_, tagged)| is_gone(tagged));
        missing.extend(gone.map(|(choice, _)| AlarmChoice::clone(choice)));
        Ok((described.into_values().collect(), missing))
    }

    /// The names of the alarms with this tag.
    async fn tagged(&self, key: &str, value: &str) -> Result<Vec<String>, Error> {
        let filter = TagFilter::builder().key(key).values(value).build();
        let found = self
            .tags
            .get_resources()
            .resource_type_filters("cloudwatch:alarm")
            .tag_filters(filter)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(during("tag:GetResources"))?;
        Ok(found
            .iter()
            .filter_map(|resource| Some(resource.resource_arn()?.split_once(":alarm:")?.1.to_owned()))
            .collect())
    }

    async fn describe(&self, names: &[String]) -> Result<Vec<Described>, Error> {
        let mut alarms = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .cloudwatch
                .describe_alarms()
                .set_alarm_names(Some(names.to_vec()))
                // Composite alarms are told of only where they are asked for.
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .set_next_token(next)
                .send()
                .await
                .map_err(during(DESCRIBE))?;
            alarms.extend(described(&page));
            next = page.next_token;
            if next.is_none() {
                return Ok(alarms);
            }
        }
    }

    /// When an alarm went off last, since this time, or before, where it has not ceased.
    async fn fired(&self, alarm: &Described, since: Timestamp) -> Result<Option<Fired>, Error> {
        if alarm.state == AlarmState::Alarm {
            return Ok(Some(Fired {
                at: alarm.since.unwrap_or(since),
                reason: alarm.reason.clone(),
            }));
        }
        if alarm.since.is_some_and(|transitioned| transitioned < since) {
            return Ok(None);
        }
        let mut next = None;
        loop {
            let page = self
                .cloudwatch
                .describe_alarm_history()
                .alarm_name(&alarm.name)
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .history_item_type(HistoryItemType::StateUpdate)
                .start_date(DateTime::from_secs(since.as_second()))
                .scan_by(ScanBy::TimestampDescending)
                .set_next_token(next)
                .send()
                .await
                .map_err(during(HISTORY))?;
            for item in page.alarm_history_items() {
                let at = item.timestamp().and_then(timestamp).unwrap_or(since);
                if at >= since
                    && let Some(reason) = item.history_data().and_then(went_off)
                {
                    return Ok(Some(Fired { at, reason }));
                }
            }
            next = page.next_token;
            if next.is_none() {
                return Ok(None);
            }
        }
    }

    /// What a metric adds up to between two times. Periods begin with the minute, so what came in the same minute before
    /// counts too.
    async fn add_up(&self, evidence: &EvidencePolicy, since: Timestamp, now: Timestamp) -> Result<u64, Error> {
        let mut metric = Metric::builder()
            .namespace(&evidence.namespace)
            .metric_name(&evidence.metric);
        for (name, value) in &evidence.dimensions {
            metric = metric.dimensions(Dimension::builder().name(name).value(value).build());
        }
        let stat = MetricStat::builder().metric(metric.build()).period(PERIOD).stat("Sum");
        let query = MetricDataQuery::builder().id("evidence").metric_stat(stat.build());
        let begins = since.as_second() - since.as_second().rem_euclid(i64::from(PERIOD));
        // The metric's last minute belongs to it.
        let ends = now.as_second() + i64::from(PERIOD);
        let pages = self
            .cloudwatch
            .get_metric_data()
            .metric_data_queries(query.build())
            .start_time(DateTime::from_secs(begins))
            .end_time(DateTime::from_secs(ends))
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(during(DATA))?;
        let results = pages.iter().flat_map(GetMetricDataOutput::metric_data_results);
        let sum: f64 = results.flat_map(MetricDataResult::values).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float is cut to what fits"
        )]
        Ok(sum.floor() as u64)
    }
}

fn described(page: &DescribeAlarmsOutput) -> Vec<Described> {
    let since =
        |transitioned: Option<&DateTime>, updated: Option<&DateTime>| transitioned.or(updated).and_then(timestamp);
    let metric = page.metric_alarms().iter().map(|alarm| Described {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        arn: alarm.alarm_arn().unwrap_or_default().to_owned(),
        composite: false,
        state: state(alarm.state_value()),
        since: since(alarm.state_transitioned_timestamp(), alarm.state_updated_timestamp()),
        reason: alarm.state_reason().unwrap_or_default().to_owned(),
    });
    let composite = page.composite_alarms().iter().map(|alarm| Described {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        arn: alarm.alarm_arn().unwrap_or_default().to_owned(),
        composite: true,
        state: state(alarm.state_value()),
        since: since(alarm.state_transitioned_timestamp(), alarm.state_updated_timestamp()),
        reason: alarm.state_reason().unwrap_or_default().to_owned(),
    });
    metric.chain(composite).collect()
}

/// A state that is newer than this program says nothing.
fn state(value: Option<&StateValue>) -> AlarmState {
    match value {
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::Alarm) => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    }
}

/// Why an alarm went off, if that is what a line of its history tells.
fn went_off(data: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Update {
        new_state: NewState,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct NewState {
        state_value: String,
        #[serde(default)]
        state_reason: String,
    }
    let update: Update = serde_json::from_str(data).ok()?;
    (update.new_state.state_value == "ALARM").then_some(update.new_state.state_reason)
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(at.as_nanos()).ok()
}
