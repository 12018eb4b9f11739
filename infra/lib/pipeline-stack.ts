import { aws_iam as iam, aws_kms as kms, aws_lambda as lambda, aws_logs as logs, CfnOutput, Duration, RemovalPolicy, Stack, StackProps } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Configuration, ownQualifier, targets } from './configuration';
import { ActionsAccess } from './constructs/actions-access';
import { APPLICATIONS, grantReadApplications } from './constructs/application-parameters';
import { Approvals } from './constructs/approvals';
import { BuildProject } from './constructs/build-project';
import { DeadLetters } from './constructs/dead-letters';
import { DeploymentMachine } from './constructs/deployment-machine';
import { gitHubSettings, grantGitHub } from './constructs/github-access';
import { IntegrationProject } from './constructs/integration-project';
import { Notifications } from './constructs/notifications';
import { PublicApi } from './constructs/public-api';
import { ReleaseLedger } from './constructs/release-ledger';
import { ReleaseStore } from './constructs/release-store';
import { RollbackMachine } from './constructs/rollback-machine';
import { FunctionDefaults, RustFunction } from './constructs/rust-function';
import { Sweep } from './constructs/sweep';
import { TargetEvents } from './constructs/target-events';
import { WebhookIntake } from './constructs/webhook-intake';
import { bootstrap, DEAD_EVENTS, KEY_ALIAS, observerRole, publisherRole, roleArn, testerRole } from './names';

/** What is built before this app runs. */
export interface Built {
  /** Folder of the functions, see RustFunction. */
  readonly functions: string;
  /** Folder of the command `lockgate` for builds. */
  readonly cli: string;
  /** What functions and command are built for. */
  readonly architecture: lambda.Architecture;
  /** The file of the state machine that deploys. */
  readonly definition: string;
  /** The file of the one by which people ask for a rollback. */
  readonly rollback: string;
}

export interface PipelineStackProps extends StackProps {
  readonly configuration: Configuration;
  readonly built: Built;
  /** Default: three months. */
  readonly logRetention?: logs.RetentionDays;
}

/** Some three thousand characters: two statements fit into a managed policy. */
const ROLES_OF_A_STATEMENT = 20;

/** Everything in the tools account. */
export class PipelineStack extends Stack {
  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props);
    const { built, configuration, logRetention = logs.RetentionDays.THREE_MONTHS } = props;
    const { applications, pipeline } = configuration;
    const deployedTo = targets(configuration);

    const key = pipeline.customer_managed_keys
      ? new kms.Key(this, 'Key', {
          alias: KEY_ALIAS,
          description: 'Ledger, releases and notifications of Lockgate',
          enableKeyRotation: true,
          removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        })
      : undefined;
    const ledger = new ReleaseLedger(this, 'Ledger', { key });
    const store = new ReleaseStore(this, 'Store', { key, targets: deployedTo });
    const notifications = new Notifications(this, 'Notifications', { key, addresses: pipeline.notify, runbook: pipeline.runbook });
    const undelivered = new DeadLetters(this, 'Undelivered', {
      queueName: DEAD_EVENTS.pipeline,
      happened: 'EventBridge could not hand an event over to a function; it is kept for 14 days.',
      notifications,
    });
    const commits = { architecture: built.architecture, applications, logRetention };
    const project = new BuildProject(this, 'Project', { ...commits, cli: built.cli, store });
    const integration = new IntegrationProject(this, 'Integration', commits);
    const api = new PublicApi(this, 'Api', { logRetention, notifications });

    const defaults: FunctionDefaults = {
      folder: built.functions,
      architecture: built.architecture,
      logRetention,
      notifications,
    };
    const LOCKGATE_LEDGER = ledger.table.tableName;
    const LOCKGATE_ARTIFACTS = store.bucket.bucketName;
    const LOCKGATE_STATE_MACHINE = DeploymentMachine.arn(this);

    const { fn: approval, topic: approvers } = new Approvals(this, 'Approvals', { defaults, configuration, ledger, store, api, key });

    const gate = new RustFunction(this, 'Gate', {
      ...defaults,
      name: 'gate',
      description: 'Admits deployments to their environment, one at a time',
      memory: 256,
      timeout: Duration.seconds(30),
      environment: { LOCKGATE_LEDGER, LOCKGATE_STATE_MACHINE, LOCKGATE_WAKE_APPROVAL: approval.live.functionArn },
    });
    ledger.grantWrite(gate, 'deployment', 'environment', 'history', 'parked', 'report');
    ledger.grantTakeAway(gate, 'parked');
    DeploymentMachine.grantAnswer(gate);
    DeploymentMachine.grantDescribe(gate);
    // One that waits for people is superseded when a newer one queues.
    approval.grantInvoke(gate);

    const build = new RustFunction(this, 'Build', {
      ...defaults,
      name: 'build',
      description: 'Has a commit built, once, and its integration tests run',
      memory: 256,
      timeout: Duration.seconds(30),
      environment: {
        LOCKGATE_LEDGER,
        LOCKGATE_ARTIFACTS,
        LOCKGATE_BUILD_PROJECT: project.project.projectName,
        LOCKGATE_INTEGRATION_PROJECT: integration.project.projectName,
      },
    });
    ledger.grantWrite(build, 'build', 'deployment', 'parked');
    ledger.grantTakeAway(build, 'parked');
    store.grantRead(build);
    project.grantBuild(build);
    integration.grantBuild(build);
    project.wake(build, undelivered, integration);
    DeploymentMachine.grantAnswer(build);

    const deploy = new RustFunction(this, 'Deploy', {
      ...defaults,
      name: 'deploy',
      description: 'Brings the stacks of a release into an environment',
      memory: 512,
      // For the sake of publishing, which copies hundreds of assets in one call; "Publish assets" waits 15 minutes.
      timeout: Duration.minutes(14),
      environment: { LOCKGATE_LEDGER, LOCKGATE_ARTIFACTS, LOCKGATE_EXTERNAL_ID: pipeline.external_id },
    });
    ledger.grantWrite(deploy, 'deployment', 'environment', 'parked', 'stack');
    ledger.grantTakeAway(deploy, 'parked');
    store.grantRead(deploy);
    DeploymentMachine.grantAnswer(deploy);
    this.grantAssume(
      deploy,
      deployedTo.flatMap((target) => [
        ...target.qualifiers.map((qualifier) => [target.account, bootstrap.deployRole(qualifier, target)] as const),
        [target.account, publisherRole(target)],
      ]),
    );

    const smokeTest = new RustFunction(this, 'SmokeTest', {
      ...defaults,
      name: 'smoke-test',
      description: 'Asks an environment whether it works',
      memory: 256,
      // "Run smoke tests" waits 15 minutes.
      timeout: Duration.minutes(14),
      environment: {
        LOCKGATE_LEDGER,
        LOCKGATE_ARTIFACTS,
        LOCKGATE_EXTERNAL_ID: pipeline.external_id,
        LOCKGATE_SMOKE_ALLOW: pipeline.smoke_test_addresses.join(','),
      },
    });
    ledger.grantWrite(smokeTest, 'deployment');
    store.grantRead(smokeTest);
    this.grantAssume(
      smokeTest,
      deployedTo.map((target) => [target.account, testerRole(target)]),
    );

    const rollback = new RustFunction(this, 'Rollback', {
      ...defaults,
      name: 'rollback',
      description: 'Watches the alarms of what was deployed, and takes it back',
      memory: 256,
      timeout: Duration.seconds(50),
      environment: {
        LOCKGATE_LEDGER,
        LOCKGATE_ARTIFACTS,
        LOCKGATE_STATE_MACHINE,
        LOCKGATE_APPLICATIONS: APPLICATIONS,
        LOCKGATE_EXTERNAL_ID: pipeline.external_id,
        LOCKGATE_TOPIC: notifications.topic.topicArn,
      },
    });
    ledger.grantWrite(rollback, 'deployment', 'history', 'parked', 'watch');
    ledger.grantTakeAway(rollback, 'parked');
    store.grantRead(rollback);
    DeploymentMachine.grantAnswer(rollback);
    // After the bake, going back is a deployment of its own.
    DeploymentMachine.grantStart(rollback);
    DeploymentMachine.grantDescribe(rollback);
    grantReadApplications(rollback);
    notifications.grantPublish(rollback);
    this.grantAssume(
      rollback,
      deployedTo.map((target) => [target.account, observerRole(target)]),
    );

    const report = new RustFunction(this, 'Report', {
      ...defaults,
      name: 'report',
      description: 'Tells people and GitHub how a deployment goes',
      memory: 256,
      // "Report end" waits 60 s.
      timeout: Duration.seconds(55),
      environment: {
        LOCKGATE_LEDGER,
        LOCKGATE_STATE_MACHINE,
        LOCKGATE_TOPIC: notifications.topic.topicArn,
        ...gitHubSettings(pipeline),
      },
    });
    ledger.grantWrite(report, 'github');
    ledger.grantTakeAway(report, 'report');
    ledger.tellOfEntries(report, undelivered);
    notifications.grantPublish(report);
    grantGitHub(report);

    const { machine } = new DeploymentMachine(this, 'Machine', {
      definition: built.definition,
      gate,
      build,
      deploy,
      smokeTest,
      approval,
      rollback,
      report,
      logRetention,
      notifications,
      undelivered,
    });
    const { machine: rollbacks } = new RollbackMachine(this, 'RollbackMachine', { definition: built.rollback, rollback, logRetention });
    const { url } = new WebhookIntake(this, 'Webhook', { defaults, configuration, ledger, api });
    if (deployedTo.length > 0) {
      // The id is from when there were stack events only. Under another one CloudFormation would make a second bus, and its name is taken.
      new TargetEvents(this, 'StackEvents', { targets: deployedTo, deploy, rollback, undelivered });
    }
    new Sweep(this, 'Sweep', { defaults, pipeline, ledger, gate, build, deploy, approval, rollback, report, undelivered });

    if (configuration.actions) {
      const own = { account: pipeline.account, region: pipeline.region, qualifier: this.synthesizer.bootstrapQualifier! };
      const others = deployedTo.map((target) => ({ ...target, qualifier: ownQualifier(target) }));
      new ActionsAccess(this, 'Actions', { actions: configuration.actions, ledger, bootstraps: [own, ...others] });
    }

    new CfnOutput(this, 'WebhookUrl', { value: url, description: 'Payload URL of the GitHub webhook' });
    new CfnOutput(this, 'ApiUrl', { value: api.url, description: 'Where approval links and the command lockgate lead' });
    new CfnOutput(this, 'LedgerTable', { value: LOCKGATE_LEDGER });
    new CfnOutput(this, 'ArtifactsBucket', { value: LOCKGATE_ARTIFACTS });
    new CfnOutput(this, 'StateMachine', { value: machine.stateMachineArn });
    new CfnOutput(this, 'RollbackMachineArn', { value: rollbacks.stateMachineArn }).overrideLogicalId('RollbackMachine');
    new CfnOutput(this, 'Topic', { value: notifications.topic.topicArn });
    new CfnOutput(this, 'ApproversTopic', { value: approvers.topicArn });
  }

  /** Exactly these roles: who assumes a deploy role administers the account. */
  private grantAssume(grantee: RustFunction, roles: readonly (readonly [account: string, role: string])[]): void {
    // A policy has a length (IAM user guide, "IAM and AWS STS quotas"), and the CDK moves what is too much into further
    // ones by whole statements.
    for (let from = 0; from < roles.length; from += ROLES_OF_A_STATEMENT) {
      iam.Grant.addToPrincipal({
        grantee,
        actions: ['sts:AssumeRole', 'sts:TagSession'],
        resourceArns: roles.slice(from, from + ROLES_OF_A_STATEMENT).map(([account, role]) => roleArn(this.partition, account, role)),
      });
    }
  }
}
