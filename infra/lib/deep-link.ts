/** Links into the AWS console, for alarm texts; made of names that are known before deploying. */
import { Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';

function page(scope: Construct, service: string, path: string): string {
  const { region } = Stack.of(scope);
  return `https://${region}.console.aws.amazon.com/${service}/home?region=${region}#${path}`;
}

export const functionUrl = (scope: Construct, functionName: string) =>
  page(scope, 'lambda', `/functions/${functionName}?tab=monitoring`);

export function queueUrl(scope: Construct, queueName: string): string {
  const { account, region } = Stack.of(scope);
  return page(scope, 'sqs/v3', `/queues/${encodeURIComponent(`https://sqs.${region}.amazonaws.com/${account}/${queueName}`)}`);
}

/** `/` in a log group's name is `$252F` in the console's links. */
export const logGroupUrl = (scope: Construct, name: string) =>
  page(scope, 'cloudwatch', `logsV2:log-groups/log-group/${name.replaceAll('/', '$252F')}`);

export function topicUrl(scope: Construct, topicName: string): string {
  const arn = Stack.of(scope).formatArn({ service: 'sns', resource: topicName });
  return page(scope, 'sns/v3', `/topic/${arn}`);
}

export const executionsUrl = (scope: Construct, stateMachineArn: string, status: string) =>
  page(scope, 'states', `/statemachines/view/${stateMachineArn}?statusFilter=${status}`);
