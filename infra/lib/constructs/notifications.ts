import { aws_iam as iam, aws_kms as kms, aws_sns as sns, aws_sns_subscriptions as subscriptions, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { grantUse } from './key-use';

export interface NotificationsProps {
  /** Each must answer the confirmation mail that AWS sends before it gets anything. */
  readonly addresses: readonly string[];
  /** Where they read docs/OPERATIONS.md. */
  readonly runbook?: string;
  /** Encrypts what waits to be sent; without it, nothing is encrypted at rest. */
  readonly key?: kms.IKey;
}

/** What people are told: how deployments went, and that the pipeline itself is not well. */
export class Notifications extends Construct {
  readonly topic: sns.Topic;
  readonly runbook?: string;

  constructor(scope: Construct, id: string, props: NotificationsProps) {
    super(scope, id);
    const { account, region, partition } = Stack.of(this);
    this.runbook = props.runbook;

    this.topic = new sns.Topic(this, 'Topic', {
      enforceSSL: true,
      masterKey: props.key,
    });
    for (const address of props.addresses) {
      this.topic.addSubscription(new subscriptions.EmailSubscription(address));
    }

    // A topic with a policy of its own no longer admits the account's alarms by default.
    const alarms = {
      principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
      conditions: {
        StringEquals: { 'aws:SourceAccount': account },
        ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:*` },
      },
    };
    this.topic.addToResourcePolicy(
      new iam.PolicyStatement({ ...alarms, sid: 'Alarms', actions: ['sns:Publish'], resources: [this.topic.topicArn] }),
    );
    props.key?.addToResourcePolicy(
      new iam.PolicyStatement({
        principals: alarms.principals,
        conditions: { StringEquals: alarms.conditions.StringEquals },
        sid: 'Alarms',
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        // In a key's policy, `*` is that key.
        resources: ['*'],
      }),
    );
  }

  grantPublish(grantee: iam.IGrantable): void {
    iam.Grant.addToPrincipal({ grantee, actions: ['sns:Publish'], resourceArns: [this.topic.topicArn] });
    grantUse(this.topic.masterKey, grantee);
  }
}
