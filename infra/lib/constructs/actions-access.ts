import { aws_iam as iam, CfnOutput, Duration, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Actions, Trusted } from '../configuration';
import { actionsRole, bootstrap, Place, roleArn, STACKS } from '../names';
import { grantListApplications } from './application-parameters';
import { DeploymentMachine } from './deployment-machine';
import { ReleaseLedger } from './release-ledger';
import { explainWildcard } from './wildcard';

export interface ActionsAccessProps {
  readonly actions: Actions;
  readonly ledger: ReleaseLedger;
  /** Each place that the CDK app deploys a stack into, with the bootstrap that the stack is deployed by. */
  readonly bootstraps: readonly Bootstrap[];
}

export interface Bootstrap extends Place {
  readonly qualifier: string;
}

const ISSUER = 'token.actions.githubusercontent.com';
/** What aws-actions/configure-aws-credentials asks GitHub for. */
const AUDIENCE = 'sts.amazonaws.com';

/** As in PipelineStack: two statements of so many roles fit into a managed policy. */
const ROLES_OF_A_STATEMENT = 20;

/**
 * Access for workflows of GitHub Actions without a key that lasts: GitHub signs a token that says which workflow it is for,
 * and STS gives an hour of a role for it. See docs/decisions/0054-oidc-subjects-are-exact.md.
 */
export class ActionsAccess extends Construct {
  private readonly provider: string;

  constructor(scope: Construct, id: string, props: ActionsAccessProps) {
    super(scope, id);
    const { existing_provider, infrastructure, deployments } = props.actions;
    this.provider = existing_provider ? this.providerArn() : this.makeProvider();
    if (infrastructure) {
      this.admitInfrastructure(infrastructure, props.bootstraps);
    }
    if (deployments) {
      this.admitDeployments(deployments, props.ledger);
    }
  }

  private makeProvider(): string {
    // Without thumbprints: IAM trusts GitHub's certificate by its authority.
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-oidcprovider.html
    return new iam.OidcProviderNative(this, 'Provider', { url: `https://${ISSUER}`, clientIds: [AUDIENCE] }).oidcProviderArn;
  }

  /** The one that is there: an account has one of each issuer, and it is named by it. */
  private providerArn(): string {
    const { account, partition } = Stack.of(this);
    return `arn:${partition}:iam::${account}:oidc-provider/${ISSUER}`;
  }

  /** Deploys this CDK app, as `cdk deploy` does: by the roles of each place's bootstrap, and by nothing else. */
  private admitInfrastructure(trusted: Trusted, bootstraps: readonly Bootstrap[]): void {
    const role = this.role('Infrastructure', 'infrastructure', trusted, 'Lets workflows of GitHub Actions deploy Lockgate itself');
    const { partition } = Stack.of(this);
    // Not the role for look-ups, which reads whatever is in the account: the app looks nothing up.
    const all = bootstraps.flatMap(({ qualifier, ...place }) =>
      [bootstrap.deployRole, bootstrap.filePublishingRole].map((name) => roleArn(partition, place.account, name(qualifier, place))),
    );
    // The tools account may be a target too.
    const roles = [...new Set(all)];
    for (let from = 0; from < roles.length; from += ROLES_OF_A_STATEMENT) {
      iam.Grant.addToPrincipal({ grantee: role, actions: ['sts:AssumeRole'], resourceArns: roles.slice(from, from + ROLES_OF_A_STATEMENT) });
    }
  }

  /** What `lockgate deploy`, `plan`, `status`, `show` and `watch` ask of AWS, see tests/fixtures/calls-of-deployments.json. */
  private admitDeployments(trusted: Trusted, ledger: ReleaseLedger): void {
    const role = this.role('Deployments', 'deployments', trusted, 'Lets workflows of GitHub Actions start deployments');
    // CloudFormation ends a stack's ARN by an id of its own.
    const stack = Stack.of(this).formatArn({ service: 'cloudformation', resource: 'stack', resourceName: `${STACKS.pipeline}/*` });
    iam.Grant.addToPrincipal({ grantee: role, actions: ['cloudformation:DescribeStacks'], resourceArns: [stack] });
    explainWildcard(role, `Resource::${stack}`, 'It is the id that CloudFormation ends the ARN of this one stack with.');
    grantListApplications(role);
    ledger.grantAsk(role);
    DeploymentMachine.grantStart(role);
  }

  /** A role that exactly these workflows get, for an hour at most. */
  private role(id: string, name: 'infrastructure' | 'deployments', { subjects }: Trusted, description: string): iam.Role {
    const role = new iam.Role(this, id, {
      roleName: actionsRole(name),
      description,
      maxSessionDuration: Duration.hours(1),
      assumedBy: new iam.WebIdentityPrincipal(this.provider, {
        StringEquals: { [`${ISSUER}:aud`]: AUDIENCE, [`${ISSUER}:sub`]: [...subjects] },
      }),
    });
    new CfnOutput(this, `${id}Role`, { value: role.roleArn, description }).overrideLogicalId(`Actions${id}Role`);
    return role;
  }
}
