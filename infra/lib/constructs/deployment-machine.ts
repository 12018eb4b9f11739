import * as fs from 'node:fs';
import {
  Arn,
  ArnFormat,
  aws_cloudwatch as cloudwatch,
  aws_events as events,
  aws_events_targets as targets,
  aws_iam as iam,
  aws_logs as logs,
  aws_stepfunctions as sfn,
  Duration,
  RemovalPolicy,
  Stack,
  Validations,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { executionsUrl } from '../deep-link';
import { STATE_MACHINE } from '../names';
import { RUNBOOK, RunbookAnchor } from '../runbook-url';
import { DeadLetters } from './dead-letters';
import { Notifications } from './notifications';
import { OperatorAlarm } from './operator-alarm';
import { RustFunction } from './rust-function';
import { explainWildcard } from './wildcard';

export interface DeploymentMachineProps {
  /** The file that says it all, statemachine/deployment.asl.json; this construct only puts in who does the work. */
  readonly definition: string;
  readonly gate: RustFunction;
  readonly build: RustFunction;
  readonly deploy: RustFunction;
  readonly smokeTest: RustFunction;
  readonly approval: RustFunction;
  readonly rollback: RustFunction;
  readonly report: RustFunction;
  readonly logRetention: logs.RetentionDays;
  readonly notifications: Notifications;
  /** Keeps what could not be handed over. */
  readonly undelivered: DeadLetters;
}

/**
 * One execution is one deployment.
 *
 * Functions start and look at executions, and the machine calls functions. Its ARN is therefore made of its fixed
 * name: a reference would be a circle.
 */
export class DeploymentMachine extends Construct {
  readonly machine: sfn.StateMachine;

  static arn(scope: Construct): string {
    return machineArn(scope, 'stateMachine', STATE_MACHINE);
  }

  /** Start deployments. */
  static grantStart(grantee: iam.IGrantable & Construct): void {
    iam.Grant.addToPrincipal({ grantee, actions: ['states:StartExecution'], resourceArns: [this.arn(grantee)] });
  }

  /** Ask how one deployment is doing. */
  static grantDescribe(grantee: RustFunction): void {
    const executions = machineArn(grantee, 'execution', `${STATE_MACHINE}:*`);
    iam.Grant.addToPrincipal({ grantee, actions: ['states:DescribeExecution'], resourceArns: [executions] });
    explainWildcard(grantee, `Resource::${executions}`, 'An execution is named by its deployment, which is not known beforehand; other machines are out.');
  }

  /** Say how a parked task ended. */
  static grantAnswer(grantee: RustFunction): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions: ['states:SendTaskSuccess', 'states:SendTaskFailure', 'states:SendTaskHeartbeat'],
      // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
      resourceArns: ['*'],
    });
    explainWildcard(grantee, 'Resource::*', 'SendTask… has no resources in IAM; whoever holds no task token can do nothing with it.');
  }

  constructor(scope: Construct, id: string, props: DeploymentMachineProps) {
    super(scope, id);
    const logGroup = new logs.LogGroup(this, 'Logs', {
      // The prefix keeps Step Functions from filling up the account's log resource policy.
      logGroupName: `/aws/vendedlogs/states/${STATE_MACHINE}`,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });

    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('states.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Stack.of(this).account },
          ArnEquals: { 'aws:SourceArn': DeploymentMachine.arn(this) },
        },
      }),
      description: `What the state machine ${STATE_MACHINE} may do`,
    });
    const functions = {
      GateFunctionArn: props.gate,
      BuildFunctionArn: props.build,
      DeployFunctionArn: props.deploy,
      SmokeTestFunctionArn: props.smokeTest,
      ApprovalFunctionArn: props.approval,
      RollbackFunctionArn: props.rollback,
      ReportFunctionArn: props.report,
    };
    for (const fn of Object.values(functions)) {
      fn.grantInvoke(role);
    }

    this.machine = new sfn.StateMachine(this, 'Machine', {
      stateMachineName: STATE_MACHINE,
      role,
      // The text itself and not an asset, so that a change set shows what changes in it.
      definitionBody: sfn.DefinitionBody.fromString(fs.readFileSync(props.definition, 'utf8')),
      definitionSubstitutions: Object.fromEntries(
        Object.entries(functions).map(([token, fn]) => [token, fn.live.functionArn]),
      ),
      // Inputs hold what people wrote and task tokens, so no execution data.
      logs: { destination: logGroup, level: sfn.LogLevel.ERROR, includeExecutionData: false },
      tracingEnabled: true,
    });
    Validations.of(this.machine).acknowledge({
      id: 'AwsSolutions-SF1',
      reason: 'Every event is in the history for 90 days, and the ledger says what mattered; errors are what a log is searched for.',
    });
    explainWildcard(role, 'Resource::*', 'Neither log delivery nor X-Ray has resources in IAM.');

    this.tidyUp(props.gate, props.undelivered);
    this.alarm('Failed', 'FAILED', this.machine.metricFailed, RUNBOOK.deploymentFailed, 'A deployment failed.', props.notifications);
    this.alarm('TimedOut', 'TIMED_OUT', this.machine.metricTimedOut, RUNBOOK.deploymentTimedOut, 'A deployment took longer than a deployment may.', props.notifications);
    this.alarm('Aborted', 'ABORTED', this.machine.metricAborted, RUNBOOK.deploymentStopped, 'Somebody stopped a deployment by hand.', props.notifications);
  }

  /** An execution that died cannot give its lock back: the gate does. */
  private tidyUp(gate: RustFunction, undelivered: DeadLetters): void {
    new events.Rule(this, 'Died', {
      description: 'A deployment ended without closing: tidy up after it',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { stateMachineArn: [DeploymentMachine.arn(this)], status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
      },
      targets: [
        new targets.LambdaFunction(gate.live, {
          event: events.RuleTargetInput.fromObject({ do: 'tidy', execution: events.EventField.fromPath('$.detail.executionArn') }),
          deadLetterQueue: undelivered,
        }),
      ],
    });
  }

  private alarm(
    id: string,
    status: string,
    metric: (options: cloudwatch.MetricOptions) => cloudwatch.Metric,
    runbook: RunbookAnchor,
    happened: string,
    notifications: Notifications,
  ): void {
    new OperatorAlarm(this, id, {
      metric: metric.call(this.machine, { period: Duration.minutes(1), statistic: 'Sum' }),
      happened,
      runbook,
      link: executionsUrl(this, DeploymentMachine.arn(this), status),
      notifications,
    });
  }
}

export function machineArn(scope: Construct, resource: string, resourceName: string): string {
  return Arn.format({ service: 'states', resource, resourceName, arnFormat: ArnFormat.COLON_RESOURCE_NAME }, Stack.of(scope));
}
