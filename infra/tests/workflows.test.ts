import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { TextDocument } from 'vscode-languageserver-textdocument';
import * as yaml from 'yaml';
import { actionsRole } from '../lib/names';
import { INFRA, temporary } from './stand-in';

const ROOT = path.join(INFRA, '..');
const REUSABLE = '.github/workflows';
const EXAMPLES = 'examples/workflows';

const files = [REUSABLE, EXAMPLES].flatMap((folder) => fs.readdirSync(path.join(ROOT, folder)).map((name) => `${folder}/${name}`));
const text = (file: string) => fs.readFileSync(path.join(ROOT, file), 'utf8');
const workflows: Record<string, any> = Object.fromEntries(files.map((file) => [file, yaml.parse(text(file))]));
const jobs = Object.entries(workflows).flatMap(([file, { jobs }]) => Object.values<any>(jobs).map((job) => ({ file, job })));
const steps = jobs.flatMap(({ file, job }) => ((job.steps ?? []) as any[]).map((step) => ({ file, step })));

const DEPLOYMENT = `${REUSABLE}/lockgate-deployment.yml`;
const INFRASTRUCTURE = `${REUSABLE}/lockgate-infrastructure.yml`;
const stepOf = (file: string, name: string) => steps.find((found) => found.file === file && found.step.name === name)!.step;

for (const file of files) {
  test(`GitHub's own checker of workflows has nothing to say of ${file}`, async () => {
    const { validate } = await import('@actions/languageservice');
    const found = await validate(TextDocument.create(`file:///${file}`, 'yaml', 1, text(file)));
    assert.deepEqual(found.map(({ message, range }) => `${range.start.line + 1}: ${message}`), []);
  });
}

test('the checker finds what is wrong: a key, a type, a context that is not there', async () => {
  const { validate } = await import('@actions/languageservice');
  const broken = text(DEPLOYMENT).replace('timeout-minutes: 90', 'timeout-minute: 90').replace('${{ inputs.application }}', '${{ inputs.aplication }}');
  const found = await validate(TextDocument.create('file:///broken.yml', 'yaml', 1, broken));
  assert.match(found.map(({ message }) => message).join('\n'), /timeout-minute[^]*aplication|aplication[^]*timeout-minute/);
});

test('each workflow begins with no permission, and each job has what it needs of two', () => {
  for (const [file, workflow] of Object.entries(workflows)) {
    assert.deepEqual(workflow.permissions, {}, file);
  }
  for (const { file, job } of jobs) {
    assert.deepEqual(job.permissions, { contents: 'read', 'id-token': 'write' }, file);
  }
});

test('nothing is put into the text of a command, and no secret is used anywhere', () => {
  const commands = steps.filter(({ step }) => step.run);
  assert.ok(commands.length >= 7);
  for (const { file, step } of commands) {
    assert.ok(!step.run.includes('${{'), `${file}: ${step.name}`);
  }
  for (const file of files) {
    assert.doesNotMatch(text(file), /secrets|AWS_ACCESS_KEY|AWS_SECRET|aws-access-key-id|aws-secret-access-key/i, file);
  }
});

test('an action is one commit, with the version beside it, and leaves no token in the checkout', () => {
  const uses = steps.filter(({ step }) => step.uses);
  for (const { file, step } of uses) {
    assert.match(step.uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/, file);
    assert.match(text(file), new RegExp(`uses: ${step.uses} # v\\d+\\.\\d+\\.\\d+\n`), file);
    if (step.uses.startsWith('actions/checkout@')) {
      assert.equal(step.with['persist-credentials'], false, file);
    }
  }
  assert.deepEqual([...new Set(uses.map(({ step }) => step.uses.split('@')[0]))].sort(), ['actions/checkout', 'aws-actions/configure-aws-credentials']);
});

test('a job ends some day, runs in an environment of GitHub, and is stopped by no other run', () => {
  for (const { file, job } of jobs.filter(({ job }) => job.steps)) {
    assert.ok(job['timeout-minutes'] <= 90, file);
    assert.equal(job.environment, '${{ inputs.github_environment }}', file);
    assert.equal(job.concurrency['cancel-in-progress'], false, file);
  }
});

test('access comes last before it is used, for an hour of the role that the stack makes, in the account that is meant', () => {
  for (const [file, role, account] of [
    [DEPLOYMENT, actionsRole('deployments'), '${{ inputs.account }}'],
    [INFRASTRUCTURE, actionsRole('infrastructure'), '${{ steps.configuration.outputs.account }}'],
  ] as const) {
    const [only] = jobs.filter((found) => found.file === file).map(({ job }) => job.steps as any[]);
    const at = only!.findIndex(({ uses }) => uses?.startsWith('aws-actions/configure-aws-credentials@'));
    assert.equal(only![at].with['role-to-assume'], `arn:aws:iam::${account}:role/${role}`);
    assert.equal(only![at].with['allowed-account-ids'], account);
    assert.equal(only![at].with['role-duration-seconds'], 3600);
    assert.equal(only!.slice(at).some(({ run }) => /cargo|npm (ci|install)/.test(run ?? '')), false, file);
  }
});

test('an example hands over every input that the workflow takes, and none that it does not', () => {
  for (const { file, job } of jobs.filter(({ file }) => file.startsWith(EXAMPLES))) {
    const called = workflows[job.uses.slice(2)];
    const inputs = called.on.workflow_call.inputs as Record<string, { required?: boolean }>;
    const given = Object.keys(job.with);
    assert.deepEqual(given.filter((name) => !(name in inputs)), [], file);
    assert.deepEqual(Object.keys(inputs).filter((name) => inputs[name]!.required && !given.includes(name)), [], file);
    // The subject in its comment is the one that its job has.
    assert.ok(text(file).includes(`:environment:${job.with.github_environment}"]`), file);
  }
});

/** Runs a step's command as GitHub does on Linux, with programs of our own, and returns how it ended, its outputs and what they were given. */
function run(step: any, env: Record<string, string>, programs: Record<string, string>) {
  const folder = temporary();
  const file = (name: string) => path.join(folder, name);
  for (const [name, body] of Object.entries(programs)) {
    fs.writeFileSync(file(name), `#!/bin/bash\nprintf '%s\\0' ${name} "$@" >> "$CALLS"\nprintf '\\n' >> "$CALLS"\n${body}\n`, { mode: 0o755 });
  }
  fs.writeFileSync(file('outputs'), '');
  fs.writeFileSync(file('calls'), '');
  fs.writeFileSync(file('step.sh'), step.run);
  const { status, stdout } = spawnSync('bash', ['-e', 'step.sh'], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: `${folder}:${process.env['PATH']}`, GITHUB_OUTPUT: file('outputs'), CALLS: file('calls'), ...env },
  });
  const calls = fs.readFileSync(file('calls'), 'utf8').split('\n').filter(Boolean).map((line) => line.split('\0').slice(0, -1));
  return { status, stdout, calls, outputs: fs.readFileSync(file('outputs'), 'utf8') };
}

const STARTED = `echo '{"deployment":"shop-dev-1","ending":null}'`;

test('a deployment is started with what was typed, as it was typed', () => {
  const start = stepOf(DEPLOYMENT, 'Start the deployment');
  const typed = { APPLICATION: 'acme/shop', ENVIRONMENT: 'dev', RUN: 'ann at https://github.com/acme/lockgate/actions/runs/7' };
  const plain = run(start, { ...typed, REF: '', WHY: '' }, { lockgate: STARTED });
  assert.deepEqual(plain.calls, [['lockgate', 'deploy', '--detach', '--output=json', `--why=${typed.RUN}`, '--', 'acme/shop', 'dev']]);
  assert.deepEqual([plain.status, plain.outputs], [0, 'deployment=shop-dev-1\n']);

  const hostile = `"; touch pwned; $(touch pwned) \`touch pwned\` '--profile x' *`;
  const given = run(start, { APPLICATION: '--profile=x', ENVIRONMENT: hostile, RUN: 'ann', REF: hostile, WHY: hostile }, { lockgate: `test ! -e pwned; ${STARTED}` });
  assert.deepEqual(given.calls, [['lockgate', 'deploy', '--detach', '--output=json', `--ref=${hostile}`, `--why=ann: ${hostile}`, '--', '--profile=x', hostile]]);
  assert.equal(given.status, 0);

  const refused = run(start, { ...typed, REF: '', WHY: '' }, { lockgate: 'exit 1' });
  assert.deepEqual([refused.status, refused.outputs], [1, '']);
});

test('a plan is asked for in the same way', () => {
  const { calls } = run(stepOf(DEPLOYMENT, 'Plan'), { APPLICATION: 'acme/shop', ENVIRONMENT: 'dev', REF: '--x y' }, { timeout: 'shift; exec "$@"', lockgate: '' });
  assert.deepEqual(calls.at(-1), ['lockgate', 'plan', '--ref=--x y', '--', 'acme/shop', 'dev']);
});

test('the job ends as the deployment does, and says so where it goes on', () => {
  const wait = stepOf(DEPLOYMENT, 'Wait for its end');
  const watched = (timeout: string, lockgate: string) => run(wait, { DEPLOYMENT: 'shop-dev-1' }, { timeout, lockgate });
  const green = watched('shift; exec "$@"', 'exit 0');
  assert.deepEqual([green.status, green.stdout], [0, '']);
  assert.deepEqual(green.calls, [['timeout', '50m', 'lockgate', 'watch', '--', 'shop-dev-1'], ['lockgate', 'watch', '--', 'shop-dev-1']]);
  assert.equal(watched('shift; exec "$@"', 'exit 1').status, 1);
  const goesOn = watched('exit 124', '');
  assert.notEqual(goesOn.status, 0);
  assert.match(goesOn.stdout, /::error::shop-dev-1 goes on: nobody stopped it\. lockgate watch shop-dev-1/);
});

test('account and region are those of the configuration, and one that is not valid ends the job', () => {
  const read = stepOf(INFRASTRUCTURE, 'Read the configuration');
  const resolved = path.join(INFRA, 'tests', 'fixtures', 'resolved.json');
  const good = run(read, { CONFIGURATION: 'my files/lockgate.toml' }, { cargo: `cat '${resolved}'` });
  assert.deepEqual([good.status, good.outputs], [0, 'account=111111111111\nregion=eu-west-1\n']);
  assert.equal(good.calls[0]!.at(-1), '--file=../configuration/my files/lockgate.toml');
  const bad = run(read, { CONFIGURATION: 'lockgate.toml' }, { cargo: 'exit 1' });
  assert.deepEqual([bad.status, bad.outputs], [1, '']);
});
