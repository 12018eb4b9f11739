import {
  aws_apigatewayv2 as apigateway,
  aws_apigatewayv2_integrations as integrations,
  aws_iam as iam,
  aws_logs as logs,
  aws_ssm as ssm,
  Duration,
  RemovalPolicy,
  Stack,
  Validations,
} from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { Construct } from 'constructs';
import { Application } from '../configuration';
import { logGroupUrl } from '../deep-link';
import { RUNBOOK } from '../runbook-url';
import { DeploymentMachine } from './deployment-machine';
import { OperatorAlarm } from './operator-alarm';
import { ReleaseLedger } from './release-ledger';
import { FunctionDefaults, RustFunction } from './rust-function';
import { explainWildcard } from './wildcard';

export interface WebhookIntakeProps {
  readonly defaults: FunctionDefaults;
  readonly applications: readonly Application[];
  readonly ledger: ReleaseLedger;
}

const APPLICATIONS = '/lockgate/applications';
const SECRETS = '/lockgate/webhook';
const ROUTE = '/webhooks/github';

/** Where GitHub's deliveries arrive, and what is known about the applications that they may name. */
export class WebhookIntake extends Construct {
  readonly url: string;
  readonly fn: RustFunction;

  constructor(scope: Construct, id: string, props: WebhookIntakeProps) {
    super(scope, id);
    const { defaults } = props;

    this.fn = new RustFunction(this, 'Function', {
      ...defaults,
      name: 'webhook',
      description: 'Turns a GitHub delivery into a deployment',
      memory: 256,
      // GitHub gives up after 10 s.
      timeout: Duration.seconds(9),
      environment: {
        LOCKGATE_LEDGER: props.ledger.table.tableName,
        LOCKGATE_STATE_MACHINE: DeploymentMachine.arn(this),
        LOCKGATE_APPLICATIONS: APPLICATIONS,
        LOCKGATE_SECRETS: SECRETS,
      },
    });
    props.ledger.grantAppend(this.fn);
    DeploymentMachine.grantStart(this.fn);
    this.grantReadParameters(this.fn);

    new logs.MetricFilter(this, 'PreviousSecret', {
      logGroup: this.fn.logGroup,
      filterPattern: logs.FilterPattern.stringValue('$.fields.signed_with', '=', 'previous'),
      metricNamespace: 'Lockgate',
      metricName: 'PreviousWebhookSecret',
      metricValue: '1',
      // Tells a webhook that GitHub signs with the current secret from one that nobody calls.
      defaultValue: 0,
    });

    for (const application of props.applications) {
      this.describe(application);
    }

    const accessLog = new logs.LogGroup(this, 'Access', {
      // The prefix keeps API Gateway from filling up the account's log resource policy.
      logGroupName: '/aws/vendedlogs/lockgate/webhook',
      retention: defaults.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const api = new apigateway.HttpApi(this, 'Api', {
      apiName: 'lockgate',
      description: 'GitHub webhooks of Lockgate',
      createDefaultStage: false,
    });
    new apigateway.HttpStage(this, 'Stage', {
      httpApi: api,
      autoDeploy: true,
      // Fifty deliveries at once are a busy organisation; GitHub redelivers nothing by itself, people do.
      throttle: { rateLimit: 20, burstLimit: 50 },
      accessLogSettings: {
        destination: new apigateway.LogGroupLogDestination(accessLog),
        // No header, no query, no body: the signature and whatever a stranger sends stay out of the log.
        format: AccessLogFormat.custom(
          JSON.stringify({
            request_id: '$context.requestId',
            at: '$context.requestTime',
            source_ip: '$context.identity.sourceIp',
            route: '$context.routeKey',
            status: '$context.status',
            response_bytes: '$context.responseLength',
            integration_ms: '$context.integrationLatency',
            integration_status: '$context.integrationStatus',
          }),
        ),
      },
    });
    const [route] = api.addRoutes({
      path: ROUTE,
      methods: [apigateway.HttpMethod.POST],
      integration: new integrations.HttpLambdaIntegration('Webhook', this.fn.live, { timeout: Duration.seconds(10) }),
    });
    Validations.of(route!).acknowledge({
      id: 'AwsSolutions-APIG4',
      reason: 'GitHub signs the body; the function verifies the signature over the raw bytes, which no authoriser gets to see.',
    });
    this.url = `${api.apiEndpoint}${ROUTE}`;

    new OperatorAlarm(this, 'Alarm', {
      metric: api.metricServerError({ period: Duration.minutes(5), statistic: 'Sum' }),
      happened: 'GitHub got an answer 5xx to a delivery, which GitHub does not send again by itself.',
      runbook: RUNBOOK.webhookAnswers5xx,
      link: logGroupUrl(this, '/aws/vendedlogs/lockgate/webhook'),
      notifications: defaults.notifications,
    });
  }

  private describe({ repository, ...rest }: Application): void {
    const value = JSON.stringify({ repository, ...rest });
    const bytes = Buffer.byteLength(value);
    // https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
    if (bytes > 8192) {
      throw new Error(`The configuration of ${repository} has ${bytes} bytes; a parameter holds 8192.`);
    }
    new ssm.StringParameter(this, repository.replace('/', '.'), {
      parameterName: `${APPLICATIONS}/${repository}`,
      description: `What Lockgate does with ${repository}`,
      stringValue: value,
      tier: bytes > 4096 ? ssm.ParameterTier.ADVANCED : ssm.ParameterTier.STANDARD,
    });
  }

  private grantReadParameters(fn: RustFunction): void {
    const arn = (name: string) => Stack.of(this).formatArn({ service: 'ssm', resource: 'parameter', resourceName: name.slice(1) });
    iam.Grant.addToPrincipal({
      grantee: fn,
      actions: ['ssm:GetParameter'],
      resourceArns: [arn(`${SECRETS}/secret`), arn(`${SECRETS}/secret-previous`), arn(`${APPLICATIONS}/*`)],
    });
    explainWildcard(
      fn,
      `Resource::${arn(`${APPLICATIONS}/*`)}`,
      'A repository without a parameter must be answered as not found, not as access denied; only this stack writes below this path.',
    );
  }
}
