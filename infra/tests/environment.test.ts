import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Stack } from 'aws-cdk-lib';
import { environment, installation, smallestEnvironment, statements } from './templates';

const EXTERNAL_ID = 'lockgate-5f0c2b7e9a1d4c3e8b6f7a2d1e0c9b8a';

for (const [name, by] of [
  ['lockgate-publisher-eu-west-1', 'lockgate-deploy'],
  ['lockgate-tester-eu-west-1', 'lockgate-smoke-test'],
  ['lockgate-observer-eu-west-1', 'lockgate-rollback'],
] as const) {
  for (const template of [environment, smallestEnvironment]) {
    test(`${name} trusts ${by} of the tools account, and asks for the external id`, () => {
      const trusted = statements(template.role(name).Properties.AssumeRolePolicyDocument);
      const principal = { AWS: `arn:aws:iam::111111111111:role/${by}` };
      assert.deepEqual(
        trusted.map(({ Action, Effect, Principal, Condition }) => ({ Action, Effect, Principal, Condition })),
        [
          { Action: ['sts:AssumeRole'], Effect: 'Allow', Principal: principal, Condition: { StringEquals: { 'sts:ExternalId': EXTERNAL_ID } } },
          { Action: ['sts:TagSession'], Effect: 'Allow', Principal: principal, Condition: undefined },
        ],
      );
    });
  }
}

test('the publisher reads releases, and writes the bootstrap bucket of its own account', () => {
  const own = { StringEquals: { 'aws:ResourceAccount': '222222222222' } };
  assert.deepEqual(
    environment.statements(environment.role('lockgate-publisher-eu-west-1')).map(({ Action, Resource, Condition }) => [Action, Resource, Condition]),
    [
      [['s3:GetObject'], ['arn:aws:s3:::lockgate-artifacts-111111111111-eu-west-1/objects/*'], undefined],
      [['s3:ListBucket'], ['arn:aws:s3:::cdk-hnb659fds-assets-222222222222-eu-west-1'], own],
      [['s3:GetObject', 's3:PutObject'], ['arn:aws:s3:::cdk-hnb659fds-assets-222222222222-eu-west-1/*'], own],
    ],
  );
});

test('the tester looks at stacks and invokes functions, but not those of the pipeline', () => {
  assert.deepEqual(
    environment.statements(environment.role('lockgate-tester-eu-west-1')).map(({ Effect, Action, Resource }) => [Effect, Action, Resource]),
    [
      ['Allow', ['cloudformation:DescribeStacks'], ['arn:aws:cloudformation:eu-west-1:222222222222:stack/*']],
      ['Allow', ['lambda:InvokeFunction'], ['arn:aws:lambda:eu-west-1:222222222222:function:*']],
      ['Deny', ['lambda:InvokeFunction'], ['arn:aws:lambda:eu-west-1:222222222222:function:lockgate-*']],
    ],
  );
});

test('the observer looks at every alarm of its region, composite ones too, and at metrics, and changes nothing', () => {
  const everything = ['cloudwatch:DescribeAlarmHistory', 'cloudwatch:DescribeAlarms', 'cloudwatch:GetMetricData', 'tag:GetResources'];
  for (const template of [environment, smallestEnvironment]) {
    assert.deepEqual(
      template.statements(template.role('lockgate-observer-eu-west-1')).map(({ Effect, Action, Resource, Condition }) => [Effect, Action, Resource, Condition]),
      [
        ['Allow', everything, ['*'], { StringEquals: { 'aws:RequestedRegion': 'eu-west-1' } }],
      ],
    );
  }
});

test('settled stacks and alarms that fired are told to the pipeline, by roles that may do only that', () => {
  const bus = 'arn:aws:events:eu-west-1:111111111111:event-bus/lockgate';
  const rules = environment.all('AWS::Events::Rule').map(({ Properties: rule }) => rule);
  for (const rule of rules) {
    assert.equal(rule.EventBusName, undefined);
    assert.deepEqual(rule.Targets.map((target: any) => target.Arn), [bus]);
    const role = environment.all('AWS::IAM::Role').find((role) => rule.Targets[0].RoleArn === `<${environment.idOf(role)}.Arn>`)!;
    assert.deepEqual(environment.statements(role).map(({ Action, Resource }) => [Action, Resource]), [[['events:PutEvents'], [bus]]]);
  }

  const patterns = Object.fromEntries(rules.map(({ EventPattern: { source, ...pattern } }) => [source.join(), pattern]));
  const { 'aws.cloudformation': stacks, 'aws.cloudwatch': alarms, ...others } = patterns;
  assert.deepEqual(others, {});
  assert.deepEqual(stacks['detail-type'], ['CloudFormation Stack Status Change']);
  const statuses: string[] = stacks.detail['status-details'].status;
  assert.deepEqual(statuses.filter((status) => status.endsWith('_IN_PROGRESS')), []);
  assert.deepEqual(alarms, { 'detail-type': ['CloudWatch Alarm State Change'], detail: { state: { value: ['ALARM'] } } });
});

test('with a key of the pipeline\'s own, the publisher may decrypt with it and with no other', () => {
  const [decrypt] = smallestEnvironment
    .statements(smallestEnvironment.role('lockgate-publisher-eu-west-1'))
    .filter(({ Action }) => Action.includes('kms:Decrypt'));
  assert.deepEqual(decrypt!.Condition, { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/lockgate' } });
});

test('a target account comes after the pipeline, whose roles it trusts', () => {
  const pipeline = installation.node.findChild('Pipeline');
  const environments = installation.node.children.filter((child) => child.node.id.startsWith('Environment-')) as Stack[];
  assert.deepEqual(environments.map((stack) => stack.node.id), [
    'Environment-222222222222-eu-west-1',
    'Environment-333333333333-eu-west-1',
    'Environment-444444444444-eu-central-1',
  ]);
  assert.ok(environments.every((stack) => stack.dependencies.includes(pipeline as Stack)));
});
