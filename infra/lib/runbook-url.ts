/** Every alarm there is, and its section in the operators' document; a test holds that document against this list. */
export const RUNBOOK = {
  deploymentFailed: 'a-deployment-failed',
  deploymentTimedOut: 'a-deployment-timed-out',
  deploymentStopped: 'a-deployment-was-stopped',
  apiAnswers5xx: 'the-api-answers-5xx',
  deliveryTurnedAway: 'a-delivery-was-turned-away',
  approverGetsNoMail: 'an-approver-gets-no-mail',
  functionFails: 'a-function-fails',
  functionThrottled: 'a-function-is-throttled',
  deadLetters: 'dead-letters',
  sweepDoesNotRun: 'the-sweep-does-not-run',
  sweepFails: 'the-sweep-fails',
} as const;

export type RunbookAnchor = (typeof RUNBOOK)[keyof typeof RUNBOOK];

/** Relative to the repository: where operators are not told an address, they look into the files that they deployed from. */
export const RUNBOOK_FILE = 'docs/OPERATIONS.md';

export const runbookUrl = (anchor: RunbookAnchor, runbook: string = RUNBOOK_FILE) => `${runbook}#${anchor}`;
