import { aws_events as events, aws_events_targets as targets, aws_iam as iam, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Target } from '../configuration';
import { BUS } from '../names';
import { DeadLetters } from './dead-letters';
import { RustFunction } from './rust-function';

export interface StackEventsProps {
  readonly targets: readonly Target[];
  readonly deploy: RustFunction;
  /** Keeps what could not be handed over. */
  readonly undelivered: DeadLetters;
}

/** What CloudFormation says in the target accounts arrives here, and wakes the deployment that waits for it. */
export class StackEvents extends Construct {
  constructor(scope: Construct, id: string, props: StackEventsProps) {
    super(scope, id);
    const { account } = Stack.of(this);
    const others = [...new Set(props.targets.map((target) => target.account))].filter((other) => other !== account);

    // Who may send is said here and nowhere else: a rule's pattern holds 2,048 characters, which a list of accounts fills at
    // 125; the bus's policy holds 10,240, for 280 of them, and AWS raises that. An event only wakes; whether it is true,
    // CloudFormation is asked.
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
    const bus = new events.EventBus(this, 'Bus', { eventBusName: BUS, description: 'Stack events of the target accounts' });
    if (others.length > 0) {
      bus.addToResourcePolicy(
        new iam.PolicyStatement({
          sid: 'TargetAccounts',
          principals: others.map((other) => new iam.AccountPrincipal(other)),
          actions: ['events:PutEvents'],
          resources: [bus.eventBusArn],
        }),
      );
    }

    new events.Rule(this, 'Settled', {
      description: 'A stack settled: wake the deployment that waits for it',
      eventBus: bus,
      eventPattern: { source: ['aws.cloudformation'], detailType: ['CloudFormation Stack Status Change'] },
      targets: [
        new targets.LambdaFunction(props.deploy.live, {
          event: events.RuleTargetInput.fromObject({ do: 'wake', stack: events.EventField.fromPath('$.detail.stack-id') }),
          deadLetterQueue: props.undelivered,
        }),
      ],
    });
  }
}
