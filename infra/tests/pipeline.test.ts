import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { Template } from 'aws-cdk-lib/assertions';
import { FUNCTIONS, functionName, STATE_MACHINE } from '../lib/names';
import { PipelineStack } from '../lib/pipeline-stack';
import { emptyApp, fixture, INFRA, standIn } from './stand-in';
import { pipeline, Resource, smallestPipeline, statements, Statement } from './templates';

const READ_LEDGER = ['dynamodb:GetItem', 'dynamodb:Query'];
const LEDGER = [...READ_LEDGER, 'dynamodb:PutItem', 'dynamodb:UpdateItem'];
const TAKE_AWAY = ['dynamodb:DeleteItem'];
const READ_RELEASES = ['s3:GetObject', 's3:ListBucket'];
const ANSWER = ['states:SendTaskFailure', 'states:SendTaskHeartbeat', 'states:SendTaskSuccess'];
const ASSUME = ['sts:AssumeRole', 'sts:TagSession'];
const GITHUB = ['LOCKGATE_GITHUB', 'LOCKGATE_GITHUB_API'];
const STREAM = ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator', 'dynamodb:ListStreams'];
const ITSELF = ['logs:CreateLogStream', 'logs:PutLogEvents', 'sqs:SendMessage', 'xray:PutTelemetryRecords', 'xray:PutTraceSegments'];

const MAY: Record<(typeof FUNCTIONS)[number], string[]> = {
  webhook: [...LEDGER.filter((action) => action !== 'dynamodb:Query'), 'ssm:GetParameter', 'states:StartExecution'],
  gate: [...LEDGER, ...TAKE_AWAY, ...ANSWER, 'lambda:InvokeFunction', 'states:DescribeExecution'],
  build: [...LEDGER, ...TAKE_AWAY, ...ANSWER, 'codebuild:BatchGetBuilds', 'codebuild:StartBuild', ...READ_RELEASES],
  deploy: [...LEDGER, ...TAKE_AWAY, ...ANSWER, ...ASSUME, ...READ_RELEASES],
  'smoke-test': [...LEDGER, ...ASSUME, ...READ_RELEASES],
  approval: [
    ...LEDGER,
    ...TAKE_AWAY,
    ...ANSWER,
    ...READ_RELEASES,
    'sns:ListSubscriptionsByTopic',
    'sns:Publish',
    'ssm:GetParameter',
    'states:DescribeExecution',
  ],
  rollback: [
    ...LEDGER,
    ...TAKE_AWAY,
    ...ANSWER,
    ...ASSUME,
    ...READ_RELEASES,
    'sns:Publish',
    'ssm:GetParameter',
    'states:DescribeExecution',
    'states:StartExecution',
  ],
  // Beside its own dead letters, it puts those of the stream into the pipeline's queue.
  report: [...LEDGER, ...STREAM, ...TAKE_AWAY, 'sns:Publish', 'sqs:GetQueueAttributes', 'sqs:GetQueueUrl', 'ssm:GetParameter'],
  sweep: [
    ...LEDGER,
    'lambda:InvokeFunction',
    'ssm:GetParameter',
    'ssm:GetParametersByPath',
    'states:DescribeExecution',
    'states:StartExecution',
  ],
};

const READS: Record<(typeof FUNCTIONS)[number], string[]> = {
  webhook: ['LOCKGATE_APPLICATIONS', ...GITHUB, 'LOCKGATE_LEDGER', 'LOCKGATE_SECRETS', 'LOCKGATE_STATE_MACHINE'],
  gate: ['LOCKGATE_LEDGER', 'LOCKGATE_STATE_MACHINE', 'LOCKGATE_WAKE_APPROVAL'],
  build: ['LOCKGATE_ARTIFACTS', 'LOCKGATE_BUILD_PROJECT', 'LOCKGATE_INTEGRATION_PROJECT', 'LOCKGATE_LEDGER'],
  deploy: ['LOCKGATE_ARTIFACTS', 'LOCKGATE_EXTERNAL_ID', 'LOCKGATE_LEDGER'],
  'smoke-test': ['LOCKGATE_ARTIFACTS', 'LOCKGATE_EXTERNAL_ID', 'LOCKGATE_LEDGER', 'LOCKGATE_SMOKE_ALLOW'],
  approval: [
    'LOCKGATE_APPROVAL_KEYS',
    'LOCKGATE_APPROVERS_TOPIC',
    'LOCKGATE_ARTIFACTS',
    ...GITHUB,
    'LOCKGATE_LEDGER',
    'LOCKGATE_PAGES',
    'LOCKGATE_STATE_MACHINE',
    'LOCKGATE_TOPIC',
  ],
  rollback: [
    'LOCKGATE_APPLICATIONS',
    'LOCKGATE_ARTIFACTS',
    'LOCKGATE_EXTERNAL_ID',
    'LOCKGATE_LEDGER',
    'LOCKGATE_STATE_MACHINE',
    'LOCKGATE_TOPIC',
  ],
  report: [...GITHUB, 'LOCKGATE_LEDGER', 'LOCKGATE_STATE_MACHINE', 'LOCKGATE_TOPIC'],
  sweep: [
    'LOCKGATE_APPLICATIONS',
    ...GITHUB,
    'LOCKGATE_LEDGER',
    'LOCKGATE_STATE_MACHINE',
    'LOCKGATE_WAKE_APPROVAL',
    'LOCKGATE_WAKE_BUILD',
    'LOCKGATE_WAKE_DEPLOY',
    'LOCKGATE_WAKE_GATE',
    'LOCKGATE_WAKE_REPORT',
    'LOCKGATE_WAKE_ROLLBACK',
  ],
};

const of = (name: string, action: string): Statement[] =>
  pipeline.statements(pipeline.role(name)).filter((statement) => statement.Action.includes(action));
const resources = (name: string, action: string): string[] => of(name, action).flatMap((statement) => statement.Resource).sort();
const live = (name: string): string => {
  const version = pipeline.all('AWS::Lambda::Alias').find((alias) => alias.Properties.FunctionName === `<${pipeline.idOf(pipeline.fn(functionName(name as never)))}>`)!;
  return `<${pipeline.idOf(version)}>`;
};

for (const name of FUNCTIONS) {
  test(`${name} has a role of its own, which may do its work and nothing else`, () => {
    const fn = pipeline.fn(functionName(name));
    const role = pipeline.role(functionName(name));
    assert.equal(fn.Properties.Role, `<${pipeline.idOf(role)}.Arn>`);
    assert.deepEqual(pipeline.actions(role), [...MAY[name], ...ITSELF].sort());
  });

  test(`${name} reads only its own configuration`, () => {
    assert.deepEqual(Object.keys(pipeline.fn(functionName(name)).Properties.Environment.Variables).sort(), READS[name]);
  });

  test(`${name} is called through its alias, keeps its logs and dead letters, and is watched`, () => {
    const { Properties: fn } = pipeline.fn(functionName(name));
    assert.equal(fn.Runtime, 'provided.al2023');
    assert.deepEqual(fn.Architectures, ['arm64']);
    assert.deepEqual(fn.TracingConfig, { Mode: 'Active' });
    assert.equal(fn.LoggingConfig.LogFormat, 'JSON');
    const aliases = pipeline.all('AWS::Lambda::Alias').filter((alias) => live(name) === `<${pipeline.idOf(alias)}>`);
    assert.deepEqual(aliases.map((alias) => alias.Properties.Name), ['live']);

    const logGroup = pipeline.all('AWS::Logs::LogGroup').find((group) => group.Properties.LogGroupName === `/aws/lambda/${functionName(name)}`)!;
    assert.equal(fn.LoggingConfig.LogGroup, `<${pipeline.idOf(logGroup)}>`);
    assert.equal(logGroup.Properties.RetentionInDays, 90);

    const queue = pipeline.all('AWS::SQS::Queue').find((queue) => fn.DeadLetterConfig.TargetArn === `<${pipeline.idOf(queue)}.Arn>`)!;
    assert.equal(queue.Properties.SqsManagedSseEnabled, true);

    const watched = (dimension: string, value: string) =>
      pipeline
        .all('AWS::CloudWatch::Alarm')
        .filter(({ Properties: alarm }) => alarm.Dimensions?.some((found: any) => found.Name === dimension && found.Value === value))
        .map((alarm) => alarm.Properties.MetricName);
    const expected = name === 'sweep' ? ['Errors', 'Invocations', 'Throttles'] : ['Errors', 'Throttles'];
    assert.deepEqual(watched('FunctionName', `<${pipeline.idOf(pipeline.fn(functionName(name)))}>`).sort(), expected);
    assert.deepEqual(watched('QueueName', `<${pipeline.idOf(queue)}.QueueName>`), ['ApproximateNumberOfMessagesVisible']);
  });
}

const metricFilter = (metric: string) =>
  pipeline.all('AWS::Logs::MetricFilter').map(({ Properties }) => Properties).find((filter) => filter.MetricTransformations[0].MetricName === metric)!;

test('the use of the previous webhook secret is counted in the lines that the webhook really writes', () => {
  const filter = metricFilter('PreviousWebhookSecret');
  const logGroup = pipeline.all('AWS::Logs::LogGroup').find((group) => group.Properties.LogGroupName === '/aws/lambda/lockgate-webhook')!;
  assert.equal(filter.LogGroupName, `<${pipeline.idOf(logGroup)}>`);
  assert.deepEqual(filter.MetricTransformations, [
    { MetricNamespace: 'Lockgate', MetricName: 'PreviousWebhookSecret', MetricValue: '1', DefaultValue: 0 },
  ]);

  const [, path, value] = /^\{ \$\.([\w.]+) = "(\w+)" \}$/.exec(filter.FilterPattern)!;
  // A test of the webhook sees that the function writes this line.
  const line = JSON.parse(fs.readFileSync(`${INFRA}/../functions/webhook/src/tests/previous-secret.log`, 'utf8'));
  assert.equal(path!.split('.').reduce((inner, key) => inner?.[key], line), value);
});

test('sweeps that fail are counted in the lines that the sweep really writes', () => {
  const filter = metricFilter('FailedSweeps');
  const logGroup = pipeline.all('AWS::Logs::LogGroup').find((group) => group.Properties.LogGroupName === '/aws/lambda/lockgate-sweep')!;
  assert.equal(filter.LogGroupName, `<${pipeline.idOf(logGroup)}>`);
  assert.equal(filter.FilterPattern, '{ $.fields.failed > 0 }');
  assert.match(fs.readFileSync(`${INFRA}/../functions/sweep/src/lib.rs`, 'utf8'), /tracing::info!\([^;]*\bfailed = output\.failed,[^;]*"swept"/);
});

test('the webhook reads nothing but what it writes', () => {
  for (const action of ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:Scan', 'dynamodb:BatchGetItem']) {
    const keys = of('lockgate-webhook', action).map(({ Condition: condition }) => condition['ForAllValues:StringLike']['dynamodb:LeadingKeys']);
    assert.deepEqual(keys, action === 'dynamodb:GetItem' ? [['delivery#*', 'head#*', 'pin#*']] : [], action);
  }
});

test('no action is a wildcard, and nothing is managed elsewhere', () => {
  for (const template of [pipeline, smallestPipeline]) {
    for (const role of template.all('AWS::IAM::Role')) {
      assert.equal(role.Properties.ManagedPolicyArns, undefined);
      assert.deepEqual(template.actions(role).filter((action) => action.includes('*')), []);
    }
  }
});

test('deploy, smoke-test and rollback may each assume their own roles in the target accounts, exactly those of the configuration, and no other function may', () => {
  assert.deepEqual(resources('lockgate-deploy', 'sts:AssumeRole'), [
    'arn:aws:iam::222222222222:role/cdk-hnb659fds-deploy-role-222222222222-eu-west-1',
    'arn:aws:iam::222222222222:role/lockgate-publisher-eu-west-1',
    'arn:aws:iam::333333333333:role/cdk-hnb659fds-deploy-role-333333333333-eu-west-1',
    'arn:aws:iam::333333333333:role/lockgate-publisher-eu-west-1',
    'arn:aws:iam::444444444444:role/cdk-shop-deploy-role-444444444444-eu-central-1',
    'arn:aws:iam::444444444444:role/lockgate-publisher-eu-central-1',
  ]);
  assert.deepEqual(resources('lockgate-smoke-test', 'sts:AssumeRole'), [
    'arn:aws:iam::222222222222:role/lockgate-tester-eu-west-1',
    'arn:aws:iam::333333333333:role/lockgate-tester-eu-west-1',
    'arn:aws:iam::444444444444:role/lockgate-tester-eu-central-1',
  ]);
  assert.deepEqual(resources('lockgate-rollback', 'sts:AssumeRole'), [
    'arn:aws:iam::222222222222:role/lockgate-observer-eu-west-1',
    'arn:aws:iam::333333333333:role/lockgate-observer-eu-west-1',
    'arn:aws:iam::444444444444:role/lockgate-observer-eu-central-1',
  ]);
  const assuming = pipeline.all('AWS::IAM::Role').filter((role) => pipeline.actions(role).some((action) => action.startsWith('sts:')));
  assert.deepEqual(assuming.map((role) => role.Properties.RoleName).sort(), [
    // Not a function's: actions.test.ts says which roles this one may assume.
    'lockgate-actions-infrastructure',
    'lockgate-deploy',
    'lockgate-rollback',
    'lockgate-smoke-test',
  ]);
});

test('no role in the tools account may touch CloudFormation or IAM there; who starts deployments asks for the stack\'s outputs', () => {
  for (const role of pipeline.all('AWS::IAM::Role')) {
    const asks = role.Properties.RoleName === 'lockgate-actions-deployments' ? ['cloudformation:DescribeStacks'] : [];
    assert.deepEqual(pipeline.actions(role).filter((action) => /^(cloudformation|iam):/.test(action)), asks);
  }
});

const projects = Object.fromEntries(pipeline.all('AWS::CodeBuild::Project').map(({ Properties: project }) => [project.Name, project]));

test('a build writes content and indexes of releases, reads its tool, and may do nothing else', () => {
  const role = pipeline.role('lockgate-build-project');
  assert.deepEqual(pipeline.actions(role), ['logs:CreateLogStream', 'logs:PutLogEvents', 's3:GetObject', 's3:GetObjectVersion', 's3:PutObject']);
  const bucket = pipeline.idOf(pipeline.one('AWS::S3::Bucket'));
  assert.deepEqual(resources('lockgate-build-project', 's3:PutObject'), [`<${bucket}.Arn>/objects/*`, `<${bucket}.Arn>/releases/*`]);

  const project = projects['lockgate-build'];
  assert.equal(project.Environment.PrivilegedMode, false);
  assert.equal(project.Environment.Type, 'ARM_CONTAINER');
  assert.equal(project.Source.Type, 'GITHUB');
  assert.deepEqual(project.SecondarySources.map((source: any) => [source.Type, source.SourceIdentifier]), [['S3', 'lockgate']]);
  assert.deepEqual(project.Environment.EnvironmentVariables.map((variable: any) => variable.Name), ['LOCKGATE_ARTIFACTS']);
});

test('integration tests run where builds do, and may write their log and nothing else', () => {
  const [role, trusted] = [pipeline.role('lockgate-integration-project'), ['codebuild.amazonaws.com']];
  assert.deepEqual(pipeline.actions(role), ['logs:CreateLogStream', 'logs:PutLogEvents']);
  assert.deepEqual(resources('lockgate-integration-project', 'logs:PutLogEvents').filter((arn) => !arn.includes('IntegrationLogs')), [
    'arn:aws:logs:eu-west-1:111111111111:log-group:/aws/codebuild/lockgate-integration',
  ]);
  assert.deepEqual(statements(role.Properties.AssumeRolePolicyDocument).map(({ Principal }) => Principal.Service), trusted);

  const { 'lockgate-build': build, 'lockgate-integration': tests, ...others } = projects;
  assert.deepEqual(others, {});
  assert.equal(tests.ServiceRole, `<${pipeline.idOf(role)}.Arn>`);
  assert.deepEqual(tests.Source, build.Source);
  assert.equal(tests.SecondarySources, undefined);
  const { EnvironmentVariables: _, ...same } = build.Environment;
  assert.deepEqual(tests.Environment, same);
  assert.equal(tests.TimeoutInMinutes, 60);
});

test('the function build starts both kinds of builds, and is woken by both', () => {
  const ids = pipeline.all('AWS::CodeBuild::Project').map((project) => pipeline.idOf(project));
  assert.deepEqual(resources('lockgate-build', 'codebuild:StartBuild'), ids.map((id) => `<${id}.Arn>`).sort());
  const { Variables: given } = pipeline.fn('lockgate-build').Properties.Environment;
  assert.deepEqual([given.LOCKGATE_BUILD_PROJECT, given.LOCKGATE_INTEGRATION_PROJECT], ids.map((id) => `<${id}>`));
  const rule = pipeline.all('AWS::Events::Rule').find((rule) => rule.Properties.EventPattern?.source?.includes('aws.codebuild'))!;
  assert.deepEqual(rule.Properties.EventPattern.detail['project-name'], ids.map((id) => `<${id}>`));
});

test('the state machine invokes exactly the seven functions it calls, and logs no data', () => {
  const { Properties: machine } = pipeline.machine(STATE_MACHINE);
  assert.equal(machine.StateMachineName, 'lockgate-deployment');
  assert.equal(machine.LoggingConfiguration.Level, 'ERROR');
  assert.equal(machine.LoggingConfiguration.IncludeExecutionData, false);
  assert.deepEqual(machine.TracingConfiguration, { Enabled: true });
  const role = pipeline.all('AWS::IAM::Role').find((role) => machine.RoleArn === `<${pipeline.idOf(role)}.Arn>`)!;
  const invoked = pipeline.statements(role).filter((statement) => statement.Action.includes('lambda:InvokeFunction'));
  assert.deepEqual(
    invoked.flatMap((statement) => statement.Resource).sort(),
    ['gate', 'build', 'deploy', 'smoke-test', 'approval', 'rollback', 'report'].map(live).sort(),
  );
});

test('the sweep wakes gate, build, deploy, approval, rollback and report; gate wakes approval; and nobody else wakes anybody', () => {
  assert.deepEqual(resources('lockgate-sweep', 'lambda:InvokeFunction'), ['approval', 'build', 'deploy', 'gate', 'report', 'rollback'].map(live).sort());
  assert.deepEqual(resources('lockgate-gate', 'lambda:InvokeFunction'), [live('approval')]);
  const setting = (name: string) => pipeline.fn(name).Properties.Environment.Variables.LOCKGATE_WAKE_APPROVAL;
  assert.deepEqual([setting('lockgate-gate'), setting('lockgate-sweep')], [live('approval'), live('approval')]);
  assert.equal(pipeline.fn('lockgate-sweep').Properties.Environment.Variables.LOCKGATE_WAKE_ROLLBACK, live('rollback'));
});

test('each function writes the kinds of items that are its own, and takes away only what was waiting', () => {
  // A key begins with the item's kind, see "The ledger" in docs/ARCHITECTURE.md.
  const kinds = (name: string, action: string): string[] =>
    of(`lockgate-${name}`, action).flatMap(({ Condition: condition }) => {
      assert.deepEqual(Object.keys(condition), ['ForAllValues:StringLike'], name);
      return condition['ForAllValues:StringLike']['dynamodb:LeadingKeys'];
    });
  const written = {
    webhook: ['delivery#*', 'head#*', 'pin#*'],
    gate: ['deployment#*', 'environment#*', 'history#*', 'parked#*', 'report#*'],
    build: ['build#*', 'deployment#*', 'parked#*'],
    deploy: ['deployment#*', 'environment#*', 'parked#*', 'stack#*'],
    'smoke-test': ['deployment#*'],
    approval: ['approval#*', 'deployment#*', 'parked#*'],
    rollback: ['deployment#*', 'history#*', 'parked#*', 'watch#*'],
    report: ['github#*'],
    sweep: ['delivery#*', 'deployment#*', 'environment#*', 'head#*', 'history#*', 'pin#*'],
  };
  const takenAway = {
    gate: ['parked#*'],
    build: ['parked#*'],
    deploy: ['parked#*'],
    approval: ['parked#*'],
    rollback: ['parked#*'],
    report: ['report#*'],
  };
  for (const name of FUNCTIONS) {
    assert.deepEqual(kinds(name, 'dynamodb:PutItem'), written[name], name);
    assert.deepEqual(kinds(name, 'dynamodb:UpdateItem'), written[name], name);
    assert.deepEqual(kinds(name, 'dynamodb:DeleteItem'), (takenAway as Record<string, string[]>)[name] ?? [], name);
  }
  for (const action of ['dynamodb:BatchWriteItem', 'dynamodb:PartiQLInsert', 'dynamodb:PartiQLUpdate', 'dynamodb:PartiQLDelete']) {
    assert.deepEqual(FUNCTIONS.flatMap((name) => of(`lockgate-${name}`, action)), []);
  }
});

test('the internet reaches these routes and no other; who has an AWS identity shows it', () => {
  const routes = pipeline.all('AWS::ApiGatewayV2::Route').map(({ Properties: route }) => [route.RouteKey, route.AuthorizationType]);
  assert.deepEqual(Object.fromEntries(routes), {
    'POST /webhooks/github': 'NONE',
    'GET /approvals/{id}': 'NONE',
    'HEAD /approvals/{id}': 'NONE',
    'POST /approvals/{id}': 'NONE',
    'POST /approvals/{id}/ballots': 'AWS_IAM',
    'GET /approvals': 'AWS_IAM',
  });
  assert.equal(pipeline.one('AWS::ApiGatewayV2::Api').Properties.CorsConfiguration, undefined);
});

test('each route has a throttle of its own, and exists before the stage names it', () => {
  const { Properties: stage, DependsOn: after } = pipeline.one('AWS::ApiGatewayV2::Stage');
  const throttle = (rate: number, burst: number) => ({ ThrottlingRateLimit: rate, ThrottlingBurstLimit: burst });
  assert.deepEqual(stage.RouteSettings, {
    'POST /webhooks/github': throttle(200, 500),
    'GET /approvals/{id}': throttle(20, 200),
    'HEAD /approvals/{id}': throttle(20, 200),
    'POST /approvals/{id}': throttle(20, 200),
    'POST /approvals/{id}/ballots': throttle(10, 50),
    'GET /approvals': throttle(10, 50),
  });
  const routes = pipeline.all('AWS::ApiGatewayV2::Route').map((route) => pipeline.idOf(route));
  assert.deepEqual([...(after as string[])].sort(), routes.sort());
});

test('a delivery that is turned away is counted in the access log, and is an alarm', () => {
  const filter = metricFilter('DeliveriesTurnedAway');
  const log = pipeline.resources[filter.LogGroupName.slice(1, -1)]!.Properties;
  assert.equal(log.LogGroupName, '/aws/vendedlogs/lockgate/api');
  assert.equal(filter.FilterPattern, '{ ($.route = "POST /webhooks/github") && (($.status = "413") || ($.status = "429")) }');
  const alarm = pipeline.all('AWS::CloudWatch::Alarm').find(({ Properties }) => Properties.MetricName === 'DeliveriesTurnedAway')!;
  assert.deepEqual([alarm.Properties.Namespace, alarm.Properties.Threshold, alarm.Properties.Period], ['Lockgate', 1, 300]);
  // The names in the pattern are those of the log's lines, which are JSON with texts.
  const format = JSON.parse(pipeline.one('AWS::ApiGatewayV2::Stage').Properties.AccessLogSettings.Format);
  assert.deepEqual([format.route, format.status], ['$context.routeKey', '$context.status']);
});

test('each route reaches its own function, through its alias', () => {
  const called = pipeline.all('AWS::ApiGatewayV2::Route').map(({ Properties: route }) => {
    const { Properties: integration } = pipeline.resources[route.Target.replace('integrations/', '').slice(1, -1)]!;
    return [route.RouteKey, integration.IntegrationUri, integration.PayloadFormatVersion];
  });
  for (const [route, fn, format] of called) {
    assert.deepEqual([fn, format], [live(route.endsWith('github') ? 'webhook' : 'approval'), '2.0'], route);
  }
  const api = `arn:aws:execute-api:eu-west-1:111111111111:<${pipeline.idOf(pipeline.one('AWS::ApiGatewayV2::Api'))}>/*/*`;
  const admitted = pipeline
    .all('AWS::Lambda::Permission')
    .filter(({ Properties: permission }) => permission.Principal === 'apigateway.amazonaws.com')
    .map(({ Properties: permission }) => `${permission.FunctionName} ${permission.SourceArn}`);
  assert.deepEqual([...new Set(admitted)].sort(), [
    `${live('approval')} ${api}/approvals`,
    `${live('approval')} ${api}/approvals/{id}`,
    `${live('approval')} ${api}/approvals/{id}/ballots`,
    `${live('webhook')} ${api}/webhooks/github`,
  ].sort());
});

test('whoever has lockgate-approver may call the two routes of the command, and nothing else', () => {
  const { Properties: policy } = pipeline.one('AWS::IAM::ManagedPolicy');
  assert.equal(policy.ManagedPolicyName, 'lockgate-approver');
  assert.deepEqual([policy.Roles, policy.Groups, policy.Users], [undefined, undefined, undefined]);
  const api = `arn:aws:execute-api:eu-west-1:111111111111:<${pipeline.idOf(pipeline.one('AWS::ApiGatewayV2::Api'))}>`;
  assert.deepEqual(
    statements(policy.PolicyDocument).map(({ Effect, Action, Resource }) => [Effect, Action, Resource]),
    [['Allow', ['execute-api:Invoke'], [`${api}/$default/GET/approvals`, `${api}/$default/POST/approvals/*/ballots`]]],
  );
});

// CloudFormation would make another API, with another address than the one that GitHub knows.
test('the API, its stage and the webhook\'s route are those of version 0.1.0', () => {
  assert.equal(pipeline.idOf(pipeline.one('AWS::ApiGatewayV2::Api')), 'WebhookApi427E2EB3');
  assert.equal(pipeline.idOf(pipeline.one('AWS::ApiGatewayV2::Stage')), 'WebhookStage2A7C3F54');
  const webhook = pipeline.all('AWS::ApiGatewayV2::Route').find((route) => route.Properties.RouteKey === 'POST /webhooks/github')!;
  assert.equal(pipeline.idOf(webhook), 'WebhookApiPOSTwebhooksgithub218D2C95');
});

// Its name is fixed: CloudFormation would fail to make another one before it deletes this one.
test('the bus keeps the id that it always had', () => {
  assert.equal(pipeline.idOf(pipeline.one('AWS::Events::EventBus')), 'StackEventsBus65A4BF16');
});

test('the outputs say where the API is, and what approval writes into its links is the same', () => {
  const { Outputs: outputs } = pipeline.raw;
  const api = { 'Fn::GetAtt': [pipeline.idOf(pipeline.one('AWS::ApiGatewayV2::Api')), 'ApiEndpoint'] };
  assert.deepEqual(outputs.ApiUrl.Value, api);
  assert.deepEqual(outputs.WebhookUrl.Value, { 'Fn::Join': ['', [api, '/webhooks/github']] });
  assert.equal(pipeline.fn('lockgate-approval').Properties.Environment.Variables.LOCKGATE_PAGES, `<${api['Fn::GetAtt'].join('.')}>`);
});

test('the door is narrow, and the access log has nothing of what came through: no path, no query, no token', () => {
  const { Properties: stage } = pipeline.one('AWS::ApiGatewayV2::Stage');
  assert.equal(stage.StageName, '$default');
  assert.deepEqual(stage.DefaultRouteSettings, { ThrottlingBurstLimit: 20, ThrottlingRateLimit: 20 });
  const logged = [...stage.AccessLogSettings.Format.matchAll(/\$context\.([\w.]+)/g)].map(([, name]) => name);
  assert.deepEqual(logged.sort(), [
    'identity.sourceIp',
    'integrationLatency',
    'integrationStatus',
    'requestId',
    'requestTime',
    'responseLength',
    'routeKey',
    'status',
  ]);
  // API Gateway puts in what is behind `$context.`, and leaves no other `$` to be one day taken for something.
  assert.deepEqual(stage.AccessLogSettings.Format.match(/\$(?!context\.\w)/g), null);
  const group = pipeline.all('AWS::Logs::LogGroup').find((group) => stage.AccessLogSettings.DestinationArn === `<${pipeline.idOf(group)}.Arn>`)!;
  assert.equal(group.Properties.LogGroupName, '/aws/vendedlogs/lockgate/api');
});

test('the ledger can be restored and not deleted', () => {
  const table = pipeline.one('AWS::DynamoDB::Table');
  assert.match(table.DeletionPolicy!, /^Retain/);
  assert.equal(table.Properties.DeletionProtectionEnabled, true);
  assert.deepEqual(table.Properties.PointInTimeRecoverySpecification, { PointInTimeRecoveryEnabled: true });
  assert.equal(table.Properties.BillingMode, 'PAY_PER_REQUEST');
  const key = ({ KeySchema }: any) => KeySchema.map((part: any) => `${part.KeyType} ${part.AttributeName}`);
  assert.deepEqual(key(table.Properties), ['HASH pk', 'RANGE sk']);
  assert.deepEqual(
    table.Properties.GlobalSecondaryIndexes.map((index: any) => [index.IndexName, ...key(index), index.Projection.ProjectionType]),
    [['by_due', 'HASH due_kind', 'RANGE due_at', 'ALL']],
  );
  assert.ok(table.Properties.AttributeDefinitions.every((attribute: any) => attribute.AttributeType === 'S'));
});

test('a release is private, written once, and read by functions, builds and the three publishers', () => {
  const bucket = pipeline.one('AWS::S3::Bucket');
  assert.match(bucket.DeletionPolicy!, /^Retain/);
  assert.deepEqual(bucket.Properties.VersioningConfiguration, { Status: 'Enabled' });
  assert.ok(Object.values(bucket.Properties.PublicAccessBlockConfiguration).every((blocked) => blocked === true));

  const policy = statements(pipeline.one('AWS::S3::BucketPolicy').Properties.PolicyDocument);
  const refusals = policy.filter((statement) => statement.Effect === 'Deny').map((statement) => statement.Condition);
  assert.deepEqual(refusals, [
    { Bool: { 'aws:SecureTransport': 'false' } },
    { NumericLessThan: { 's3:TlsVersion': 1.2 } },
    { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
  ]);
  const allowed = policy.filter((statement) => statement.Effect === 'Allow');
  assert.deepEqual(allowed.map(({ Principal, Condition, Action }) => [Principal.AWS, Condition, Action]), [
    [
      ['222222222222', '333333333333', '444444444444'].map((account) => `arn:aws:iam::${account}:root`),
      { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/lockgate-publisher-*' } },
      ['s3:GetObject'],
    ],
  ]);
  assert.ok(allowed.every((statement) => statement.Resource.every((resource) => resource.endsWith('.Arn>/objects/*'))));
});

test('with 250 target accounts, no policy and no pattern is longer than AWS takes', () => {
  const { pipeline: settings, applications } = fixture();
  const dev = applications[0]!.environments[0]!;
  const accounts = Array.from({ length: 250 }, (_, index) => `${500_000_000_000 + index}`);
  const stack = new PipelineStack(emptyApp(), 'Pipeline', {
    env: { account: settings.account, region: settings.region },
    built: standIn(),
    configuration: {
      pipeline: { ...settings, customer_managed_keys: true },
      actions: fixture().actions!,
      applications: accounts.map((account) => ({ repository: `acme/shop-${account}`, environments: [{ ...dev, account }] })),
    },
  });
  const resources: Resource[] = Object.values(Template.fromStack(stack).toJSON()['Resources']);
  const longest = (type: string, property: string) =>
    Math.max(...resources.filter(({ Type }) => Type === type).map(({ Properties }) => JSON.stringify(Properties[property] ?? '').length));
  // Amazon S3 user guide, "Bucket policies"; KMS developer guide, "Resource quotas"; EventBridge user guide, "Quotas".
  assert.ok(longest('AWS::S3::BucketPolicy', 'PolicyDocument') < 20_480);
  assert.ok(longest('AWS::KMS::Key', 'KeyPolicy') < 32_768);
  assert.ok(longest('AWS::Events::EventBusPolicy', 'Statement') < 10_240);
  assert.ok(longest('AWS::Events::Rule', 'EventPattern') < 2_048);
  // IAM user guide, "IAM and AWS STS quotas": all inline policies of a role together, a managed one, and managed ones of a role.
  assert.ok(longest('AWS::IAM::Policy', 'PolicyDocument') < 10_240);
  assert.ok(longest('AWS::IAM::ManagedPolicy', 'PolicyDocument') < 6_144);
  assert.ok(resources.filter(({ Type }) => Type === 'AWS::IAM::Role').every(({ Properties }) => (Properties['ManagedPolicyArns'] ?? []).length <= 10));
});

test('every event becomes the input that its function knows', () => {
  const rules = Object.fromEntries(
    pipeline.all('AWS::Events::Rule').map((rule) => [pipeline.inputs(rule).join(), rule.Properties]),
  );
  assert.deepEqual(Object.keys(rules).sort(), [
    '{"do":"alarm","account":$.account,"region":$.region,"alarm":$.detail.alarmName}',
    '{"do":"compare"}',
    '{"do":"sweep"}',
    '{"do":"tidy","execution":$.detail.executionArn}',
    '{"do":"wake","build":$.detail.build-id}',
    '{"do":"wake","stack":$.detail.stack-id}',
  ]);
  const targets = (input: string) => rules[input].Targets.map((target: any) => target.Arn);
  assert.deepEqual(targets('{"do":"alarm","account":$.account,"region":$.region,"alarm":$.detail.alarmName}'), [live('rollback')]);
  assert.deepEqual(targets('{"do":"sweep"}'), [live('sweep')]);
  assert.deepEqual(targets('{"do":"compare"}'), [live('sweep')]);
  assert.deepEqual(targets('{"do":"tidy","execution":$.detail.executionArn}'), [live('gate')]);
  assert.deepEqual(targets('{"do":"wake","build":$.detail.build-id}'), [live('build')]);
  assert.deepEqual(targets('{"do":"wake","stack":$.detail.stack-id}'), [live('deploy')]);
  assert.equal(rules['{"do":"sweep"}'].ScheduleExpression, 'rate(1 minute)');
  assert.equal(rules['{"do":"compare"}'].ScheduleExpression, 'rate(2 minutes)');
});

test('the bus hears the target accounts, and no other', () => {
  const { Properties: policy } = pipeline.one('AWS::Events::EventBusPolicy');
  const accounts = ['222222222222', '333333333333', '444444444444'];
  assert.deepEqual(policy.Statement.Principal.AWS, accounts.map((account) => `arn:aws:iam::${account}:root`));
  assert.equal(policy.Statement.Action, 'events:PutEvents');
  // It has no say but that of the policy: without one, only the tools account itself may send.
  assert.deepEqual(Object.keys(policy).sort(), ['EventBusName', 'Statement', 'StatementId']);
  const bus = `<${pipeline.idOf(pipeline.one('AWS::Events::EventBus'))}>`;
  const heard = pipeline.all('AWS::Events::Rule').map(({ Properties: rule }) => rule).filter((rule) => rule.EventBusName === bus);
  assert.deepEqual(heard.map(({ EventPattern: pattern }) => pattern), [
    { source: ['aws.cloudformation'], 'detail-type': ['CloudFormation Stack Status Change'] },
    { source: ['aws.cloudwatch'], 'detail-type': ['CloudWatch Alarm State Change'] },
  ]);

  assert.deepEqual(smallestPipeline.all('AWS::Events::EventBusPolicy'), []);
});

test('an application is known by its parameter, word for word', () => {
  const { Properties: parameter } = pipeline.one('AWS::SSM::Parameter');
  assert.equal(parameter.Name, '/lockgate/applications/acme/shop');
  assert.deepEqual(JSON.parse(parameter.Value), fixture().applications[0]);
  assert.equal(parameter.Tier, 'Standard');
  assert.deepEqual(resources('lockgate-rollback', 'ssm:GetParameter'), [
    'arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/applications/*',
  ]);
  for (const name of ['lockgate-webhook', 'lockgate-rollback']) {
    assert.equal(pipeline.fn(name).Properties.Environment.Variables.LOCKGATE_APPLICATIONS, '/lockgate/applications');
  }
  assert.deepEqual(resources('lockgate-webhook', 'ssm:GetParameter'), [
    'arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/applications/*',
    'arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/github/app',
    'arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/github/app-key',
    'arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/github/token',
    'arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/webhook/secret',
    'arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/webhook/secret-previous',
  ]);
});

test('keys and token are read by those who need them, each by its name', () => {
  const parameter = (name: string) => `arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/${name}`;
  const github = ['github/app', 'github/app-key', 'github/token'];
  assert.deepEqual(resources('lockgate-approval', 'ssm:GetParameter'), ['approval/key', 'approval/key-previous', ...github].map(parameter));
  assert.deepEqual(resources('lockgate-report', 'ssm:GetParameter'), github.map(parameter));
  const { Variables: given } = pipeline.fn('lockgate-approval').Properties.Environment;
  assert.equal(given.LOCKGATE_APPROVAL_KEYS, '/lockgate/approval');
  for (const name of ['lockgate-approval', 'lockgate-report', 'lockgate-webhook']) {
    const { Variables } = pipeline.fn(name).Properties.Environment;
    assert.deepEqual([Variables.LOCKGATE_GITHUB_API, Variables.LOCKGATE_GITHUB], ['https://api.github.com', '/lockgate/github']);
  }
});

test('with keys of one\'s own, ledger, releases and notifications are encrypted with one that rotates', () => {
  const key = smallestPipeline.one('AWS::KMS::Key');
  const id = smallestPipeline.idOf(key);
  assert.equal(key.Properties.EnableKeyRotation, true);
  assert.equal(smallestPipeline.one('AWS::DynamoDB::Table').Properties.SSESpecification.KMSMasterKeyId, `<${id}.Arn>`);
  assert.equal(
    smallestPipeline.one('AWS::S3::Bucket').Properties.BucketEncryption.ServerSideEncryptionConfiguration[0]
      .ServerSideEncryptionByDefault.KMSMasterKeyID,
    `<${id}.Arn>`,
  );
  assert.deepEqual(
    smallestPipeline.all('AWS::SNS::Topic').map((topic) => topic.Properties.KmsMasterKeyId),
    [`<${id}.Arn>`, `<${id}.Arn>`],
  );
  assert.deepEqual(pipeline.all('AWS::KMS::Key'), []);
});

test('what a smoke test may reach is handed on', () => {
  const allowed = (template: typeof pipeline) =>
    template.fn('lockgate-smoke-test').Properties.Environment.Variables.LOCKGATE_SMOKE_ALLOW;
  assert.equal(allowed(pipeline), '');
  assert.equal(allowed(smallestPipeline), '10.0.0.0/8,127.0.0.0/8');
});
