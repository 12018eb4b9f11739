import assert from 'node:assert/strict';
import { test } from 'node:test';
import { environment, pipeline, smallestEnvironment, smallestPipeline, statements } from './templates';

for (const [name, template] of Object.entries({ pipeline, environment, smallestPipeline, smallestEnvironment })) {
  test(`whatever EventBridge cannot hand over is kept and watched (${name})`, () => {
    const rules = template.all('AWS::Events::Rule');
    assert.notEqual(rules.length, 0);
    for (const rule of rules) {
      for (const target of rule.Properties.Targets) {
        const of = `${rule.Properties.Description} -> ${JSON.stringify(target.Arn)}`;
        const queue = template.all('AWS::SQS::Queue').find((queue) => target.DeadLetterConfig?.Arn === `<${template.idOf(queue)}.Arn>`)!;
        assert.ok(queue, of);
        assert.equal(queue.Properties.MessageRetentionPeriod, 14 * 24 * 60 * 60, of);

        const admits = template
          .all('AWS::SQS::QueuePolicy')
          .filter(({ Properties: policy }) => policy.Queues.includes(`<${template.idOf(queue)}>`))
          .flatMap(({ Properties: policy }) => statements(policy.PolicyDocument))
          .filter(({ Condition }) => Condition?.ArnEquals?.['aws:SourceArn'] === `<${template.idOf(rule)}.Arn>`);
        assert.deepEqual(
          admits.map(({ Effect, Action, Principal }) => [Effect, Action, Principal]),
          [['Allow', ['sqs:SendMessage'], { Service: 'events.amazonaws.com' }]],
          of,
        );

        const alarms = template
          .all('AWS::CloudWatch::Alarm')
          .filter(({ Properties: alarm }) => alarm.Dimensions?.some(({ Value }: any) => Value === `<${template.idOf(queue)}.QueueName>`));
        assert.deepEqual(alarms.map(({ Properties: alarm }) => alarm.MetricName), ['ApproximateNumberOfMessagesVisible'], of);
        assert.match(alarms[0]!.Properties.AlarmDescription, /What to do: \S+OPERATIONS\.md#dead-letters\n/, of);
      }
    }
  });
}

test('the queues of both stacks are two, also where both are in one account and region', () => {
  const names = [smallestPipeline, smallestEnvironment].flatMap((template) =>
    template.all('AWS::SQS::Queue').map((queue) => queue.Properties.QueueName),
  );
  assert.equal(new Set(names).size, names.length);
});
