import { aws_events as events, aws_events_targets as targets, aws_iam as iam, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Target } from '../configuration';
import { BUS } from '../names';
import { DeadLetters } from './dead-letters';
import { RustFunction } from './rust-function';

export interface TargetEventsProps {
  readonly targets: readonly Target[];
  readonly deploy: RustFunction;
  readonly rollback: RustFunction;
  /** Keeps what could not be handed over. */
  readonly undelivered: DeadLetters;
}

/** What CloudFormation and CloudWatch say in the target accounts arrives here, and wakes who waits for it. */
export class TargetEvents extends Construct {
  private readonly bus: events.EventBus;
  private readonly undelivered: DeadLetters;

  constructor(scope: Construct, id: string, props: TargetEventsProps) {
    super(scope, id);
    this.undelivered = props.undelivered;
    const { account } = Stack.of(this);
    const others = [...new Set(props.targets.map((target) => target.account))].filter((other) => other !== account);

    // Who may send is said here and nowhere else: a rule's pattern holds 2,048 characters, which a list of accounts fills at
    // 125; the bus's policy holds 10,240, for 280 of them, and AWS raises that. An event only wakes; whether it is true,
    // CloudFormation or CloudWatch is asked.
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
    this.bus = new events.EventBus(this, 'Bus', { eventBusName: BUS, description: 'Stack and alarm events of the target accounts' });
    if (others.length > 0) {
      this.bus.addToResourcePolicy(
        new iam.PolicyStatement({
          sid: 'TargetAccounts',
          principals: others.map((other) => new iam.AccountPrincipal(other)),
          actions: ['events:PutEvents'],
          resources: [this.bus.eventBusArn],
        }),
      );
    }

    this.wake(props.deploy, 'Settled', {
      description: 'A stack settled: wake the deployment that waits for it',
      eventPattern: { source: ['aws.cloudformation'], detailType: ['CloudFormation Stack Status Change'] },
      input: { do: 'wake', stack: events.EventField.fromPath('$.detail.stack-id') },
    });
    this.wake(props.rollback, 'Fired', {
      description: 'An alarm fired: look at what is watched by it',
      eventPattern: { source: ['aws.cloudwatch'], detailType: ['CloudWatch Alarm State Change'] },
      input: {
        do: 'alarm',
        account: events.EventField.account,
        region: events.EventField.region,
        alarm: events.EventField.fromPath('$.detail.alarmName'),
      },
    });
  }

  private wake(
    fn: RustFunction,
    id: string,
    { input, ...rule }: { readonly description: string; readonly eventPattern: events.EventPattern; readonly input: Record<string, string> },
  ): void {
    new events.Rule(this, id, {
      ...rule,
      eventBus: this.bus,
      targets: [
        new targets.LambdaFunction(fn.live, { event: events.RuleTargetInput.fromObject(input), deadLetterQueue: this.undelivered }),
      ],
    });
  }
}
