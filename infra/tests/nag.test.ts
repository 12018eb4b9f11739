import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { fixture, synthesise } from './stand-in';

function findings(app: App): string[] {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  try {
    app.synth();
  } catch (error) {
    if ((error as Error).name !== 'ValidationFailed') {
      throw error;
    }
  }
  const report = JSON.parse(fs.readFileSync(path.join(app.outdir, 'validation-report.json'), 'utf8'));
  return report.pluginReports.flatMap((plugin: any) =>
    plugin.violations.flatMap((violation: any) =>
      violation.violatingConstructs.map((construct: any) => `${violation.ruleName} ${construct.constructPath}`),
    ),
  );
}

for (const customer_managed_keys of [false, true]) {
  test(`cdk-nag has nothing to say (customer_managed_keys: ${customer_managed_keys})`, () => {
    const { pipeline, applications } = fixture();
    const app = synthesise({ pipeline: { ...pipeline, customer_managed_keys }, applications });
    assert.deepEqual(findings(app), []);
  });
}
