import { aws_cloudwatch as cloudwatch, aws_cloudwatch_actions as actions } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { RunbookAnchor, runbookUrl } from '../runbook-url';
import { Notifications } from './notifications';

export interface OperatorAlarmProps {
  readonly metric: cloudwatch.IMetric;
  /** One sentence. */
  readonly happened: string;
  readonly runbook: RunbookAnchor;
  /** Where in the AWS console to look. */
  readonly link: string;
  /** Default: it is shown, and nobody is told; a target account has nobody to tell. */
  readonly notifications?: Notifications;
  /** The address of the runbook. Default: the one that those who are told know. */
  readonly runbookAddress?: string;
  /** Default: one event within the metric's period is enough. */
  readonly threshold?: number;
  readonly comparison?: cloudwatch.ComparisonOperator;
  /** Default: silence is good news. */
  readonly missing?: cloudwatch.TreatMissingData;
}

/** An alarm that says what happened, what to do about it and where to look. */
export class OperatorAlarm extends cloudwatch.Alarm {
  constructor(scope: Construct, id: string, props: OperatorAlarmProps) {
    super(scope, id, {
      metric: props.metric,
      threshold: props.threshold ?? 1,
      evaluationPeriods: 1,
      comparisonOperator: props.comparison ?? cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: props.missing ?? cloudwatch.TreatMissingData.NOT_BREACHING,
      alarmDescription: [props.happened, `What to do: ${runbookUrl(props.runbook, props.runbookAddress ?? props.notifications?.runbook)}`, `Where to look: ${props.link}`].join('\n\n'),
    });
    if (props.notifications) {
      this.addAlarmAction(new actions.SnsAction(props.notifications.topic));
    }
  }
}
