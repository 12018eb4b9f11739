import * as fs from 'node:fs';
import { Missing } from './missing';

/**
 * What `lockgate config --file lockgate.toml --json` prints. That command validates it, with a sentence
 * for each mistake; here only the fields that shape infrastructure are named and held to their form.
 */
export interface Configuration {
  readonly pipeline: Pipeline;
  /** Which workflows of GitHub Actions get access; without it, none. */
  readonly actions?: Actions;
  readonly applications: readonly Application[];
}

export interface Pipeline {
  /** The tools account. */
  readonly account: string;
  readonly region: string;
  /** What our roles say when they assume a role in a target account; one per installation, at least 128 random bits. */
  readonly external_id: string;
  /** Mail addresses of those who operate the pipeline. */
  readonly notify: readonly string[];
  /** Networks that a smoke test may reach beside public addresses. */
  readonly smoke_test_addresses: readonly string[];
  readonly customer_managed_keys: boolean;
  /** Where GitHub's API is. */
  readonly github_api: string;
  /** Where the operators read docs/OPERATIONS.md. */
  readonly runbook?: string;
}

export interface Actions {
  /** Whether the tools account has GitHub's identity provider already: it can have only one. */
  readonly existing_provider: boolean;
  /** Which workflows may deploy this CDK app. */
  readonly infrastructure?: Trusted;
  /** Which workflows may start deployments. */
  readonly deployments?: Trusted;
}

export interface Trusted {
  /** The branch, the tag or the environment of one repository each, as a workflow's token has it; never a pattern. */
  readonly subjects: readonly string[];
}

/** The functions read more of it than is named here; it is stored as it came. */
export interface Application {
  /** `owner/name`, as GitHub spells it. */
  readonly repository: string;
  readonly environments: readonly Environment[];
}

export interface Environment {
  readonly name: string;
  readonly account: string;
  readonly region: string;
  /** Of the account's CDK bootstrap. */
  readonly qualifier: string;
  /** Whom it asks; without it, nobody. */
  readonly approval?: ApprovalPolicy;
}

export interface ApprovalPolicy {
  readonly people: readonly Person[];
}

export interface Person {
  /** The mail address at which the person is asked, or the ARN of the AWS identity with which one without mail answers. */
  readonly name: string;
}

/** One account and region that something is deployed into: one EnvironmentStack. */
export interface Target {
  readonly account: string;
  readonly region: string;
  readonly qualifiers: readonly string[];
}

const RESOLVE = '`lockgate config --file lockgate.toml --json > resolved.json`';

const ID = '@[1-9][0-9]{0,19}';
const OWNER = '[A-Za-z0-9_.-]+';
const REFERENCE = String.raw`ref:refs/(heads|tags)/(?!-)(?!.*(\.\.|[~^:?*[\\$]))[!-~]+`;
const ENVIRONMENT = String.raw`environment:(?! )(?!.*[:?*$])[ -~]{1,255}(?<! )`;

const FORMS = {
  account: /^\d{12}$/,
  region: /^[a-z]{2}(-[a-z]+)+-\d$/,
  repository: /^[\w.-]+\/[\w.-]+$/,
  qualifier: /^[a-z0-9]{1,10}$/,
  // https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, ExternalId
  external_id: /^[\w+=,.@:/-]{22,1224}$/,
  github_api: /^https?:\/\/[^\s/]+(\/\S*)?$/,
  runbook: /^https:\/\/[^\s#?]+$/,
  // https://docs.github.com/en/actions/reference/security/oidc; what is read here, and what is not, is in
  // tests/fixtures/subjects.json for the parser of lockgate.toml too: a mistake of either lets strangers in.
  subject: new RegExp(`^repo:(${OWNER}/${OWNER}|${OWNER}${ID}/${OWNER}${ID}):(${REFERENCE}|${ENVIRONMENT})$`),
  approver: /^(arn:\S+|[^\s@]+@[^\s@]+)$/,
};

export function readConfiguration(path: unknown): Configuration {
  if (typeof path !== 'string') {
    throw new Missing(`No configuration: give the file that ${RESOLVE} makes with \`-c lockgate=resolved.json\`.`);
  }
  if (!fs.existsSync(path)) {
    throw new Missing(`No configuration at ${path}: ${RESOLVE} makes it.`);
  }
  const read = JSON.parse(fs.readFileSync(path, 'utf8')) as Configuration;
  check('pipeline.account', read.pipeline?.account, FORMS.account);
  check('pipeline.region', read.pipeline.region, FORMS.region);
  check('pipeline.external_id', read.pipeline.external_id, FORMS.external_id);
  check('pipeline.github_api', read.pipeline.github_api, FORMS.github_api);
  if (read.pipeline.runbook !== undefined) {
    check('pipeline.runbook', read.pipeline.runbook, FORMS.runbook);
  }
  for (const role of ['infrastructure', 'deployments'] as const) {
    const trusted = read.actions?.[role];
    for (const subject of trusted ? [trusted.subjects].flat() : []) {
      check(`actions.${role}.subjects`, subject, FORMS.subject);
    }
    if (trusted && !trusted.subjects?.length) {
      throw new Error(`actions.${role} trusts nobody, which ${RESOLVE} never prints.`);
    }
  }
  for (const application of read.applications) {
    check('repository', application.repository, FORMS.repository);
    for (const environment of application.environments) {
      const of = `${application.repository}.${environment.name}`;
      check(`${of}.account`, environment.account, FORMS.account);
      check(`${of}.region`, environment.region, FORMS.region);
      check(`${of}.qualifier`, environment.qualifier, FORMS.qualifier);
      for (const { name } of environment.approval?.people ?? []) {
        check(`${of}.approval.people.name`, name, FORMS.approver);
      }
    }
  }
  return read;
}

function check(name: string, value: unknown, form: RegExp): void {
  if (typeof value !== 'string' || !form.test(value)) {
    throw new Error(`${name} is ${JSON.stringify(value)}, which ${RESOLVE} never prints.`);
  }
}

/** The distinct accounts and regions of all environments, in a stable order. */
export function targets(configuration: Configuration): Target[] {
  const found = new Map<string, Target>();
  for (const { account, region, qualifier } of configuration.applications.flatMap(({ environments }) => environments)) {
    const key = `${account} ${region}`;
    const qualifiers = new Set(found.get(key)?.qualifiers).add(qualifier);
    found.set(key, { account, region, qualifiers: [...qualifiers].sort() });
  }
  return [...found.keys()].sort().map((key) => found.get(key)!);
}

/** The bootstrap that a target's own stack of Lockgate is deployed by; the account may have none but that of its applications. */
export const ownQualifier = ({ qualifiers }: Target): string => qualifiers[0]!;

/** Everybody who is asked by mail, in whichever environment, once and in a stable order. */
export function approverAddresses({ applications }: Configuration): string[] {
  const people = applications.flatMap(({ environments }) => environments).flatMap(({ approval }) => approval?.people ?? []);
  return [...new Set(people.map(({ name }) => name).filter((name) => !name.startsWith('arn:')))].sort();
}
