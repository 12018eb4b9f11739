import { aws_iam as iam, aws_kms as kms } from 'aws-cdk-lib';

/** What a caller of S3, SNS and DynamoDB needs of the key that these encrypt with; CDK's own grant has wildcard actions. */
export function grantUse(key: kms.IKey | undefined, grantee: iam.IGrantable): void {
  key?.grant(
    grantee,
    'kms:Decrypt',
    'kms:DescribeKey',
    'kms:Encrypt',
    'kms:GenerateDataKey',
    'kms:ReEncryptFrom',
    'kms:ReEncryptTo',
  );
}
