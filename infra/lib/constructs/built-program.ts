import * as fs from 'node:fs';
import * as path from 'node:path';
import { aws_lambda as lambda } from 'aws-cdk-lib';
import { Missing } from '../missing';

/** `e_machine`, 16 bits at offset 18 of an ELF header; both are little-endian (System V ABI, chapter 4, "ELF Header"). */
const MACHINES: Record<number, string> = { 0x3e: 'x86_64', 0xb7: 'arm64' };
const HEADER_BYTES = 20;

/**
 * The folder of a program that cargo has built for this architecture.
 *
 * CloudFormation takes any binary for any architecture, and the first invocation would be the one to fail.
 */
export function folderOfProgram(folder: string, file: string, architecture: lambda.Architecture): string {
  const program = path.join(folder, file);
  const build = architecture === lambda.Architecture.ARM_64 ? 'cargo functions' : 'cargo functions --x86-64';
  if (!fs.existsSync(program)) {
    throw new Missing(`No ${program}: \`${build}\` makes it${otherwise(architecture)}.`);
  }
  const built = architectureOf(program);
  const wanted = architecture === lambda.Architecture.ARM_64 ? 'arm64' : 'x86_64';
  if (built !== wanted) {
    throw new Missing(
      `${program} is ${built ? `for ${built}` : 'no program for AWS'} and would not run on ${wanted}: \`${build}\` makes the one that does${otherwise(architecture)}.`,
    );
  }
  return folder;
}

function otherwise(architecture: lambda.Architecture): string {
  return architecture === lambda.Architecture.ARM_64
    ? ', or `cargo functions --x86-64` with `-c architecture=x86_64`'
    : ', or `cargo functions` without `-c architecture=x86_64`';
}

function architectureOf(program: string): string | undefined {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = fs.openSync(program, 'r');
  try {
    fs.readSync(file, header);
  } finally {
    fs.closeSync(file);
  }
  return header.toString('latin1', 0, 4) === '\x7fELF' ? MACHINES[header.readUInt16LE(18)] : undefined;
}
