import { aws_cloudwatch as cloudwatch, aws_events as events, aws_events_targets as targets, aws_logs as logs, Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { functionUrl } from '../deep-link';
import { functionName } from '../names';
import { RUNBOOK } from '../runbook-url';
import { Pipeline } from '../configuration';
import { APPLICATIONS, grantListApplications } from './application-parameters';
import { DeadLetters } from './dead-letters';
import { DeploymentMachine } from './deployment-machine';
import { gitHubSettings, grantGitHub } from './github-access';
import { OperatorAlarm } from './operator-alarm';
import { ReleaseLedger } from './release-ledger';
import { FunctionDefaults, RustFunction } from './rust-function';

export interface SweepProps {
  readonly defaults: FunctionDefaults;
  readonly pipeline: Pipeline;
  readonly ledger: ReleaseLedger;
  readonly gate: RustFunction;
  readonly build: RustFunction;
  readonly deploy: RustFunction;
  readonly approval: RustFunction;
  readonly rollback: RustFunction;
  readonly report: RustFunction;
  /** Keeps what could not be handed over. */
  readonly undelivered: DeadLetters;
}

/** Finds, once a minute, what every other mechanism lost. */
export class Sweep extends Construct {
  constructor(scope: Construct, id: string, props: SweepProps) {
    super(scope, id);
    const fn = new RustFunction(this, 'Function', {
      ...props.defaults,
      name: 'sweep',
      description: 'Wakes whatever is parked longer than it should be',
      memory: 256,
      // Under a minute and never retried, so that two sweeps do not overlap. Reserved concurrency would say the same,
      // but a new account may run ten functions at once and is refused any reservation.
      timeout: Duration.seconds(50),
      environment: {
        LOCKGATE_LEDGER: props.ledger.table.tableName,
        LOCKGATE_STATE_MACHINE: DeploymentMachine.arn(this),
        LOCKGATE_WAKE_GATE: props.gate.live.functionArn,
        LOCKGATE_WAKE_BUILD: props.build.live.functionArn,
        LOCKGATE_WAKE_DEPLOY: props.deploy.live.functionArn,
        LOCKGATE_WAKE_APPROVAL: props.approval.live.functionArn,
        LOCKGATE_WAKE_ROLLBACK: props.rollback.live.functionArn,
        LOCKGATE_WAKE_REPORT: props.report.live.functionArn,
        LOCKGATE_APPLICATIONS: APPLICATIONS,
        ...gitHubSettings(props.pipeline),
      },
    });
    fn.live.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
    props.ledger.grantWrite(fn, 'delivery', 'deployment', 'environment', 'head', 'history', 'pin');
    grantListApplications(fn);
    grantGitHub(fn);
    props.ledger.grantSearchDue(fn);
    for (const woken of [props.gate, props.build, props.deploy, props.approval, props.rollback, props.report]) {
      woken.grantInvoke(fn);
    }
    DeploymentMachine.grantStart(fn);
    DeploymentMachine.grantDescribe(fn);

    const every = (id: string, minutes: number, description: string, what: string) =>
      new events.Rule(this, id, {
        description,
        schedule: events.Schedule.rate(Duration.minutes(minutes)),
        targets: [
          new targets.LambdaFunction(fn.live, {
            event: events.RuleTargetInput.fromObject({ do: what }),
            retryAttempts: 0,
            maxEventAge: Duration.minutes(1),
            deadLetterQueue: props.undelivered,
          }),
        ],
      });
    every('EveryMinute', 1, 'Time to sweep', 'sweep');
    // What GitHub shows twice and nobody asked for is asked for: within five minutes, as two looks take four.
    every('Compare', 2, 'Time to compare what GitHub shows with what was asked', 'compare');

    const failing = new logs.MetricFilter(this, 'Failing', {
      logGroup: fn.logGroup,
      filterPattern: logs.FilterPattern.numberValue('$.fields.failed', '>', 0),
      metricNamespace: 'Lockgate',
      metricName: 'FailedSweeps',
      metricValue: '1',
    }).metric({ period: Duration.minutes(10), statistic: 'Sum' });
    new OperatorAlarm(this, 'FailingAlarm', {
      metric: failing,
      // What fails once is looked at again a minute later.
      threshold: 5,
      happened: 'Five sweeps within ten minutes could not look after something; what got lost there is not made up for.',
      runbook: RUNBOOK.sweepFails,
      link: functionUrl(this, functionName('sweep')),
      notifications: props.defaults.notifications,
    });

    new OperatorAlarm(this, 'Silent', {
      metric: fn.invocations,
      threshold: 1,
      comparison: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
      missing: cloudwatch.TreatMissingData.BREACHING,
      happened: 'The sweep has not run for five minutes; an event that gets lost now is not made up for.',
      runbook: RUNBOOK.sweepDoesNotRun,
      link: functionUrl(this, functionName('sweep')),
      notifications: props.defaults.notifications,
    });
  }
}
