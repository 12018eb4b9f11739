/**
 * Names that one account's template needs of another account's resources. They are fixed, because a template
 * cannot refer across accounts; everything else is named by CloudFormation.
 */
import { Target } from './configuration';

/** An account and region. */
export type Place = Pick<Target, 'account' | 'region'>;

export const FUNCTIONS = ['webhook', 'gate', 'build', 'deploy', 'smoke-test', 'approval', 'rollback', 'report', 'sweep'] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

export const STACKS = { pipeline: 'lockgate-pipeline', environment: 'lockgate-environment' };
export const BUS = 'lockgate';
/** Queues of what EventBridge could not hand over; both stacks may be in one account and region. */
export const DEAD_EVENTS = { pipeline: 'lockgate-events-dead-letters', environment: 'lockgate-environment-dead-letters' };
export const KEY_ALIAS = 'alias/lockgate';
export const STATE_MACHINE = 'lockgate-deployment';
export const ROLLBACK_MACHINE = 'lockgate-rollback';

export const functionName = (name: FunctionName) => `lockgate-${name}`;
export const artifactsBucket = (account: string, region: string) => `lockgate-artifacts-${account}-${region}`;

// A role's name is unique in an account, not in a region.
export const publisherRole = ({ region }: Target) => `lockgate-publisher-${region}`;
/** Those of every region. */
export const PUBLISHER_ROLES = 'lockgate-publisher-*';
export const testerRole = ({ region }: Target) => `lockgate-tester-${region}`;
export const observerRole = ({ region }: Target) => `lockgate-observer-${region}`;

/** Workflows name them. */
export const actionsRole = (may: 'infrastructure' | 'deployments') => `lockgate-actions-${may}`;

/** https://github.com/aws/aws-cdk-cli/blob/main/packages/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml */
export const bootstrap = {
  deployRole: (qualifier: string, { account, region }: Place) => `cdk-${qualifier}-deploy-role-${account}-${region}`,
  filePublishingRole: (qualifier: string, { account, region }: Place) => `cdk-${qualifier}-file-publishing-role-${account}-${region}`,
  bucket: (qualifier: string, { account, region }: Place) => `cdk-${qualifier}-assets-${account}-${region}`,
};

/** `partition` is a token: the same text serves every partition. */
export const roleArn = (partition: string, account: string, role: string) => `arn:${partition}:iam::${account}:role/${role}`;
