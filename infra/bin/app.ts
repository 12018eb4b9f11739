import * as path from 'node:path';
import { App, aws_lambda as lambda } from 'aws-cdk-lib';
import { readConfiguration } from '../lib/configuration';
import { lockgate } from '../lib/lockgate';
import { Missing } from '../lib/missing';

const repository = path.join(__dirname, '..', '..');
const architectures = { arm64: lambda.Architecture.ARM_64, x86_64: lambda.Architecture.X86_64 };

function main(): void {
  const app = new App();
  const context = (name: string, otherwise: string): string => app.node.tryGetContext(name) ?? otherwise;

  const architecture = context('architecture', 'arm64');
  if (!(architecture in architectures)) {
    throw new Missing('The context `architecture` is arm64 or x86_64.');
  }
  lockgate(app, readConfiguration(app.node.tryGetContext('lockgate')), {
    functions: path.resolve(context('functions', path.join(repository, 'target', 'lambda'))),
    cli: path.resolve(context('cli', path.join(repository, 'target', 'lambda', 'lockgate-cli'))),
    architecture: architectures[architecture as keyof typeof architectures],
    definition: path.join(repository, 'statemachine', 'deployment.asl.json'),
    rollback: path.join(repository, 'statemachine', 'rollback.asl.json'),
  });
}

try {
  main();
} catch (error) {
  if (!(error instanceof Missing)) {
    throw error;
  }
  console.error(error.message);
  process.exitCode = 1;
}
