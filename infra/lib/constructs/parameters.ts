import { aws_iam as iam, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { RustFunction } from './rust-function';

export const parameterArn = (scope: Construct, name: string) =>
  Stack.of(scope).formatArn({ service: 'ssm', resource: 'parameter', resourceName: name.slice(1) });

/** Exactly these. What is secret among them is encrypted with the account's own key, which asks for no right beside this. */
export function grantReadParameters(fn: RustFunction, ...names: string[]): void {
  iam.Grant.addToPrincipal({ grantee: fn, actions: ['ssm:GetParameter'], resourceArns: names.map((name) => parameterArn(fn, name)) });
}
