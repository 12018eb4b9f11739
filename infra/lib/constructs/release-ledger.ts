import { aws_dynamodb as dynamodb, aws_iam as iam, aws_kms as kms, RemovalPolicy } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { grantUse } from './key-use';

export interface ReleaseLedgerProps {
  /** Without it, DynamoDB encrypts with a key of its own. */
  readonly key?: kms.IKey;
}

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

  /** Read, write and compare; transactions need no right of their own. Nothing may be deleted, see grantTakeAway. */
  grantAppend(grantee: iam.IGrantable): void {
    this.grant(grantee, 'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:ConditionCheckItem');
  }

  /** Take away what was only waiting: a parked task that was answered, a report that was given. The record itself stays. */
  grantTakeAway(grantee: iam.IGrantable): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions: ['dynamodb:DeleteItem'],
      resourceArns: [this.table.tableArn],
      conditions: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['parked#*', 'report#*'] } },
    });
  }

  /** Ask for what is due. */
  grantSearchDue(grantee: iam.IGrantable): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions: ['dynamodb:Query'],
      resourceArns: [`${this.table.tableArn}/index/${this.index}`],
    });
  }

  private grant(grantee: iam.IGrantable, ...actions: string[]): void {
    iam.Grant.addToPrincipal({ grantee, actions, resourceArns: [this.table.tableArn] });
    grantUse(this.table.encryptionKey, grantee);
  }
}
