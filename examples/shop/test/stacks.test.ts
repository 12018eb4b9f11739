import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { App, Stack, Stage } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { environments } from '../lib/environments';
import { ShopStage } from '../lib/shop-stage';

// Validating the templates is the business of `cdk synth`; here it would only be slow.
const app = new App({ builtinCloudFormationValidation: false });
for (const environment of environments) {
  new ShopStage(app, environment);
}

const stack = (environment: string, id: 'Data' | 'Web') =>
  app.node.findChild(environment).node.findChild(id) as Stack;
const template = (environment: string, id: 'Data' | 'Web') =>
  Template.fromStack(stack(environment, id));

describe('every environment', () => {
  for (const { name, account, region, banner } of environments) {
    test(`${name} has its two stacks, in its own account`, () => {
      const assembly = (app.node.findChild(name) as Stage).synth();
      assert.deepEqual(
        assembly.stacks.map((s) => [s.stackName, s.environment.account, s.environment.region]),
        [
          [`shop-${name}-data`, account, region],
          [`shop-${name}-web`, account, region],
        ],
      );
    });

    test(`${name} tells its customers where they are`, () => {
      template(name, 'Web').hasResourceProperties('AWS::Lambda::Function', {
        Environment: { Variables: Match.objectLike({ ENVIRONMENT: name, BANNER: banner }) },
      });
    });

    test(`${name} has an alarm that Lockgate can find by name`, () => {
      template(name, 'Web').hasResourceProperties('AWS::CloudWatch::Alarm', {
        AlarmName: `shop-${name}-errors`,
        Namespace: 'AWS/Lambda',
        MetricName: 'Errors',
        TreatMissingData: 'notBreaching',
      });
    });
  }
});

test('the data is there before the code that uses it', () => {
  assert.ok(stack('dev', 'Web').dependencies.includes(stack('dev', 'Data')));
});

test('orders survive the removal of their stack, and can be restored', () => {
  const data = template('production', 'Data');
  data.hasResource('AWS::DynamoDB::Table', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  data.hasResourceProperties('AWS::DynamoDB::Table', {
    BillingMode: 'PAY_PER_REQUEST',
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
  });
});

test('the function may add an order, and do nothing else to the table', () => {
  template('production', 'Web').hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: [Match.objectLike({ Action: 'dynamodb:PutItem', Effect: 'Allow' })],
    },
  });
});

test('smoke tests find the address and the function among the outputs', () => {
  const outputs = template('dev', 'Web').findOutputs('*');
  assert.deepEqual(Object.keys(outputs).sort(), ['FunctionName', 'Url']);
});
