/** Writes the templates of the fixture into a folder, for tools that read templates: `npm run synth:check -- <folder>`. */
import { fixture, synthesise } from './stand-in';

const [folder] = process.argv.slice(2);
if (!folder) {
  throw new Error('Where to? npm run synth:check -- <folder>');
}
const { stacks } = synthesise(fixture(), folder).synth();
console.log(stacks.map((stack) => stack.templateFullPath).join('\n'));
