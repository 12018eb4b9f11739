import { aws_sqs as sqs, Duration, Validations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { queueUrl } from '../deep-link';
import { RUNBOOK } from '../runbook-url';
import { Notifications } from './notifications';
import { OperatorAlarm } from './operator-alarm';

export interface DeadLettersProps {
  /** Fixed, because an operator types it. */
  readonly queueName: string;
  /** What it means that something is in it, in one sentence. */
  readonly happened: string;
  /** Default: the alarm is shown, and nobody is told. */
  readonly notifications?: Notifications;
  /** The address of the runbook. Default: the one that those who are told know. */
  readonly runbookAddress?: string;
}

/** Keeps for 14 days what an asynchronous invocation could not hand over, and raises an alarm. */
export class DeadLetters extends sqs.Queue {
  constructor(scope: Construct, id: string, props: DeadLettersProps) {
    super(scope, id, {
      queueName: props.queueName,
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    Validations.of(this).acknowledge({ id: 'AwsSolutions-SQS3', reason: 'It is itself a queue of dead letters.' });

    // Beside the queue, since that is where those of the functions have always been: moved, they would all be made anew.
    new OperatorAlarm(scope, 'Dead', {
      metric: this.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(5), statistic: 'Maximum' }),
      happened: props.happened,
      runbook: RUNBOOK.deadLetters,
      link: queueUrl(scope, props.queueName),
      notifications: props.notifications,
      runbookAddress: props.runbookAddress,
    });
  }
}
