import { Validations } from 'aws-cdk-lib';
import { IConstruct } from 'constructs';

/**
 * The written reason of a `*` in a policy of `holder`. `finding` is cdk-nag's name for it, such as
 * `Resource::*`; without this call the wildcard fails the tests.
 */
export function explainWildcard(holder: IConstruct, finding: string, reason: string): void {
  Validations.of(holder).acknowledge({ id: `AwsSolutions-IAM5[${finding}]`, reason });
}
