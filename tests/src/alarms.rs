//! Alarms of a test's account, and the metric that they look at.

use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricDatum, Statistic};
use local::Account;

/// Where tests put their metrics.
pub const NAMESPACE: &str = "Shop";

/// An alarm on the errors of customers, which are there from the beginning: without data it is quiet.
pub async fn make(account: &Account, name: &str) {
    let put = account
        .aws
        .cloudwatch()
        .put_metric_alarm()
        .alarm_name(name)
        .namespace(NAMESPACE)
        .metric_name(name)
        .statistic(Statistic::Sum)
        .period(10)
        .evaluation_periods(1)
        .threshold(1.0)
        .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
        .treat_missing_data("notBreaching")
        .send()
        .await;
    put.expect("the alarm is made");
    while state(account, name).await != "OK" {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Takes an alarm away.
pub async fn remove(account: &Account, name: &str) {
    let removed = account.aws.cloudwatch().delete_alarms().alarm_names(name).send().await;
    removed.expect("the alarm is taken away");
}

/// Adds to a metric.
pub async fn measure(account: &Account, name: &str, value: f64) {
    let datum = MetricDatum::builder().metric_name(name).value(value).build();
    let put = account.aws.cloudwatch().put_metric_data();
    let put = put.namespace(NAMESPACE).metric_data(datum).send().await;
    put.expect("the metric is taken");
}

/// What an alarm says.
pub async fn state(account: &Account, name: &str) -> String {
    let described = account
        .aws
        .cloudwatch()
        .describe_alarms()
        .alarm_names(name)
        .send()
        .await;
    let described = described.expect("the alarm is described");
    let alarm = described.metric_alarms().first().expect("it is there");
    alarm
        .state_value()
        .map(|state| state.as_str().to_owned())
        .unwrap_or_default()
}
