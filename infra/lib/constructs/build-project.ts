import * as fs from 'node:fs';
import * as path from 'node:path';
import {
  ArnFormat,
  aws_codebuild as codebuild,
  aws_events as events,
  aws_events_targets as targets,
  aws_iam as iam,
  aws_lambda as lambda,
  aws_logs as logs,
  aws_s3_assets as assets,
  Duration,
  RemovalPolicy,
  Stack,
  Validations,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Application } from '../configuration';
import { Missing } from '../missing';
import { ReleaseStore } from './release-store';
import { buildFlag, RustFunction } from './rust-function';

export interface BuildProjectProps {
  /** Holds the command `lockgate`, which a build packages its cloud assembly with. */
  readonly cli: string;
  readonly architecture: lambda.Architecture;
  readonly applications: readonly Application[];
  readonly store: ReleaseStore;
  readonly logRetention: logs.RetentionDays;
}

const NAME = 'lockgate-build';
const LOG_GROUP = `/aws/codebuild/${NAME}`;

/** Runs a commit's own build and tests. What it runs is not trusted: its role writes releases, once each, and nothing else. */
export class BuildProject extends Construct {
  readonly project: codebuild.Project;

  constructor(scope: Construct, id: string, props: BuildProjectProps) {
    super(scope, id);
    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: LOG_GROUP,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const cli = new assets.Asset(this, 'Cli', { path: folderOf(props) });
    const role = this.role(logGroup, cli);
    props.store.grantWrite(role);

    const arm = props.architecture === lambda.Architecture.ARM_64;
    this.project = new codebuild.Project(this, 'Project', {
      projectName: NAME,
      description: 'Builds, tests and packages one commit of one application',
      // CDK's own additions to the role are wider than what a build needs; see below.
      role: role.withoutPolicyUpdates(),
      grantReportGroupPermissions: false,
      source: this.source(props.applications),
      secondarySources: [
        codebuild.Source.s3({ identifier: 'lockgate', bucket: cli.bucket, path: cli.s3ObjectKey }),
      ],
      environment: {
        // The command above is built for one architecture, so the builds run on that one.
        buildImage: arm
          ? codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0
          : codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5,
        computeType: codebuild.ComputeType.SMALL,
        privileged: false,
      },
      environmentVariables: { LOCKGATE_ARTIFACTS: { value: props.store.bucket.bucketName } },
      logging: { cloudWatch: { logGroup } },
      timeout: Duration.hours(1),
      queuedTimeout: Duration.hours(1),
    });
    Validations.of(this.project).acknowledge({
      id: 'AwsSolutions-CB4',
      reason: 'The project keeps no artifacts and no cache; what a build makes goes to the bucket of releases, with that bucket\'s key.',
    });
  }

  private role(logGroup: logs.LogGroup, cli: assets.Asset): iam.Role {
    const role = new iam.Role(this, 'Role', {
      roleName: `${NAME}-project`,
      assumedBy: new iam.ServicePrincipal('codebuild.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
      description: 'What a build may do; it may assume no role',
    });
    iam.Grant.addToPrincipal({
      grantee: role,
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      // A stream is created in the group, whose ARN has no ":*"; lines are put into the streams, which are behind it.
      resourceArns: [
        Stack.of(this).formatArn({ service: 'logs', resource: 'log-group', resourceName: LOG_GROUP, arnFormat: ArnFormat.COLON_RESOURCE_NAME }),
        logGroup.logGroupArn,
      ],
    });
    iam.Grant.addToPrincipal({
      grantee: role,
      actions: ['s3:GetObject', 's3:GetObjectVersion'],
      resourceArns: [cli.bucket.arnForObjects(cli.s3ObjectKey)],
    });
    return role;
  }

  /** Each build says itself which repository; a project cannot be without one. */
  private source(applications: readonly Application[]): codebuild.ISource {
    const [owner, repo] = (applications[0]?.repository ?? 'aws/aws-cdk').split('/') as [string, string];
    return codebuild.Source.gitHub({ owner, repo, reportBuildStatus: false });
  }

  /** Start builds of any repository, look at them and stop them. */
  grantBuild(grantee: iam.IGrantable): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions: ['codebuild:StartBuild', 'codebuild:BatchGetBuilds', 'codebuild:StopBuild'],
      resourceArns: [this.project.projectArn],
    });
  }

  /** An ended build wakes who waits for it. */
  wake(build: RustFunction): void {
    new events.Rule(this, 'Ended', {
      description: 'A build ended: wake the deployment that waits for it',
      eventPattern: {
        source: ['aws.codebuild'],
        detailType: ['CodeBuild Build State Change'],
        detail: {
          'project-name': [this.project.projectName],
          'build-status': ['SUCCEEDED', 'FAILED', 'FAULT', 'TIMED_OUT', 'STOPPED'],
        },
      },
      targets: [
        new targets.LambdaFunction(build.live, {
          event: events.RuleTargetInput.fromObject({ do: 'wake', build: events.EventField.fromPath('$.detail.build-id') }),
        }),
      ],
    });
  }
}

function folderOf({ cli, architecture }: BuildProjectProps): string {
  const program = path.join(cli, 'lockgate');
  if (!fs.existsSync(program)) {
    const build = `cargo lambda build --release ${buildFlag(architecture)} --package cli`;
    throw new Missing(`No ${program}: \`${build} && install -D target/lambda/lockgate/bootstrap ${program}\` makes it.`);
  }
  return cli;
}
