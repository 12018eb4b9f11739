import { aws_iam as iam } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { grantReadParameters, parameterArn } from './parameters';
import { RustFunction } from './rust-function';
import { explainWildcard } from './wildcard';

/** Where the applications are described, each in a parameter that is named by its repository. */
export const APPLICATIONS = '/lockgate/applications';

/** Read what is known about any application. */
export function grantReadApplications(fn: RustFunction): void {
  const all = `${APPLICATIONS}/*`;
  grantReadParameters(fn, all);
  explainWildcard(
    fn,
    `Resource::${parameterArn(fn, all)}`,
    'A repository without a parameter must be answered as not found, not as access denied; only this stack writes below this path.',
  );
}

/** Ask which applications there are. */
export function grantListApplications(grantee: iam.IGrantable & Construct): void {
  iam.Grant.addToPrincipal({ grantee, actions: ['ssm:GetParametersByPath'], resourceArns: [parameterArn(grantee, APPLICATIONS)] });
}
