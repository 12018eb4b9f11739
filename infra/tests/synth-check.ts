/**
 * Writes the templates of the fixture into a folder, for tools that read templates: `npm run synth:check -- <folder>`.
 * Those with a customer-managed key, which have resources and policies of their own, are in a folder within.
 */
import * as path from 'node:path';
import { fixture, synthesise } from './stand-in';

const [folder] = process.argv.slice(2);
if (!folder) {
  throw new Error('Where to? npm run synth:check -- <folder>');
}
const { pipeline, applications } = fixture();
for (const [customer_managed_keys, out] of [
  [false, folder],
  [true, path.join(folder, 'customer-managed-keys')],
] as const) {
  const { stacks } = synthesise({ pipeline: { ...pipeline, customer_managed_keys }, applications }, out).synth();
  console.log(stacks.map((stack) => stack.templateFullPath).join('\n'));
}
