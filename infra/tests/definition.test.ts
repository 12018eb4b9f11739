import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { ROLLBACK_MACHINE, STATE_MACHINE } from '../lib/names';
import { DEFINITION, ROLLBACK } from './stand-in';
import { pipeline } from './templates';

const validate: (definition: unknown) => { isValid: boolean; errorsText(separator: string): string } = require('asl-validator');

for (const [file, name] of [
  [DEFINITION, STATE_MACHINE],
  [ROLLBACK, ROLLBACK_MACHINE],
] as const) {
  const text = fs.readFileSync(file, 'utf8');
  const { Properties: machine } = pipeline.machine(name);
  const substituted: Record<string, string> = machine.DefinitionSubstitutions;

  test(`the template holds the file of ${name} itself`, () => {
    assert.equal(machine.DefinitionString, text);
  });

  test(`what the file of ${name} asks for is what is put in`, () => {
    const tokens = new Set([...text.matchAll(/\$\{(\w+)\}/g)].map(([, token]) => token));
    assert.deepEqual([...tokens].sort(), Object.keys(substituted).sort());
  });

  test(`with everything put in, ${name} is valid`, () => {
    const definition = text.replaceAll(/\$\{(\w+)\}/g, (_, token) => `arn:aws:lambda:eu-west-1:111111111111:function:${token}:live`);
    const { isValid, errorsText } = validate(JSON.parse(definition));
    assert.ok(isValid, errorsText('\n'));
  });

  test(`a function ends before the longest state of ${name} that waits for its answer`, () => {
    const longest: Record<string, number> = {};
    JSON.parse(text, (_, state) => {
      if (state?.Resource === 'arn:aws:states:::lambda:invoke') {
        const fn = state.Arguments.FunctionName;
        longest[fn] = Math.max(longest[fn] ?? 0, state.TimeoutSeconds);
      }
      return state;
    });
    for (const [token, seconds] of Object.entries(longest)) {
      const alias = pipeline.resources[(substituted[token.slice(2, -1)]!).slice(1, -1)]!;
      const fn = pipeline.resources[alias.Properties.FunctionName.slice(1, -1)]!;
      assert.ok(fn.Properties.Timeout < seconds, `${token}: ${fn.Properties.Timeout} s, and the state ${seconds} s`);
    }
  });
}
