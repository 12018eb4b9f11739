import {
  aws_apigatewayv2 as apigateway,
  aws_apigatewayv2_integrations as integrations,
  aws_logs as logs,
  aws_ssm as ssm,
  Duration,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Application, Configuration } from '../configuration';
import { APPLICATIONS, grantReadApplications } from './application-parameters';
import { DeploymentMachine } from './deployment-machine';
import { gitHubSettings, grantGitHub } from './github-access';
import { grantReadParameters } from './parameters';
import { keepLogicalId, PublicApi } from './public-api';
import { ReleaseLedger } from './release-ledger';
import { FunctionDefaults, RustFunction } from './rust-function';

export interface WebhookIntakeProps {
  readonly defaults: FunctionDefaults;
  readonly configuration: Configuration;
  readonly ledger: ReleaseLedger;
  readonly api: PublicApi;
}

const SECRETS = '/lockgate/webhook';
const ROUTE = '/webhooks/github';

/** Where GitHub's deliveries arrive, and what is known about the applications that they may name. */
export class WebhookIntake extends Construct {
  readonly url: string;
  readonly fn: RustFunction;

  constructor(scope: Construct, id: string, props: WebhookIntakeProps) {
    super(scope, id);
    const { api, configuration } = props;

    this.fn = new RustFunction(this, 'Function', {
      ...props.defaults,
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
        ...gitHubSettings(configuration.pipeline),
      },
    });
    // The ledger has task tokens and approvals, which a webhook has no use for.
    props.ledger.grantOwn(this.fn, 'delivery', 'head', 'pin');
    DeploymentMachine.grantStart(this.fn);
    grantReadParameters(this.fn, `${SECRETS}/secret`, `${SECRETS}/secret-previous`);
    grantReadApplications(this.fn);
    grantGitHub(this.fn);

    new logs.MetricFilter(this, 'PreviousSecret', {
      logGroup: this.fn.logGroup,
      filterPattern: logs.FilterPattern.stringValue('$.fields.signed_with', '=', 'previous'),
      metricNamespace: 'Lockgate',
      metricName: 'PreviousWebhookSecret',
      metricValue: '1',
      // Tells a webhook that GitHub signs with the current secret from one that nobody calls.
      defaultValue: 0,
    });

    for (const application of configuration.applications) {
      this.describe(application);
    }

    const [route] = api.addOpenRoutes(
      {
        path: ROUTE,
        methods: [apigateway.HttpMethod.POST],
        integration: new integrations.HttpLambdaIntegration('Webhook', this.fn.live, { timeout: Duration.seconds(10) }),
        // A busy organisation sends fifty at once, check runs many more, and GitHub sends nothing again that was turned away.
        throttle: { rateLimit: 200, burstLimit: 500 },
      },
      'GitHub signs the body; the function verifies the signature over the raw bytes, which no authoriser gets to see.',
    );
    keepLogicalId(route!, 'WebhookApiPOSTwebhooksgithub218D2C95');
    api.watchTurnedAway(route!);
    this.url = `${api.url}${ROUTE}`;
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
}
