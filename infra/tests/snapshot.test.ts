import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { environment, pipeline } from './templates';
import { INFRA } from './stand-in';

for (const [name, { raw }] of Object.entries({ pipeline, environment })) {
  test(`the template of the ${name} stack is what was reviewed`, () => {
    const file = path.join(INFRA, 'tests', 'snapshots', `${name}.json`);
    const actual = `${write(scrub(raw))}\n`;
    if (process.env['UPDATE_SNAPSHOTS']) {
      fs.writeFileSync(file, actual);
    }
    assert.equal(actual, fs.readFileSync(file, 'utf8'), 'If this is meant: UPDATE_SNAPSHOTS=1 npm test, and read the difference.');
  });
}

/** Without what changes when only code or the state machine's file does. */
function scrub(template: Record<string, any>): unknown {
  const text = JSON.stringify(template, (key, value) => (key === 'DefinitionString' ? '<statemachine/deployment.asl.json>' : value));
  return JSON.parse(text.replaceAll(/[0-9a-f]{64}/g, '<asset>').replaceAll(/(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}/g, '$1'));
}

/** JSON that is one line where a line suffices. */
function write(value: any, indent = ''): string {
  const line = JSON.stringify(value);
  if (value === null || typeof value !== 'object' || line.length + indent.length <= 140) {
    return line;
  }
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const items = Array.isArray(value)
    ? value.map((item) => write(item, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${write(item, inner)}`);
  return `${open}\n${items.map((item) => inner + item).join(',\n')}\n${indent}${close}`;
}
