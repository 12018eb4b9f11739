import {
  aws_dynamodb as dynamodb,
  aws_iam as iam,
  aws_kms as kms,
  aws_lambda as lambda,
  aws_lambda_event_sources as sources,
  Duration,
  RemovalPolicy,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { DeadLetters } from './dead-letters';
import { grantUse } from './key-use';
import { RustFunction } from './rust-function';

export interface ReleaseLedgerProps {
  /** Without it, DynamoDB encrypts with a key of its own. */
  readonly key?: kms.IKey;
}

/** A kind of item: what its partition key begins with, see docs/ARCHITECTURE.md. */
export type Kind = 'approval' | 'build' | 'delivery' | 'deployment' | 'environment' | 'github' | 'head' | 'history' | 'parked' | 'pin' | 'report' | 'stack' | 'watch';

/** What is only waiting: a task that is to be answered, a report that is to be given. The record itself stays. */
export type WaitingKind = Extract<Kind, 'parked' | 'report'>;

/**
 * The attributes of what is written by whoever asks for a deployment: entries and heads, OperatorAct and Listed in crates/aws
 * and crates/domain. What changes, such as the lock, has `revision` and `state`; what the sweep finds has `due_kind` and `due_at`.
 */
const WRITTEN_BY_ASKING = {
  deployment: ['at', 'deployment', 'hash', 'previous', 'sequence', 'status', 'what'],
  environment: ['act', 'at', 'by', 'deployment', 'why'],
  history: ['at', 'commit', 'deployment', 'environment', 'happened_at'],
} satisfies Partial<Record<Kind, string[]>>;

/** The append-only record of releases and deployments; the truth. */
export class ReleaseLedger extends Construct {
  readonly table: dynamodb.Table;
  private readonly index = 'by_due';

  constructor(scope: Construct, id: string, props: ReleaseLedgerProps) {
    super(scope, id);
    this.table = new dynamodb.Table(this, 'Table', {
      partitionKey: { name: 'pk', type: dynamodb.AttributeType.STRING },
      sortKey: { name: 'sk', type: dynamodb.AttributeType.STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      // Whoever tells of what happened learns of it by this; the keys are enough, since the ledger itself is read.
      stream: dynamodb.StreamViewType.KEYS_ONLY,
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
      ...(props.key && { encryption: dynamodb.TableEncryption.CUSTOMER_MANAGED, encryptionKey: props.key }),
    });
    // Holds only what the sweep must look at one day.
    this.table.addGlobalSecondaryIndex({
      indexName: this.index,
      partitionKey: { name: 'due_kind', type: dynamodb.AttributeType.STRING },
      sortKey: { name: 'due_at', type: dynamodb.AttributeType.STRING },
      projectionType: dynamodb.ProjectionType.ALL,
    });
  }

  /** Read all of it. */
  grantRead(grantee: iam.IGrantable): void {
    iam.Grant.addToPrincipal({ grantee, actions: ['dynamodb:GetItem', 'dynamodb:Query'], resourceArns: [this.table.tableArn] });
    grantUse(this.table.encryptionKey, grantee);
  }

  /**
   * Read all of it, and write items of these kinds; transactions need no right of their own. Whoever breaks into one
   * function can forge what that function writes in the ledger, and nothing else there. Nothing may be deleted, see grantTakeAway.
   */
  grantWrite(grantee: iam.IGrantable, ...kinds: Kind[]): void {
    this.grantRead(grantee);
    this.grantOn(kinds, grantee, 'dynamodb:PutItem', 'dynamodb:UpdateItem');
  }

  /** Read and write items of these kinds, and know of nothing else, not even that it is there. */
  grantOwn(grantee: iam.IGrantable, ...kinds: Kind[]): void {
    this.grantOn(kinds, grantee, 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem');
    grantUse(this.table.encryptionKey, grantee);
  }

  /** Take away what was only waiting. */
  grantTakeAway(grantee: iam.IGrantable, ...kinds: WaitingKind[]): void {
    this.grantOn(kinds, grantee, 'dynamodb:DeleteItem');
  }

  /** Ask for what is due. */
  grantSearchDue(grantee: iam.IGrantable): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions: ['dynamodb:Query'],
      resourceArns: [`${this.table.tableArn}/index/${this.index}`],
    });
  }

  /**
   * Have a function told of every entry that is added. An entry that it cannot take is put by after some attempts: what is
   * told late is found by the sweep, and must not keep everything behind it waiting.
   */
  tellOfEntries(fn: RustFunction, undelivered: DeadLetters): void {
    fn.live.addEventSource(
      new sources.DynamoEventSource(this.table, {
        startingPosition: lambda.StartingPosition.TRIM_HORIZON,
        batchSize: 25,
        bisectBatchOnError: true,
        retryAttempts: 3,
        maxRecordAge: Duration.hours(1),
        filters: [
          lambda.FilterCriteria.filter({
            eventName: lambda.FilterRule.isEqual('INSERT'),
            dynamodb: { Keys: { sk: { S: lambda.FilterRule.beginsWith('entry#') } } },
          }),
        ],
        onFailure: new sources.SqsDlq(undelivered),
      }),
    );
  }

  /**
   * Ask for a deployment and follow it, as the command `lockgate` does: begin a record and list it, write down who asked, and
   * read what that takes. Who asked stands beside the environment's lock, under the same partition key; the attributes tell
   * it from the lock, from what is stable and from what people said, so none of these can be forged, and nothing can be put
   * before the sweep.
   */
  grantAsk(grantee: iam.IGrantable): void {
    this.grantOn(['build'], grantee, 'dynamodb:GetItem');
    this.grantOn(['deployment', 'environment'], grantee, 'dynamodb:GetItem', 'dynamodb:Query');
    for (const [kind, attributes] of Object.entries(WRITTEN_BY_ASKING)) {
      iam.Grant.addToPrincipal({
        grantee,
        actions: ['dynamodb:PutItem'],
        resourceArns: [this.table.tableArn],
        conditions: {
          'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [`${kind}#*`] },
          'ForAllValues:StringEquals': { 'dynamodb:Attributes': ['pk', 'sk', ...attributes] },
        },
      });
    }
    grantUse(this.table.encryptionKey, grantee);
  }

  private grantOn(kinds: readonly Kind[], grantee: iam.IGrantable, ...actions: string[]): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions,
      resourceArns: [this.table.tableArn],
      conditions: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': kinds.map((kind) => `${kind}#*`) } },
    });
  }
}
