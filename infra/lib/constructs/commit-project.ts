import {
  ArnFormat,
  aws_codebuild as codebuild,
  aws_iam as iam,
  aws_lambda as lambda,
  aws_logs as logs,
  Duration,
  RemovalPolicy,
  Stack,
  Validations,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Application } from '../configuration';

/** What all such projects share. */
export interface CommitProjectDefaults {
  readonly architecture: lambda.Architecture;
  readonly applications: readonly Application[];
  readonly logRetention: logs.RetentionDays;
}

export interface CommitProjectProps extends CommitProjectDefaults {
  readonly name: string;
  /** One sentence, for the console. */
  readonly description: string;
  /** What its role may do, in a sentence. */
  readonly may: string;
  /** Beside what each build is given. */
  readonly environmentVariables?: Record<string, codebuild.BuildEnvironmentVariable>;
}

/** Runs what a commit itself says. That is not trusted: the role may write the project's log, and only what is granted to it here. */
export class CommitProject extends Construct {
  readonly project: codebuild.Project;
  protected readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: CommitProjectProps) {
    super(scope, id);
    const logGroupName = `/aws/codebuild/${props.name}`;
    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new iam.Role(this, 'Role', {
      roleName: `${props.name}-project`,
      assumedBy: new iam.ServicePrincipal('codebuild.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
      description: props.may,
    });
    iam.Grant.addToPrincipal({
      grantee: this.role,
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      // A stream is created in the group, whose ARN has no ":*"; lines are put into the streams, which are behind it.
      resourceArns: [
        Stack.of(this).formatArn({ service: 'logs', resource: 'log-group', resourceName: logGroupName, arnFormat: ArnFormat.COLON_RESOURCE_NAME }),
        logGroup.logGroupArn,
      ],
    });

    const arm = props.architecture === lambda.Architecture.ARM_64;
    this.project = new codebuild.Project(this, 'Project', {
      projectName: props.name,
      description: props.description,
      // CDK's own additions to the role are wider than what a build needs; see above.
      role: this.role.withoutPolicyUpdates(),
      grantReportGroupPermissions: false,
      source: source(props.applications),
      environment: {
        // The command `lockgate` is built for one architecture, so the builds run on that one.
        buildImage: arm
          ? codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0
          : codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5,
        computeType: codebuild.ComputeType.SMALL,
        privileged: false,
      },
      ...(props.environmentVariables && { environmentVariables: props.environmentVariables }),
      logging: { cloudWatch: { logGroup } },
      timeout: Duration.hours(1),
      queuedTimeout: Duration.hours(1),
    });
    Validations.of(this.project).acknowledge({
      id: 'AwsSolutions-CB4',
      reason: 'The project keeps no artifacts and no cache; what a build makes goes to the bucket of releases, with that bucket\'s key.',
    });
  }

  /** Start builds of any repository, and look at them. */
  grantBuild(grantee: iam.IGrantable): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions: ['codebuild:StartBuild', 'codebuild:BatchGetBuilds'],
      resourceArns: [this.project.projectArn],
    });
  }
}

/** Each build says itself which repository; a project cannot be without one. */
function source(applications: readonly Application[]): codebuild.ISource {
  const [owner, repo] = (applications[0]?.repository ?? 'aws/aws-cdk').split('/') as [string, string];
  return codebuild.Source.gitHub({ owner, repo, reportBuildStatus: false });
}
