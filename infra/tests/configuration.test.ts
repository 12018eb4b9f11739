import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { aws_lambda as lambda } from 'aws-cdk-lib';
import { readConfiguration, targets } from '../lib/configuration';
import { folderOfProgram } from '../lib/constructs/built-program';
import { AARCH64, elf, fixture, INFRA, synthesise, temporary, X86_64 } from './stand-in';

const given = (configuration: unknown): string => {
  const file = path.join(temporary(), 'resolved.json');
  fs.writeFileSync(file, JSON.stringify(configuration));
  return file;
};

test('what is missing is said in one sentence, with the command that makes it', () => {
  assert.throws(() => readConfiguration(undefined), /^Error: No configuration: .*`lockgate config --file lockgate.toml --json/);
  assert.throws(() => readConfiguration('/nowhere/resolved.json'), /^Error: No configuration at \/nowhere\/resolved\.json: `lockgate config/);
});

test('what no resolved configuration says is refused', () => {
  const { pipeline, applications } = fixture();
  assert.throws(() => readConfiguration(given({ pipeline: { ...pipeline, external_id: 'short' }, applications })), /pipeline\.external_id is "short"/);
  const [shop] = applications;
  const wrong = { ...shop, environments: [{ ...shop!.environments[0], account: '*' }] };
  assert.throws(() => readConfiguration(given({ pipeline, applications: [wrong] })), /acme\/shop\.dev\.account is "\*"/);
});

test('environments that share an account and region share a stack', () => {
  const { pipeline, applications } = fixture();
  const [shop] = applications;
  const again = { ...shop!, repository: 'acme/blog', environments: shop!.environments.map((environment) => ({ ...environment, qualifier: 'blog' })) };
  assert.deepEqual(targets({ pipeline, applications: [shop!, again] }), [
    { account: '222222222222', region: 'eu-west-1', qualifiers: ['blog', 'hnb659fds'] },
    { account: '333333333333', region: 'eu-west-1', qualifiers: ['blog', 'hnb659fds'] },
    { account: '444444444444', region: 'eu-central-1', qualifiers: ['blog', 'shop'] },
  ]);
});

test('a configuration too big for a parameter is refused', () => {
  const { pipeline, applications } = fixture();
  const [shop] = applications;
  const environments = Array.from({ length: 40 }, (_, index) => ({ ...shop!.environments[0]!, name: `environment-${index}` }));
  assert.throws(() => synthesise({ pipeline, applications: [{ ...shop!, environments }] }), /acme\/shop has \d+ bytes; a parameter holds 8192/);
});

test('a missing function is said in one sentence, with the command that makes it and the one for the other architecture', () => {
  const run = spawnSync(process.execPath, ['--import', 'tsx', 'bin/app.ts'], {
    cwd: INFRA,
    encoding: 'utf8',
    env: {
      ...process.env,
      CDK_CONTEXT_JSON: JSON.stringify({ lockgate: 'tests/fixtures/resolved.json', cli: 'tests', functions: 'tests/fixtures' }),
    },
  });
  assert.notEqual(run.status, 0);
  assert.match(
    run.stderr,
    /^No .*lockgate(-\w+\/bootstrap)?: `cargo functions` makes it, or `cargo functions --x86-64` with `-c architecture=x86_64`\.\n$/,
  );
});

test('a program for another architecture is refused before anything is deployed', () => {
  const { ARM_64, X86_64: INTEL } = lambda.Architecture;
  const folder = temporary();
  const built = (bytes: Buffer | string, architecture: lambda.Architecture) => {
    fs.writeFileSync(path.join(folder, 'bootstrap'), bytes);
    return () => folderOfProgram(folder, 'bootstrap', architecture);
  };
  assert.equal(built(elf(AARCH64), ARM_64)(), folder);
  assert.equal(built(elf(X86_64), INTEL)(), folder);
  assert.throws(
    built(elf(X86_64), ARM_64),
    /bootstrap is for x86_64 and would not run on arm64: `cargo functions` makes the one that does, or `cargo functions --x86-64` with `-c architecture=x86_64`\.$/,
  );
  assert.throws(built(elf(AARCH64), INTEL), /bootstrap is for arm64 and would not run on x86_64: `cargo functions --x86-64` makes/);
  assert.throws(built('#!/bin/sh\n', ARM_64), /bootstrap is no program for AWS and would not run on arm64/);
  assert.throws(built('', ARM_64), /bootstrap is no program for AWS/);
});
