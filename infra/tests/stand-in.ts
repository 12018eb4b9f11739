import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { App, aws_lambda as lambda } from 'aws-cdk-lib';
import { Configuration, readConfiguration } from '../lib/configuration';
import { lockgate } from '../lib/lockgate';
import { FUNCTIONS, functionName } from '../lib/names';
import { Built } from '../lib/pipeline-stack';

export const INFRA = path.join(__dirname, '..');
export const DEFINITION = path.join(INFRA, '..', 'statemachine', 'deployment.asl.json');
export const ROLLBACK = path.join(INFRA, '..', 'statemachine', 'rollback.asl.json');

const folders = fs.mkdtempSync(path.join(os.tmpdir(), 'lockgate-infra-'));
process.on('exit', () => fs.rmSync(folders, { recursive: true, force: true }));

/** A folder that is gone when the tests are. */
export const temporary = (): string => fs.mkdtempSync(path.join(folders, 'folder-'));

/** As much of a program as tells what it is for: the machine's number in an ELF header. */
export function elf(machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF', 'latin1');
  header.writeUInt16LE(machine, 18);
  return header;
}

export const AARCH64 = 0xb7;
export const X86_64 = 0x3e;

/** A program without code in place of each that cargo builds: what is synthesised does not depend on what is in them. */
export function standIn(): Built {
  const folder = temporary();
  const program = (name: string, file: string) => {
    fs.mkdirSync(path.join(folder, name));
    fs.writeFileSync(path.join(folder, name, file), elf(AARCH64), { mode: 0o755 });
  };
  for (const name of FUNCTIONS) {
    program(functionName(name), 'bootstrap');
  }
  program('lockgate-cli', 'lockgate');
  return {
    functions: folder,
    cli: path.join(folder, 'lockgate-cli'),
    architecture: lambda.Architecture.ARM_64,
    definition: DEFINITION,
    rollback: ROLLBACK,
  };
}

export const fixture = (): Configuration => readConfiguration(path.join(INFRA, 'tests', 'fixtures', 'resolved.json'));

/** An app of nothing, with the feature flags that the real one has. */
export function emptyApp(outdir = temporary()): App {
  const { context } = JSON.parse(fs.readFileSync(path.join(INFRA, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> };
  return new App({ context, outdir, analyticsReporting: false });
}

/** The whole app. */
export function synthesise(configuration: Configuration, outdir?: string): App {
  const app = emptyApp(outdir);
  lockgate(app, configuration, standIn());
  return app;
}
