//! Resources for a test's templates whose change takes long, or fails, as the test wants it.

use std::path::Path;

use serde_json::{Value, json};

/// One whose change takes so many seconds.
pub fn slow(seconds: u32) -> Value {
    custom(
        "time.sleep(int(new['Seconds']))",
        &json!({ "Seconds": seconds.to_string() }),
    )
}

/// One whose change goes on when the file is there.
pub fn waits_for(file: &Path) -> Value {
    custom(
        "while not os.path.exists(new['File']): time.sleep(0.1)",
        &json!({ "File": file }),
    )
}

/// The same, and another that cannot be made, which comes after it.
pub fn fails_once_there_is(file: &Path) -> Value {
    let mut resources = waits_for(file);
    resources["Alarm"] = impossible_alarm();
    resources["Alarm"]["DependsOn"] = json!("Custom");
    resources
}

/// A table, which holds data.
pub fn table() -> Value {
    json!({ "Table": { "Type": "AWS::DynamoDB::Table", "Properties": {
        "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }] } } })
}

/// One that cannot be made.
pub fn impossible() -> Value {
    json!({ "Alarm": impossible_alarm() })
}

/// One that takes no version lower than the one it has, as a database's engine does.
pub fn goes_only_up(version: u32) -> Value {
    custom(
        "if old and int(new['Version']) < int(old['Version']): raise ValueError('it cannot go back to version ' + new['Version'])",
        &json!({ "Version": version.to_string() }),
    )
}

/// The same, and one that cannot be made, which comes after it: CloudFormation cannot put the stack back.
pub fn goes_only_up_and_fails(version: u32) -> Value {
    let mut resources = goes_only_up(version);
    resources["Alarm"] = impossible_alarm();
    resources["Alarm"]["DependsOn"] = json!("Custom");
    resources
}

fn impossible_alarm() -> Value {
    json!({ "Type": "AWS::CloudWatch::Alarm", "Properties": {
        "ComparisonOperator": "LargerThanEverything", "EvaluationPeriods": 1, "MetricName": "Errors",
        "Namespace": "AWS/Lambda", "Period": 60, "Statistic": "Sum", "Threshold": 1 } })
}

/// A custom resource, with the function that makes and changes it. `change` is Python that knows the resource's
/// properties as `new`, and those it had before, if any, as `old`.
fn custom(change: &str, properties: &Value) -> Value {
    let code = format!(
        "import json, os, time, urllib.request\n\
         def change(new, old):\n\
         \x20   {change}\n\
         def handler(event, context):\n\
         \x20   body = {{k: event[k] for k in ('StackId', 'RequestId', 'LogicalResourceId')}}\n\
         \x20   body.update(Status='SUCCESS', PhysicalResourceId='custom')\n\
         \x20   try:\n\
         \x20       if event['RequestType'] != 'Delete':\n\
         \x20           change(event['ResourceProperties'], event.get('OldResourceProperties'))\n\
         \x20   except Exception as why:\n\
         \x20       body.update(Status='FAILED', Reason=str(why))\n\
         \x20   put = urllib.request.Request(event['ResponseURL'], data=json.dumps(body).encode(), method='PUT')\n\
         \x20   urllib.request.urlopen(put).read()\n"
    );
    let mut properties = properties.clone();
    properties["ServiceToken"] = json!({ "Fn::GetAtt": ["Changer", "Arn"] });
    json!({
        "Changer": { "Type": "AWS::Lambda::Function", "Properties": {
            "Runtime": "python3.13", "Handler": "index.handler", "Timeout": 300,
            "Role": { "Fn::GetAtt": ["Role", "Arn"] }, "Code": { "ZipFile": code } } },
        "Custom": { "Type": "Custom::Changer", "Properties": properties },
    })
}
