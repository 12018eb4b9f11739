import assert from 'node:assert/strict';
import { test } from 'node:test';
import { approverAddresses } from '../lib/configuration';
import { fixture } from './stand-in';
import { pipeline, smallestPipeline, statements, Synthesised } from './templates';

const topic = (template: Synthesised) => template.all('AWS::SNS::Topic').find((topic) => topic.Properties?.TopicName === 'lockgate-approvers')!;
const subscribed = (template: Synthesised) =>
  template
    .all('AWS::SNS::Subscription')
    .map((subscription) => subscription.Properties)
    .filter((subscription) => subscription.TopicArn === `<${template.idOf(topic(template))}>`);

test('each approver with a mail address has one subscription, which takes their own mails only', () => {
  assert.deepEqual(
    subscribed(pipeline).map(({ Protocol, Endpoint, FilterPolicy, FilterPolicyScope }) => [Protocol, Endpoint, FilterPolicy, FilterPolicyScope]),
    ['lead@acme.example', 'qa@acme.example'].map((address) => ['email', address, { approver: [address] }, undefined]),
  );
  assert.deepEqual(subscribed(smallestPipeline), []);
});

test('who approves in several environments and applications is subscribed once', () => {
  const { pipeline: settings, applications } = fixture();
  const [shop] = applications;
  const [dev, asking] = shop!.environments;
  const asks = (...names: string[]) => ({ ...asking!, approval: { people: names.map((name) => ({ name })) } });
  const configuration = {
    pipeline: settings,
    applications: [
      { ...shop!, environments: [dev!, asks('zoe@acme.example', 'qa@acme.example'), asks('qa@acme.example', 'arn:aws:iam::111111111111:user/qa')] },
      { ...shop!, repository: 'acme/blog', environments: [asks('ann@acme.example', 'qa@acme.example')] },
    ],
  };
  assert.deepEqual(approverAddresses(configuration), ['ann@acme.example', 'qa@acme.example', 'zoe@acme.example']);
});

test('approval may write to approvers and operators, look who is subscribed to the approvers\' topic, and nobody else may', () => {
  const approvers = `<${pipeline.idOf(topic(pipeline))}>`;
  const operators = `<${pipeline.idOf(pipeline.all('AWS::SNS::Topic').find((other) => other !== topic(pipeline))!)}>`;
  const { Variables: given } = pipeline.fn('lockgate-approval').Properties.Environment;
  assert.deepEqual([given.LOCKGATE_APPROVERS_TOPIC, given.LOCKGATE_TOPIC], [approvers, operators]);

  const allowed = pipeline.all('AWS::IAM::Role').flatMap((role) =>
    pipeline
      .statements(role)
      .flatMap(({ Action, Resource }) => Action.filter((action) => action.startsWith('sns:')).map((action) => [role.Properties.RoleName, action, ...Resource])),
  );
  assert.deepEqual(allowed.map((line) => line.join(' ')).sort(), [
    `lockgate-approval sns:ListSubscriptionsByTopic ${approvers}`,
    `lockgate-approval sns:Publish ${approvers}`,
    `lockgate-approval sns:Publish ${operators}`,
    `lockgate-report sns:Publish ${operators}`,
    `lockgate-rollback sns:Publish ${operators}`,
  ].sort());
});

test('nothing is published without TLS', () => {
  for (const template of [pipeline, smallestPipeline]) {
    const policy = template.all('AWS::SNS::TopicPolicy').find((policy) => policy.Properties.Topics.includes(`<${template.idOf(topic(template))}>`))!;
    assert.deepEqual(
      statements(policy.Properties.PolicyDocument).map(({ Effect, Action, Condition }) => [Effect, Action, Condition]),
      [['Deny', ['sns:Publish'], { Bool: { 'aws:SecureTransport': 'false' } }]],
    );
  }
});

test('a mail that is not delivered calls an operator', () => {
  const alarms = pipeline.all('AWS::CloudWatch::Alarm').map((alarm) => alarm.Properties).filter((alarm) => alarm.Namespace === 'AWS/SNS');
  assert.deepEqual(
    alarms.map((alarm) => [alarm.MetricName, alarm.Threshold, alarm.Dimensions]),
    [['NumberOfNotificationsFailed', 1, [{ Name: 'TopicName', Value: `<${pipeline.idOf(topic(pipeline))}.TopicName>` }]]],
  );
});
