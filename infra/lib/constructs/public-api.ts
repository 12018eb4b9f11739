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
  /** Each route has its own, so that a flood on one does not starve the others. */
  readonly throttle: apigateway.ThrottleSettings;
}

const ACCESS_LOG = '/aws/vendedlogs/lockgate/api';

/** The one door to the internet: GitHub's deliveries, and the answers of people. */
export class PublicApi extends Construct {
  /** Without a slash at its end. */
  readonly url: string;
  private readonly api: apigateway.HttpApi;
  private readonly stage: apigateway.CfnStage;
  private readonly accessLog: logs.LogGroup;
  private readonly notifications: Notifications;

  constructor(scope: Construct, id: string, props: PublicApiProps) {
    super(scope, id);
    this.notifications = props.notifications;
    this.accessLog = new logs.LogGroup(this, 'Access', {
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
      // For what has no route; each route has a throttle of its own.
      throttle: { rateLimit: 20, burstLimit: 20 },
      accessLogSettings: {
        destination: new apigateway.LogGroupLogDestination(this.accessLog),
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
    this.stage = stage.node.defaultChild as apigateway.CfnStage;
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

  /** An alarm on what API Gateway or the function refuses because it is too much or too large: the sender sends it once. */
  watchTurnedAway(route: apigateway.HttpRoute): void {
    const metric = new logs.MetricFilter(this, 'TurnedAway', {
      logGroup: this.accessLog,
      // Statuses are texts in the access log.
      filterPattern: logs.FilterPattern.all(
        logs.FilterPattern.stringValue('$.route', '=', this.keyOf(route)),
        logs.FilterPattern.any(
          logs.FilterPattern.stringValue('$.status', '=', '413'),
          logs.FilterPattern.stringValue('$.status', '=', '429'),
        ),
      ),
      metricNamespace: 'Lockgate',
      metricName: 'DeliveriesTurnedAway',
      metricValue: '1',
    }).metric({ period: Duration.minutes(5), statistic: 'Sum' });
    new OperatorAlarm(this, 'TurnedAwayAlarm', {
      metric,
      happened: 'A delivery of GitHub was turned away, because there were too many at once or it was too large; GitHub does not send it again by itself.',
      runbook: RUNBOOK.deliveryTurnedAway,
      link: logGroupUrl(this, ACCESS_LOG),
      notifications: this.notifications,
    });
  }

  private add(
    { path, methods, integration, throttle }: RouteProps,
    authorizer?: apigateway.IHttpRouteAuthorizer,
  ): apigateway.HttpRoute[] {
    const routes = this.api.addRoutes({ path, methods: [...methods], integration, ...(authorizer && { authorizer }) });
    for (const route of routes) {
      this.stage.addPropertyOverride(`RouteSettings.${this.keyOf(route)}`, {
        ThrottlingRateLimit: throttle.rateLimit,
        ThrottlingBurstLimit: throttle.burstLimit,
      });
      // API Gateway refuses settings for a route that is not there yet.
      this.stage.addResourceDependency(route.node.defaultChild as apigateway.CfnRoute);
    }
    return routes;
  }

  private keyOf(route: apigateway.HttpRoute): string {
    return (route.node.defaultChild as apigateway.CfnRoute).routeKey;
  }
}

/**
 * Keeps the id that version 0.1.0 gave, when the API was the webhook's alone. Under another one CloudFormation would make a
 * second API, and the address that GitHub knows would be gone.
 */
export function keepLogicalId(construct: Construct, logicalId: string): void {
  (construct.node.defaultChild as CfnElement).overrideLogicalId(logicalId);
}
