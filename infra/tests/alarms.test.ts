import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { RUNBOOK, RUNBOOK_FILE } from '../lib/runbook-url';
import { INFRA } from './stand-in';
import { pipeline, smallestPipeline } from './templates';

const alarms = pipeline.all('AWS::CloudWatch::Alarm').map((alarm) => alarm.Properties);

test('every alarm says what to do and where to look, and is sent', () => {
  const topic = `<${pipeline.idOf(pipeline.all('AWS::SNS::Topic').find((topic) => !topic.Properties?.TopicName)!)}>`;
  for (const alarm of alarms) {
    const [happened, todo, look] = alarm.AlarmDescription.split('\n\n');
    assert.match(happened, /^[A-Z].*\.$/);
    assert.match(todo, /^What to do: docs\/OPERATIONS\.md#[a-z0-9-]+$/);
    assert.match(look, /^Where to look: https:\/\/eu-west-1\.console\.aws\.amazon\.com\/[^<>{}]+$/);
    assert.doesNotMatch(look, /token/i);
    assert.deepEqual(alarm.AlarmActions, [topic]);
  }
});

test('where operators are told the runbook\'s address, every alarm leads there', () => {
  for (const { Properties: alarm } of smallestPipeline.all('AWS::CloudWatch::Alarm')) {
    assert.match(alarm.AlarmDescription, /\n\nWhat to do: https:\/\/acme\.example\/OPERATIONS\.md#[a-z0-9-]+\n\n/);
    assert.ok(alarm.AlarmDescription.length <= 1024);
  }
});

test('silence is an alarm for the sweep, and for nothing else', () => {
  const silent = alarms.filter((alarm) => alarm.TreatMissingData === 'breaching');
  assert.deepEqual(silent.map((alarm) => [alarm.MetricName, alarm.ComparisonOperator]), [['Invocations', 'LessThanThreshold']]);
});

test('alarms and the runbook\'s list agree', () => {
  const used = new Set(alarms.map((alarm) => /#([a-z0-9-]+)/.exec(alarm.AlarmDescription)![1]));
  assert.deepEqual([...used].sort(), Object.values(RUNBOOK).sort());
});

test('the runbook has a section for every alarm', () => {
  const file = path.join(INFRA, '..', RUNBOOK_FILE);
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  const sections = [...text.matchAll(/^#+ +(.+)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replace(/[^\w\- ]/g, '').trim().replaceAll(' ', '-'),
  );
  assert.deepEqual(Object.values(RUNBOOK).filter((anchor) => !sections.includes(anchor)), []);
});
