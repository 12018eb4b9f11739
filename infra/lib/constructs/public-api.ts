import {
  aws_apigatewayv2 as apigateway,
  aws_apigatewayv2_authorizers as authorizers,
  aws_iam as iam,
  aws_logs as logs,
  CfnElement,
  Duration,
  RemovalPolicy,
  Stack,
  Validations,
} from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { Construct } from 'constructs';
import { logGroupUrl } from '../deep-link';
import { RUNBOOK } from '../runbook-url';
import { Notifications } from './notifications';
import { OperatorAlarm } from './operator-alarm';
import { explainWildcard } from './wildcard';

export interface PublicApiProps {
  readonly logRetention: logs.RetentionDays;
  readonly notifications: Notifications;
}

export interface RouteProps {
  readonly path: string;
  readonly methods: readonly apigateway.HttpMethod[];
  readonly integration: apigateway.HttpRouteIntegration;
}

const ACCESS_LOG = '/aws/vendedlogs/lockgate/api';

/** The one door to the internet: GitHub's deliveries, and the answers of people. */
export class PublicApi extends Construct {
  /** Without a slash at its end. */
  readonly url: string;
  private readonly api: apigateway.HttpApi;

  constructor(scope: Construct, id: string, props: PublicApiProps) {
    super(scope, id);
    const accessLog = new logs.LogGroup(this, 'Access', {
      // The prefix keeps API Gateway from filling up the account's log resource policy.
      logGroupName: ACCESS_LOG,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.api = new apigateway.HttpApi(this, 'Api', {
      apiName: 'lockgate',
      description: 'GitHub webhooks of Lockgate, and the pages on which people approve',
      createDefaultStage: false,
    });
    keepLogicalId(this.api, 'WebhookApi427E2EB3');
    const stage = new apigateway.HttpStage(this, 'Stage', {
      httpApi: this.api,
      autoDeploy: true,
      // Fifty deliveries at once are a busy organisation, and a mail scanner opens a hundred links at once; GitHub
      // redelivers nothing by itself, people do.
      throttle: { rateLimit: 20, burstLimit: 200 },
      accessLogSettings: {
        destination: new apigateway.LogGroupLogDestination(accessLog),
        // No header, no path, no query, no body: an approver's token, GitHub's signature and whatever a stranger sends stay
        // out of the log. The route is our own text, with "{id}" in it.
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
    keepLogicalId(stage, 'WebhookStage2A7C3F54');
    this.url = this.api.apiEndpoint;

    new OperatorAlarm(this, 'Alarm', {
      metric: this.api.metricServerError({ period: Duration.minutes(5), statistic: 'Sum' }),
      happened: 'Somebody got an answer 5xx: GitHub to a delivery, which it does not send again by itself, or a person who approves.',
      runbook: RUNBOOK.apiAnswers5xx,
      link: logGroupUrl(this, ACCESS_LOG),
      notifications: props.notifications,
    });
  }

  /** For everybody; `reason` says how the function knows who it is. */
  addOpenRoutes(props: RouteProps, reason: string): apigateway.HttpRoute[] {
    const routes = this.add(props);
    for (const route of routes) {
      Validations.of(route).acknowledge({ id: 'AwsSolutions-APIG4', reason });
    }
    return routes;
  }

  /** For those whom IAM lets invoke it: see allow. */
  addSignedRoutes(props: RouteProps): apigateway.HttpRoute[] {
    return this.add(props, new authorizers.HttpIamAuthorizer());
  }

  /**
   * Lets whoever has the policy call one signed route. CDK's own grant ends at the route's first parameter, and would allow
   * whatever lies behind it too.
   */
  allow(policy: iam.ManagedPolicy, method: apigateway.HttpMethod, path: string): void {
    const place = `$default/${method}${path.replaceAll(/\{\w+\}/g, '*')}`;
    const { region, account, partition } = Stack.of(this);
    const of = (api: string) => `arn:${partition}:execute-api:${region}:${account}:${api}/${place}`;
    policy.addStatements(new iam.PolicyStatement({ actions: ['execute-api:Invoke'], resources: [of(this.api.apiId)] }));
    if (place.includes('*')) {
      const id = Stack.of(this).resolve((this.api.node.defaultChild as CfnElement).logicalId);
      explainWildcard(policy, `Resource::${of(`<${id}>`)}`, 'It is the place of a parameter, which is not known beforehand.');
    }
  }

  private add({ path, methods, integration }: RouteProps, authorizer?: apigateway.IHttpRouteAuthorizer): apigateway.HttpRoute[] {
    return this.api.addRoutes({ path, methods: [...methods], integration, ...(authorizer && { authorizer }) });
  }
}

/**
 * Keeps the id that version 0.1.0 gave, when the API was the webhook's alone. Under another one CloudFormation would make a
 * second API, and the address that GitHub knows would be gone.
 */
export function keepLogicalId(construct: Construct, logicalId: string): void {
  (construct.node.defaultChild as CfnElement).overrideLogicalId(logicalId);
}
