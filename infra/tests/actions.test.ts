import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { Actions, readConfiguration } from '../lib/configuration';
import { fixture, INFRA, synthesise, temporary } from './stand-in';
import { pipeline, Resource, smallestPipeline, Statement, statements, Synthesised } from './templates';

const ISSUER = 'token.actions.githubusercontent.com';
const ROLES = ['lockgate-actions-infrastructure', 'lockgate-actions-deployments'] as const;

const json = (name: string) => JSON.parse(fs.readFileSync(path.join(INFRA, 'tests', 'fixtures', name), 'utf8'));
const trust = (role: Resource): Statement[] => statements(role.Properties.AssumeRolePolicyDocument);

/** The pipeline's stack with other access than the fixture's. */
const withActions = (actions: Actions, more = fixture()) => new Synthesised(synthesise({ ...more, actions }), 'Pipeline');

test('where lockgate.toml trusts no workflow, there is neither provider nor role', () => {
  assert.deepEqual(smallestPipeline.all('AWS::IAM::OIDCProvider'), []);
  for (const name of ROLES) {
    assert.equal(smallestPipeline.role(name), undefined);
  }
  const one = withActions({ existing_provider: false, deployments: { subjects: ['repo:acme/shop:environment:deploy'] } });
  assert.deepEqual(ROLES.filter((name) => one.role(name)), ['lockgate-actions-deployments']);
});

test('the provider is GitHub\'s, for tokens that are meant for AWS', () => {
  const { Properties: provider } = pipeline.one('AWS::IAM::OIDCProvider');
  assert.deepEqual(provider, { Url: `https://${ISSUER}`, ClientIdList: ['sts.amazonaws.com'] });
});

test('a role trusts exactly the subjects of lockgate.toml and asks for both claims, with nothing that is like them', () => {
  const { actions } = fixture();
  const provider = `<${pipeline.idOf(pipeline.one('AWS::IAM::OIDCProvider'))}>`;
  for (const [name, { subjects }] of [
    ['lockgate-actions-infrastructure', actions!.infrastructure!],
    ['lockgate-actions-deployments', actions!.deployments!],
  ] as const) {
    const role = pipeline.role(name);
    assert.deepEqual(trust(role).map(({ Effect, Action, Principal, Condition }) => ({ Effect, Action, Principal, Condition })), [
      {
        Effect: 'Allow',
        Action: ['sts:AssumeRoleWithWebIdentity'],
        Principal: { Federated: provider },
        Condition: { StringEquals: { [`${ISSUER}:aud`]: 'sts.amazonaws.com', [`${ISSUER}:sub`]: subjects } },
      },
    ]);
    assert.equal(role.Properties.MaxSessionDuration, 3600);
  }
  const federated = [pipeline, smallestPipeline].flatMap((template) => template.all('AWS::IAM::Role')).filter((role) => trust(role).some(({ Principal }) => Principal.Federated));
  assert.deepEqual(federated.map((role) => role.Properties.RoleName).sort(), [...ROLES].sort());
});

test('a provider that the account has already is used, and not made a second time', () => {
  const template = withActions({ ...fixture().actions!, existing_provider: true });
  assert.deepEqual(template.all('AWS::IAM::OIDCProvider'), []);
  for (const name of ROLES) {
    assert.deepEqual(trust(template.role(name)).map(({ Principal }) => Principal), [{ Federated: `arn:aws:iam::111111111111:oidc-provider/${ISSUER}` }]);
  }
});

test('as many subjects as lockgate.toml takes fit into a role\'s trust', () => {
  const subjects = Array.from({ length: 40 }, (_, index) => `repo:acme/shop:ref:refs/tags/v1.0.${index}`);
  // 1,600 characters with what stands around each, see SUBJECTS_LIMIT in crates/domain/src/configuration/actions.rs.
  let length = 0;
  const taken = subjects.filter((subject) => (length += subject.length + 3) <= 1600);
  const last = taken.pop()!;
  taken.push(last.padEnd(last.length + 1600 - taken.concat(last).reduce((sum, subject) => sum + subject.length + 3, 0), '0'));
  assert.equal(taken.reduce((sum, subject) => sum + subject.length + 3, 0), 1600);
  const template = withActions({ existing_provider: true, deployments: { subjects: taken } });
  // IAM user guide, "IAM and AWS STS quotas".
  assert.ok(JSON.stringify(template.role('lockgate-actions-deployments').Properties.AssumeRolePolicyDocument).length <= 2048);
});

test('the CDK app reads the subjects that lockgate.toml\'s parser does, and no others', () => {
  const { exact, refused } = json('subjects.json') as Record<string, string[]>;
  const read = (subjects: string[]) => {
    const file = path.join(temporary(), 'resolved.json');
    fs.writeFileSync(file, JSON.stringify({ ...fixture(), actions: { existing_provider: false, deployments: { subjects } } }));
    return readConfiguration(file);
  };
  assert.deepEqual(read(exact!).actions!.deployments!.subjects, exact);
  for (const subject of refused!) {
    assert.throws(() => read([subject]), /actions\.deployments\.subjects is ".*", which .* never prints/s, subject);
  }
  assert.throws(() => read([]), /actions\.deployments trusts nobody/);
});

test('whoever deploys Lockgate assumes the roles of its own bootstraps that deploy and publish, and may do nothing else', () => {
  const places = [
    ['111111111111', 'hnb659fds', 'eu-west-1'],
    ['222222222222', 'hnb659fds', 'eu-west-1'],
    ['333333333333', 'hnb659fds', 'eu-west-1'],
    ['444444444444', 'shop', 'eu-central-1'],
  ];
  assert.deepEqual(pipeline.statements(pipeline.role('lockgate-actions-infrastructure')), [
    {
      Effect: 'Allow',
      Action: ['sts:AssumeRole'],
      Resource: places.flatMap(([account, qualifier, region]) =>
        ['deploy', 'file-publishing'].map((does) => `arn:aws:iam::${account}:role/cdk-${qualifier}-${does}-role-${account}-${region}`),
      ),
    },
  ]);
  const { pipeline: settings, applications } = fixture();
  const [shop] = applications;
  const alone = withActions(fixture().actions!, {
    pipeline: settings,
    applications: [{ ...shop!, environments: shop!.environments.slice(0, 1).map((dev) => ({ ...dev, account: settings.account })) }],
  });
  assert.deepEqual(alone.statements(alone.role('lockgate-actions-infrastructure')).flatMap(({ Resource }) => Resource), [
    'arn:aws:iam::111111111111:role/cdk-hnb659fds-deploy-role-111111111111-eu-west-1',
    'arn:aws:iam::111111111111:role/cdk-hnb659fds-file-publishing-role-111111111111-eu-west-1',
  ]);
});

test('the roles that the stacks name for their deployment are among those that may be assumed', () => {
  const assembly = synthesise(fixture()).synth();
  const may = pipeline.statements(pipeline.role('lockgate-actions-infrastructure')).flatMap(({ Resource }) => Resource);
  const named = assembly.stacks.map((stack) => stack.assumeRoleArn!.replace('${AWS::Partition}', 'aws'));
  assert.equal(named.length, 4);
  assert.deepEqual(named.filter((role) => !may.includes(role)), []);
  const publish = assembly.stacks.flatMap((stack) => stack.dependencies).flatMap((artifact: any) => Object.values(artifact.contents?.files ?? {}));
  const publishing = publish.flatMap((file: any) => Object.values(file.destinations)).map((destination: any) => destination.assumeRoleArn.replace('${AWS::Partition}', 'aws'));
  assert.ok(publishing.length > 0);
  assert.deepEqual(publishing.filter((role) => !may.includes(role)), []);
});

interface Call {
  action: string;
  on: string;
  attributes?: string[];
}

/** What the policy lets through: an action on something, or on the ledger's items of one kind. */
function allowed(statements: Statement[]): Call[] {
  return statements.flatMap(({ Effect, Action, Resource, Condition }) => {
    assert.equal(Effect, 'Allow');
    const kinds: string[] | undefined = Condition?.['ForAllValues:StringLike']['dynamodb:LeadingKeys'];
    const attributes: string[] | undefined = Condition?.['ForAllValues:StringEquals']?.['dynamodb:Attributes'];
    assert.deepEqual(Object.keys(Condition ?? {}).filter((operator) => !operator.startsWith('ForAllValues:String')), []);
    const on = kinds ? kinds.map((kind) => kind.replace(/#\*$/, '')) : Resource;
    return Action.flatMap((action) => on.map((on) => ({ action, on, ...(attributes && { attributes: [...attributes].sort() }) })));
  });
}

test('whoever starts deployments may do what the commands for it ask of AWS, and nothing more', () => {
  const calls: Call[] = json('calls-of-deployments.json');
  const machine = 'arn:aws:states:eu-west-1:111111111111:stateMachine:lockgate-deployment';
  const resource: Record<string, string> = {
    'lockgate-pipeline': 'arn:aws:cloudformation:eu-west-1:111111111111:stack/lockgate-pipeline/*',
    '/lockgate/applications': 'arn:aws:ssm:eu-west-1:111111111111:parameter/lockgate/applications',
    [machine]: machine,
  };
  const key = ({ action, on }: Call) => `${action} ${on}`;
  const wanted = new Map(calls.map((call) => ({ ...call, on: resource[call.on] ?? call.on })).map((call) => [key(call), call]));
  const may = new Map(allowed(pipeline.statements(pipeline.role('lockgate-actions-deployments'))).map((call) => [key(call), call]));
  assert.deepEqual([...may.keys()].sort(), [...wanted.keys()].sort());
  for (const [name, { attributes }] of wanted) {
    assert.deepEqual(may.get(name)!.attributes, attributes, name);
  }
});

test('whoever starts deployments cannot forge a lock, what is stable, or what people said, nor put anything before the sweep', () => {
  // Items of these have the attributes of Record, in crates/aws/src/ledger.rs; a write that names one of them is refused.
  const writes = allowed(pipeline.statements(pipeline.role('lockgate-actions-deployments'))).filter(({ action }) => action === 'dynamodb:PutItem');
  assert.deepEqual(writes.map(({ on }) => on), ['deployment', 'environment', 'history']);
  const forged = ['revision', 'state', 'due_kind', 'due_at'];
  assert.deepEqual(writes.flatMap(({ attributes }) => attributes!.filter((attribute) => forged.includes(attribute))), []);
  const ledger = fs.readFileSync(path.join(INFRA, '..', 'crates', 'aws', 'src', 'ledger.rs'), 'utf8');
  assert.match(ledger, /struct Record<State> \{\s+revision: u64,\s+state: State,\s+\}/);
});

test('with a key of one\'s own, whoever starts deployments may use it for the ledger', () => {
  const { pipeline: settings, ...more } = fixture();
  const template = withActions(more.actions!, { ...more, pipeline: { ...settings, customer_managed_keys: true } });
  const key = `<${template.idOf(template.one('AWS::KMS::Key'))}.Arn>`;
  const uses = template.statements(template.role('lockgate-actions-deployments')).filter(({ Action }) => Action.some((action) => action.startsWith('kms:')));
  assert.deepEqual(uses.flatMap(({ Resource }) => Resource), [key]);
  assert.deepEqual(template.actions(template.role('lockgate-actions-infrastructure')), ['sts:AssumeRole']);
});
