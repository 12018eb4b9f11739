/** Synthesised templates as the tests read them. */
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { fixture, synthesise } from './stand-in';

export type Resource = { Type: string; Properties: any; DependsOn?: unknown; DeletionPolicy?: string };

export interface Statement {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
  Action: string[];
  Resource: string[];
  Principal?: any;
  Condition?: any;
}

/** One stack's template, with references spelled as text: `<LogicalId>` and `<LogicalId.Attribute>`. */
export class Synthesised {
  readonly resources: Record<string, Resource>;
  readonly raw: Record<string, any>;

  constructor(app: App, path: string) {
    this.raw = Template.fromStack(app.node.findChild(path) as Stack).toJSON();
    this.resources = spell(this.raw['Resources']);
  }

  all(type: string): Resource[] {
    return Object.values(this.resources).filter((resource) => resource.Type === type);
  }

  one(type: string): Resource {
    const [only, ...others] = this.all(type);
    if (!only || others.length > 0) {
      throw new Error(`${this.all(type).length} resources ${type}`);
    }
    return only;
  }

  machine(name: string): Resource {
    return this.all('AWS::StepFunctions::StateMachine').find(({ Properties }) => Properties.StateMachineName === name)!;
  }

  idOf(resource: Resource): string {
    return Object.keys(this.resources).find((id) => this.resources[id] === resource)!;
  }

  role(name: string): Resource {
    return this.all('AWS::IAM::Role').find((role) => role.Properties.RoleName === name)!;
  }

  /** What a role may and may not do, from its policies of every kind. */
  statements(role: Resource): Statement[] {
    const reference = `<${this.idOf(role)}>`;
    return [...this.all('AWS::IAM::Policy'), ...this.all('AWS::IAM::ManagedPolicy')]
      .filter((policy) => policy.Properties.Roles?.includes(reference))
      .flatMap((policy) => statements(policy.Properties.PolicyDocument))
      .concat((role.Properties.Policies ?? []).flatMap((policy: any) => statements(policy.PolicyDocument)));
  }

  actions(role: Resource): string[] {
    return [...new Set(this.statements(role).flatMap((statement) => statement.Action))].sort();
  }

  fn(name: string): Resource {
    return this.all('AWS::Lambda::Function').find((fn) => fn.Properties.FunctionName === name)!;
  }

  /** Inputs of the rules' targets, with what the template puts in for each variable. */
  inputs(rule: Resource): string[] {
    return rule.Properties.Targets.map(({ Input, InputTransformer: transformer }: any) =>
      transformer
        ? transformer.InputTemplate.replace(/<([^>]+)>/g, (_: string, name: string) => transformer.InputPathsMap[name])
        : Input,
    );
  }
}

export function statements(document: any): Statement[] {
  return document.Statement.map((statement: any) => ({
    ...statement,
    Action: [statement.Action].flat(),
    Resource: [statement.Resource].flat(),
  }));
}

function spell(value: any): any {
  if (Array.isArray(value)) {
    return value.map(spell);
  }
  if (value === null || typeof value !== 'object') {
    return value;
  }
  if ('Ref' in value) {
    return `<${value.Ref}>`;
  }
  if ('Fn::GetAtt' in value) {
    return `<${value['Fn::GetAtt'].join('.')}>`;
  }
  if ('Fn::Join' in value) {
    const [separator, parts] = value['Fn::Join'];
    return parts.map(spell).join(separator);
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, spell(inner)]));
}

/** The installation of the fixture: three target accounts. */
export const installation = synthesise(fixture());
export const pipeline = new Synthesised(installation, 'Pipeline');
export const environment = new Synthesised(installation, 'Environment-222222222222-eu-west-1');

/** The smallest one: the tools account is also the target; and everything that can be switched is switched. */
const small = fixture();
export const smallest = synthesise({
  pipeline: { ...small.pipeline, customer_managed_keys: true, runbook: 'https://acme.example/OPERATIONS.md', smoke_test_addresses: ['10.0.0.0/8', '127.0.0.0/8'] },
  applications: small.applications.map((application) => ({
    ...application,
    environments: application.environments.slice(0, 1).map((dev) => ({ ...dev, account: small.pipeline.account })),
  })),
});
export const smallestPipeline = new Synthesised(smallest, 'Pipeline');
export const smallestEnvironment = new Synthesised(smallest, 'Environment-111111111111-eu-west-1');
