import * as fs from 'node:fs';
import { aws_iam as iam, aws_logs as logs, aws_stepfunctions as sfn, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { ROLLBACK_MACHINE } from '../names';
import { machineArn } from './deployment-machine';
import { RustFunction } from './rust-function';
import { explainWildcard } from './wildcard';

export interface RollbackMachineProps {
  /** statemachine/rollback.asl.json. */
  readonly definition: string;
  readonly rollback: RustFunction;
  readonly logRetention: logs.RetentionDays;
}

/** How people ask for an environment to be taken back, in the Step Functions console or by the command `lockgate`. */
export class RollbackMachine extends Construct {
  readonly machine: sfn.StateMachine;

  constructor(scope: Construct, id: string, props: RollbackMachineProps) {
    super(scope, id);
    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: `/aws/vendedlogs/states/${ROLLBACK_MACHINE}`,
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('states.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Stack.of(this).account },
          ArnEquals: { 'aws:SourceArn': machineArn(this, 'stateMachine', ROLLBACK_MACHINE) },
        },
      }),
      description: `What the state machine ${ROLLBACK_MACHINE} may do`,
    });
    props.rollback.grantInvoke(role);
    this.machine = new sfn.StateMachine(this, 'Machine', {
      stateMachineName: ROLLBACK_MACHINE,
      role,
      definitionBody: sfn.DefinitionBody.fromString(fs.readFileSync(props.definition, 'utf8')),
      definitionSubstitutions: { RollbackFunctionArn: props.rollback.live.functionArn },
      // Inputs hold what people wrote.
      logs: { destination: logGroup, level: sfn.LogLevel.ERROR, includeExecutionData: false },
      tracingEnabled: true,
    });
    Validations.of(this.machine).acknowledge({
      id: 'AwsSolutions-SF1',
      reason: 'It has one state, which starts a deployment; the ledger says who asked and why.',
    });
    explainWildcard(role, 'Resource::*', 'Neither log delivery nor X-Ray has resources in IAM.');
  }
}
