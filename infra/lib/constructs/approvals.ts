import {
  aws_apigatewayv2 as apigateway,
  aws_apigatewayv2_integrations as integrations,
  aws_iam as iam,
  aws_kms as kms,
  aws_sns as sns,
  aws_sns_subscriptions as subscriptions,
  Duration,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { approverAddresses, Configuration } from '../configuration';
import { topicUrl } from '../deep-link';
import { RUNBOOK } from '../runbook-url';
import { DeploymentMachine } from './deployment-machine';
import { gitHubSettings, grantGitHub } from './github-access';
import { grantUse } from './key-use';
import { OperatorAlarm } from './operator-alarm';
import { grantReadParameters } from './parameters';
import { PublicApi } from './public-api';
import { ReleaseLedger } from './release-ledger';
import { ReleaseStore } from './release-store';
import { FunctionDefaults, RustFunction } from './rust-function';

export interface ApprovalsProps {
  readonly defaults: FunctionDefaults;
  readonly configuration: Configuration;
  readonly ledger: ReleaseLedger;
  readonly store: ReleaseStore;
  readonly api: PublicApi;
  /** Encrypts mails that wait to be sent; without it, nothing is encrypted at rest. */
  readonly key?: kms.IKey;
}

const KEYS = '/lockgate/approval';
const TOPIC = 'lockgate-approvers';
const PENDING = '/approvals';
const PAGE = '/approvals/{id}';
const BALLOTS = '/approvals/{id}/ballots';

/** People type it. */
const BY_COMMAND = { rateLimit: 10, burstLimit: 50 };

const { GET, HEAD, POST } = apigateway.HttpMethod;

/** Asks people whether a release may go on, by mail, and takes their answers: on a page, or by the command under their AWS identity. */
export class Approvals extends Construct {
  readonly fn: RustFunction;
  readonly topic: sns.Topic;

  constructor(scope: Construct, id: string, props: ApprovalsProps) {
    super(scope, id);
    const { api, configuration, defaults, ledger, store } = props;
    this.topic = this.mailTo(approverAddresses(configuration), props);

    this.fn = new RustFunction(this, 'Function', {
      ...defaults,
      name: 'approval',
      description: 'Asks people, and takes their answers',
      memory: 256,
      timeout: Duration.seconds(30),
      environment: {
        LOCKGATE_LEDGER: ledger.table.tableName,
        LOCKGATE_ARTIFACTS: store.bucket.bucketName,
        LOCKGATE_STATE_MACHINE: DeploymentMachine.arn(this),
        LOCKGATE_APPROVERS_TOPIC: this.topic.topicArn,
        LOCKGATE_TOPIC: defaults.notifications.topic.topicArn,
        LOCKGATE_APPROVAL_KEYS: KEYS,
        LOCKGATE_PAGES: api.url,
        ...gitHubSettings(configuration.pipeline),
      },
    });
    ledger.grantWrite(this.fn, 'approval', 'deployment', 'parked');
    ledger.grantTakeAway(this.fn, 'parked');
    ledger.grantSearchDue(this.fn);
    store.grantRead(this.fn);
    DeploymentMachine.grantAnswer(this.fn);
    DeploymentMachine.grantDescribe(this.fn);
    grantReadParameters(this.fn, `${KEYS}/key`, `${KEYS}/key-previous`);
    grantGitHub(this.fn);
    defaults.notifications.grantPublish(this.fn);
    iam.Grant.addToPrincipal({
      grantee: this.fn,
      // Whether an address is confirmed is asked before anybody waits for it.
      actions: ['sns:Publish', 'sns:ListSubscriptionsByTopic'],
      resourceArns: [this.topic.topicArn],
    });
    grantUse(props.key, this.fn);

    this.open(api);
  }

  /** One topic for all: a mail carries the approver's address as an attribute, and only that address' subscription takes it. */
  private mailTo(addresses: readonly string[], { defaults, key }: ApprovalsProps): sns.Topic {
    const topic = new sns.Topic(this, 'Topic', { topicName: TOPIC, enforceSSL: true, masterKey: key });
    for (const address of addresses) {
      const filterPolicy = { approver: sns.SubscriptionFilter.stringFilter({ allowlist: [address] }) };
      topic.addSubscription(new subscriptions.EmailSubscription(address, { filterPolicy }));
    }
    new OperatorAlarm(this, 'Unsent', {
      metric: topic.metricNumberOfNotificationsFailed({ period: Duration.minutes(5), statistic: 'Sum' }),
      happened: 'A mail to somebody who is to approve could not be delivered.',
      runbook: RUNBOOK.approverGetsNoMail,
      link: topicUrl(this, TOPIC),
      notifications: defaults.notifications,
    });
    return topic;
  }

  private open(api: PublicApi): void {
    const integration = new integrations.HttpLambdaIntegration('Approval', this.fn.live);
    // A mail scanner opens a hundred links at once.
    api.addOpenRoutes(
      { path: PAGE, methods: [GET, HEAD, POST], integration, throttle: { rateLimit: 20, burstLimit: 200 } },
      'The link is for people without an AWS identity; the function verifies the token in it, and that the form comes from its own page.',
    );
    api.addSignedRoutes({ path: BALLOTS, methods: [POST], integration, throttle: BY_COMMAND });
    api.addSignedRoutes({ path: PENDING, methods: [GET], integration, throttle: BY_COMMAND });

    // For whoever answers with the command `lockgate`. Who may call is IAM's to say; whose answer counts is the configuration's.
    const approver = new iam.ManagedPolicy(this, 'Approver', { managedPolicyName: 'lockgate-approver' });
    api.allow(approver, GET, PENDING);
    api.allow(approver, POST, BALLOTS);
  }
}
