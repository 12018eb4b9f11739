import { App, DefaultStackSynthesizer } from 'aws-cdk-lib';
import { Configuration, ownQualifier, targets } from './configuration';
import { EnvironmentStack } from './environment-stack';
import { STACKS } from './names';
import { Built, PipelineStack } from './pipeline-stack';

/** All stacks of one installation. */
export function lockgate(app: App, configuration: Configuration, built: Built): void {
  const { pipeline } = configuration;
  const pipelineStack = new PipelineStack(app, 'Pipeline', {
    stackName: STACKS.pipeline,
    description: 'Lockgate: the deployment pipeline',
    env: { account: pipeline.account, region: pipeline.region },
    terminationProtection: true,
    configuration,
    built,
  });
  for (const target of targets(configuration)) {
    const environment = new EnvironmentStack(app, `Environment-${target.account}-${target.region}`, {
      stackName: STACKS.environment,
      description: 'Lockgate: what this account needs to be deployed into',
      env: { account: target.account, region: target.region },
      synthesizer: new DefaultStackSynthesizer({ qualifier: ownQualifier(target) }),
      pipeline,
      target,
    });
    // Its roles trust the pipeline's roles by name, and its rule needs the pipeline's bus.
    environment.addStackDependency(pipelineStack);
  }
}
