import * as path from 'node:path';
import { aws_iam as iam, aws_lambda as lambda, aws_logs as logs, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { functionUrl } from '../deep-link';
import { FunctionName, functionName } from '../names';
import { RUNBOOK } from '../runbook-url';
import { folderOfProgram } from './built-program';
import { DeadLetters } from './dead-letters';
import { Notifications } from './notifications';
import { OperatorAlarm } from './operator-alarm';
import { explainWildcard } from './wildcard';

/** What all functions share. */
export interface FunctionDefaults {
  /** Holds a folder `lockgate-<name>` with a `bootstrap` for each function; nothing is built while synthesising. */
  readonly folder: string;
  readonly architecture: lambda.Architecture;
  readonly logRetention: logs.RetentionDays;
  readonly notifications: Notifications;
}

export interface RustFunctionProps extends FunctionDefaults {
  readonly name: FunctionName;
  /** One sentence, for the console. */
  readonly description: string;
  /** In MiB; CPU comes in proportion, and a TLS handshake is what a small function waits for. */
  readonly memory: number;
  /** Less than the longest time-out among the states that call it, so that the function's own error is what is seen. */
  readonly timeout: Duration;
  /** The whole configuration of the function; nothing else is in its environment. */
  readonly environment: Record<string, string>;
}

/** One small Rust binary with one role, called through the alias `live`. */
export class RustFunction extends Construct implements iam.IGrantable {
  /** The only way in: state machine, rules and API name the alias. */
  readonly live: lambda.Alias;
  readonly role: iam.Role;
  readonly grantPrincipal: iam.IPrincipal;
  readonly logGroup: logs.LogGroup;
  readonly invocations;

  constructor(scope: Construct, id: string, props: RustFunctionProps) {
    super(scope, id);
    const name = functionName(props.name);

    // Not retained: the name is fixed, so what is left behind would stop the stack from being created again.
    this.logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: `/aws/lambda/${name}`,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });

    const { notifications } = props;
    const deadLetters = new DeadLetters(this, 'DeadLetters', {
      queueName: `${name}-dead-letters`,
      happened: `The function ${name} could not handle an event, which is kept for 14 days.`,
      notifications,
    });

    // The name is fixed because the roles in target accounts trust it by name.
    this.role = new iam.Role(this, 'Role', {
      roleName: name,
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
      description: `What the function ${name} may do`,
    });
    this.grantPrincipal = this.role;
    iam.Grant.addToPrincipal({
      grantee: this.role,
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resourceArns: [this.logGroup.logGroupArn],
    });

    const fn = new lambda.Function(this, 'Function', {
      functionName: name,
      description: props.description,
      runtime: lambda.Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(folderOfProgram(path.join(props.folder, name), 'bootstrap', props.architecture)),
      architecture: props.architecture,
      role: this.role,
      memorySize: props.memory,
      timeout: props.timeout,
      environment: props.environment,
      logGroup: this.logGroup,
      loggingFormat: lambda.LoggingFormat.JSON,
      tracing: lambda.Tracing.ACTIVE,
      deadLetterQueue: deadLetters,
    });
    explainWildcard(this.role, 'Resource::*', 'X-Ray has no resources in IAM.');
    this.live = new lambda.Alias(this, 'Live', { aliasName: 'live', version: fn.currentVersion });
    this.invocations = fn.metricInvocations({ period: Duration.minutes(5), statistic: 'Sum' });

    new OperatorAlarm(this, 'Errors', {
      metric: fn.metricErrors({ period: Duration.minutes(5), statistic: 'Sum' }),
      happened: `The function ${name} ended with an error.`,
      runbook: RUNBOOK.functionFails,
      link: functionUrl(this, name),
      notifications,
    });
    new OperatorAlarm(this, 'Throttles', {
      metric: fn.metricThrottles({ period: Duration.minutes(5), statistic: 'Sum' }),
      happened: `AWS refused to run the function ${name}, because the account runs as many functions as it may.`,
      runbook: RUNBOOK.functionThrottled,
      link: functionUrl(this, name),
      notifications,
    });
  }

  /** Lets the caller invoke what is live, and no other version. */
  grantInvoke(grantee: iam.IGrantable): void {
    iam.Grant.addToPrincipal({ grantee, actions: ['lambda:InvokeFunction'], resourceArns: [this.live.functionArn] });
  }
}
