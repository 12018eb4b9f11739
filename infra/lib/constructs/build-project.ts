import {
  aws_codebuild as codebuild,
  aws_events as events,
  aws_events_targets as targets,
  aws_iam as iam,
  aws_s3_assets as assets,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { folderOfProgram } from './built-program';
import { CommitProject, CommitProjectDefaults } from './commit-project';
import { DeadLetters } from './dead-letters';
import { ReleaseStore } from './release-store';
import { RustFunction } from './rust-function';

export interface BuildProjectProps extends CommitProjectDefaults {
  /** Holds the command `lockgate`, which a build packages its cloud assembly with. */
  readonly cli: string;
  readonly store: ReleaseStore;
}

/** Runs a commit's own build and tests. Its role writes releases, once each, and nothing else. */
export class BuildProject extends CommitProject {
  constructor(scope: Construct, id: string, props: BuildProjectProps) {
    super(scope, id, {
      ...props,
      name: 'lockgate-build',
      description: 'Builds, tests and packages one commit of one application',
      may: 'What a build may do; it may assume no role',
      environmentVariables: { LOCKGATE_ARTIFACTS: { value: props.store.bucket.bucketName } },
    });
    const cli = new assets.Asset(this, 'Cli', { path: folderOfProgram(props.cli, 'lockgate', props.architecture) });
    this.project.addSecondarySource(
      codebuild.Source.s3({ identifier: 'lockgate', bucket: cli.bucket, path: cli.s3ObjectKey }),
    );
    iam.Grant.addToPrincipal({
      grantee: this.role,
      actions: ['s3:GetObject', 's3:GetObjectVersion'],
      resourceArns: [cli.bucket.arnForObjects(cli.s3ObjectKey)],
    });
    props.store.grantWrite(this.role);
  }

  /** An ended build, of this project or another, wakes who waits for it. */
  wake(build: RustFunction, undelivered: DeadLetters, ...others: CommitProject[]): void {
    new events.Rule(this, 'Ended', {
      description: 'A build ended: wake the deployment that waits for it',
      eventPattern: {
        source: ['aws.codebuild'],
        detailType: ['CodeBuild Build State Change'],
        detail: {
          'project-name': [this, ...others].map(({ project }) => project.projectName),
          'build-status': ['SUCCEEDED', 'FAILED', 'FAULT', 'TIMED_OUT', 'STOPPED'],
        },
      },
      targets: [
        new targets.LambdaFunction(build.live, {
          event: events.RuleTargetInput.fromObject({ do: 'wake', build: events.EventField.fromPath('$.detail.build-id') }),
          deadLetterQueue: undelivered,
        }),
      ],
    });
  }
}
