import { aws_iam as iam, aws_kms as kms, aws_s3 as s3, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Target } from '../configuration';
import { artifactsBucket, PUBLISHER_ROLES, roleArn } from '../names';
import { grantUse } from './key-use';
import { explainWildcard } from './wildcard';

export interface ReleaseStoreProps {
  /** Without it, S3 encrypts with a key of its own. */
  readonly key?: kms.IKey;
  /** Where releases are published; each has one role that may copy from here. */
  readonly targets: readonly Target[];
}

const CONTENT = 'objects/*';
const INDEXES = 'releases/*';
const BY_DIGEST = 'Objects are named by the digest of their content, which nobody knows beforehand.';

/** Everything needed to deploy a release again: content and index of each, named by digest, written once. */
export class ReleaseStore extends Construct {
  readonly bucket: s3.Bucket;
  private readonly key: kms.IKey | undefined;

  constructor(scope: Construct, id: string, props: ReleaseStoreProps) {
    super(scope, id);
    const { account, region } = Stack.of(this);
    this.key = props.key;

    this.bucket = new s3.Bucket(this, 'Bucket', {
      bucketName: artifactsBucket(account, region),
      versioned: true,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
      ...(props.key
        ? { encryption: s3.BucketEncryption.KMS, encryptionKey: props.key, bucketKeyEnabled: true }
        : { encryption: s3.BucketEncryption.S3_MANAGED }),
      lifecycleRules: [
        { id: 'incomplete-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
        // Nothing is written twice, so an old version means that somebody deleted by hand: a month to notice.
        { id: 'deleted-by-hand', noncurrentVersionExpiration: Duration.days(30), expiredObjectDeleteMarker: true },
      ],
    });
    Validations.of(this.bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'Access logs would need a second bucket; who wrote a release is in the ledger, and CloudTrail data events cover the rest.',
    });

    // A commit's build may not replace what an earlier build made and people approved.
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'WriteOnce',
        effect: iam.Effect.DENY,
        principals: [new iam.AnyPrincipal()],
        actions: ['s3:PutObject'],
        resources: [this.bucket.arnForObjects('*')],
        conditions: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
      }),
    );
    this.admitPublishers(props.targets);
  }

  /**
   * The publisher roles are made after this policy, and a policy that names a role which does not exist is refused.
   * Hence the accounts are the principals, and the condition names the roles. One statement for all of them: a bucket's
   * policy holds 20 KB, which a statement for each target fills at sixty targets and a list of accounts at five hundred.
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
   */
  private admitPublishers(targets: readonly Target[]): void {
    const accounts = [...new Set(targets.map((target) => target.account))];
    if (accounts.length === 0) {
      return;
    }
    const publishers = {
      sid: 'Publishers',
      principals: accounts.map((account) => new iam.AccountPrincipal(account)),
      conditions: { ArnLike: { 'aws:PrincipalArn': roleArn(Stack.of(this).partition, '*', PUBLISHER_ROLES) } },
    };
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({ ...publishers, actions: ['s3:GetObject'], resources: [this.bucket.arnForObjects(CONTENT)] }),
    );
    // In a key's policy, `*` is that key.
    this.key?.addToResourcePolicy(new iam.PolicyStatement({ ...publishers, actions: ['kms:Decrypt'], resources: ['*'] }));
  }

  grantRead(grantee: iam.IGrantable & Construct): void {
    this.grant(grantee, 's3:GetObject');
    // Without it S3 says "denied" where it means "not there", and nobody could tell a missing file from a lost right.
    iam.Grant.addToPrincipal({ grantee, actions: ['s3:ListBucket'], resourceArns: [this.bucket.bucketArn] });
    this.key?.grantDecrypt(grantee);
  }

  /**
   * Writing includes reading. What is there already is not written again, and is only taken for what its name says once
   * S3 has told its checksum (HeadObject), since the builds of all applications write here. IAM has no permission for
   * that but `s3:GetObject`: a build may also read what it knows the digest of, and may not list what there is.
   */
  grantWrite(grantee: iam.IGrantable & Construct): void {
    this.grant(grantee, 's3:GetObject', 's3:PutObject');
    grantUse(this.key, grantee);
  }

  private grant(grantee: iam.IGrantable & Construct, ...actions: string[]): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions,
      resourceArns: [CONTENT, INDEXES].map((keys) => this.bucket.arnForObjects(keys)),
    });
    for (const keys of [CONTENT, INDEXES]) {
      explainWildcard(grantee, `Resource::<${Stack.of(this).getLogicalId(this.bucket.node.defaultChild as s3.CfnBucket)}.Arn>/${keys}`, BY_DIGEST);
    }
  }
}
