import { Construct } from 'constructs';
import { CommitProject, CommitProjectDefaults } from './commit-project';

/**
 * Runs a release's integration tests against the environment that it was brought into. They reach it as anybody does, at
 * the addresses that each build is given: the role writes a log, and nothing else.
 */
export class IntegrationProject extends CommitProject {
  constructor(scope: Construct, id: string, props: CommitProjectDefaults) {
    super(scope, id, {
      ...props,
      name: 'lockgate-integration',
      description: 'Runs the integration tests of one commit of one application',
      may: 'What integration tests may do: write their log',
    });
  }
}
