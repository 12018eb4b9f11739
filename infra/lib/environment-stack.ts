import { ArnFormat, aws_events as events, aws_events_targets as targets, aws_iam as iam, Stack, StackProps } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Pipeline, Target } from './configuration';
import { DeadLetters } from './constructs/dead-letters';
import { explainWildcard } from './constructs/wildcard';
import { artifactsBucket, bootstrap, BUS, DEAD_EVENTS, functionName, FunctionName, KEY_ALIAS, observerRole, publisherRole, roleArn, testerRole } from './names';

export interface EnvironmentStackProps extends StackProps {
  readonly pipeline: Pipeline;
  readonly target: Target;
}

// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html, StackStatus; all that wait for nothing.
const SETTLED = [
  'CREATE_COMPLETE',
  'CREATE_FAILED',
  'DELETE_COMPLETE',
  'DELETE_FAILED',
  'IMPORT_COMPLETE',
  'IMPORT_ROLLBACK_COMPLETE',
  'IMPORT_ROLLBACK_FAILED',
  'ROLLBACK_COMPLETE',
  'ROLLBACK_FAILED',
  'UPDATE_COMPLETE',
  'UPDATE_FAILED',
  'UPDATE_ROLLBACK_COMPLETE',
  'UPDATE_ROLLBACK_FAILED',
];

/** What an account and region need beside CDK's bootstrap in order to be deployed into. */
export class EnvironmentStack extends Stack {
  constructor(scope: Construct, id: string, props: EnvironmentStackProps) {
    super(scope, id, props);
    const bus = this.busOf(props.pipeline);
    this.forwardStackEvents(bus);
    this.forwardAlarmEvents(bus);
    this.admitPublisher(props);
    this.admitTester(props);
    this.admitObserver(props);
  }

  /** The pipeline's bus, and a queue for what does not get there. */
  private busOf({ account, region, runbook }: Pipeline): targets.EventBus {
    const bus = this.formatArn({ account, region, service: 'events', resource: 'event-bus', resourceName: BUS });
    // Nobody is told by this alarm: the topic is in another account, and perhaps in another region.
    const undelivered = new DeadLetters(this, 'Undelivered', {
      queueName: DEAD_EVENTS.environment,
      happened: 'EventBridge could not hand a stack event or an alarm over to the deployment pipeline; it is kept for 14 days.',
      runbookAddress: runbook,
    });
    return new targets.EventBus(events.EventBus.fromEventBusArn(this, 'Bus', bus), { deadLetterQueue: undelivered });
  }

  private forwardStackEvents(bus: targets.EventBus): void {
    new events.Rule(this, 'Settled', {
      description: 'A stack settled: tell the deployment pipeline',
      eventPattern: {
        source: ['aws.cloudformation'],
        detailType: ['CloudFormation Stack Status Change'],
        detail: { 'status-details': { status: SETTLED } },
      },
      targets: [bus],
    });
  }

  /** Of every alarm: which ones a release is watched by is the configuration's to say, and it changes without this stack. */
  private forwardAlarmEvents(bus: targets.EventBus): void {
    new events.Rule(this, 'Fired', {
      description: 'An alarm fired: tell the deployment pipeline',
      eventPattern: {
        source: ['aws.cloudwatch'],
        detailType: ['CloudWatch Alarm State Change'],
        detail: { state: { value: ['ALARM'] } },
      },
      targets: [bus],
    });
  }

  /** Copies a release's assets from the pipeline's bucket into that of CDK's bootstrap, whose own role may not read ours. */
  private admitPublisher({ pipeline, target }: EnvironmentStackProps): void {
    const role = this.role('Publisher', publisherRole(target), pipeline, 'deploy', 'Copies releases into the bootstrap bucket');
    const releases = `arn:${this.partition}:s3:::${artifactsBucket(pipeline.account, pipeline.region)}/objects/*`;
    allow(role, ['s3:GetObject'], [releases]);
    explainWildcard(role, `Resource::${releases}`, 'Objects are named by the digest of their content, which nobody knows beforehand.');

    const buckets = target.qualifiers.map((qualifier) => `arn:${this.partition}:s3:::${bootstrap.bucket(qualifier, target)}`);
    // Names of buckets are known to everyone: the account sees to it that it is still its own.
    const own = { StringEquals: { 'aws:ResourceAccount': target.account } };
    // Without the right to list, a missing object is "access denied".
    allow(role, ['s3:ListBucket'], buckets, own);
    allow(role, ['s3:GetObject', 's3:PutObject'], buckets.map((bucket) => `${bucket}/*`), own);
    for (const bucket of buckets) {
      explainWildcard(role, `Resource::${bucket}/*`, 'Assets are named by their hash, with any suffix that the application chooses.');
    }

    if (pipeline.customer_managed_keys) {
      const keys = this.formatArn({ account: pipeline.account, region: pipeline.region, service: 'kms', resource: 'key', resourceName: '*' });
      allow(role, ['kms:Decrypt'], [keys], { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': KEY_ALIAS } });
      explainWildcard(role, `Resource::${keys}`, 'A key is named by chance; the alias in the condition says which one.');
    }
  }

  /** Reads stack outputs and invokes functions, which is what smoke tests are made of. */
  private admitTester({ pipeline, target }: EnvironmentStackProps): void {
    const role = this.role('Tester', testerRole(target), pipeline, 'smoke-test', 'Runs smoke tests');
    const stacks = this.formatArn({ service: 'cloudformation', resource: 'stack', resourceName: '*' });
    allow(role, ['cloudformation:DescribeStacks'], [stacks]);
    explainWildcard(role, `Resource::${stacks}`, 'The stacks are those of a release, which names them itself.');

    const functions = (name: string) => this.formatArn({ service: 'lambda', resource: 'function', resourceName: name, arnFormat: ArnFormat.COLON_RESOURCE_NAME });
    allow(role, ['lambda:InvokeFunction'], [functions('*')]);
    explainWildcard(role, `Resource::${functions('*')}`, 'CloudFormation names the functions of a release; a smoke test names the one it invokes.');
    // A smoke test is part of a commit. Where target and tools account are one, it must not drive the pipeline.
    role.addToPolicy(
      new iam.PolicyStatement({ effect: iam.Effect.DENY, actions: ['lambda:InvokeFunction'], resources: [functions('lockgate-*')] }),
    );
    explainWildcard(role, `Resource::${functions('lockgate-*')}`, 'It is what is refused.');
  }

  /** Looks at alarms and at metrics, which is what a bake is judged by. */
  private admitObserver({ pipeline, target }: EnvironmentStackProps): void {
    const role = this.role('Observer', observerRole(target), pipeline, 'rollback', 'Watches alarms');
    // Not the ARNs of alarms: who may look at less than everything is shown no composite alarm, nor its history.
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    allow(role, ['cloudwatch:DescribeAlarms', 'cloudwatch:DescribeAlarmHistory', 'cloudwatch:GetMetricData', 'tag:GetResources'], ['*'], {
      StringEquals: { 'aws:RequestedRegion': target.region },
    });
    explainWildcard(role, 'Resource::*', 'Composite alarms ask for it, metrics and the search by tag have no resources in IAM; it is kept to the region.');
  }

  /** The trusted role must exist before this stack does: IAM refuses a policy that names a role it cannot find. See README.md. */
  private role(id: string, roleName: string, pipeline: Pipeline, by: FunctionName, description: string): iam.Role {
    const trusted = new iam.ArnPrincipal(roleArn(this.partition, pipeline.account, functionName(by)));
    const role = new iam.Role(this, id, {
      roleName,
      description,
      assumedBy: trusted.withConditions({ StringEquals: { 'sts:ExternalId': pipeline.external_id } }),
    });
    role.assumeRolePolicy!.addStatements(new iam.PolicyStatement({ principals: [trusted], actions: ['sts:TagSession'] }));
    return role;
  }
}

function allow(role: iam.Role, actions: string[], resources: string[], conditions?: Record<string, Record<string, string>>): void {
  role.addToPolicy(new iam.PolicyStatement({ actions, resources, ...(conditions && { conditions }) }));
}
