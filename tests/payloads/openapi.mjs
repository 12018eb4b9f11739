// Holds requests against GitHub's own OpenAPI description of its API (npm package @octokit/openapi).
//
// Reads an array of { method, target, body } from a file, or from standard input, and prints what deviates, a line each: an operation that
// GitHub does not have, a parameter that it does not know or that is missing, a body that is not as described, or has
// fields that are not.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const description = JSON.parse(readFileSync(createRequire(import.meta.url).resolve('@octokit/openapi/generated/api.github.com.json'), 'utf8'));
const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: false });
addFormats(ajv);
ajv.addSchema(description, 'github');

const pointer = (...keys) => `github#/${keys.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;

/** What a reference leads to, or the thing itself. */
function resolved(thing) {
  const path = thing?.$ref?.slice(2).split('/');
  return path ? path.reduce((from, key) => from[key], description) : thing;
}

const templates = Object.keys(description.paths).map((template) => {
  const parts = template.split('/').map((part) => (part.startsWith('{') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return { template, pattern: new RegExp(`^${parts.join('/')}$`), fixed: parts.filter((part) => part !== '[^/]+').length };
});

/** The operation's template; where several fit, the one with fewer parameters. */
function find(path) {
  // A reference or a tag may have slashes, which GitHub takes as they are.
  const tail = path.replace(/^(\/repos\/[^/]+\/[^/]+\/(?:git\/ref|releases\/tags|branches|compare)\/)(.+)$/, (_, head, rest) => head + encodeURIComponent(decodeURIComponent(rest)));
  const fitting = templates.filter(({ pattern }) => pattern.test(tail));
  return fitting.sort((a, b) => b.fixed - a.fixed)[0]?.template;
}

/** The fields that a schema names; nothing, where it takes any. */
function fields(schema) {
  const { properties = {}, additionalProperties, allOf = [], anyOf = [], oneOf = [] } = resolved(schema) ?? {};
  if (additionalProperties) {
    return undefined;
  }
  const parts = [...allOf, ...anyOf, ...oneOf].map(fields);
  return parts.includes(undefined) ? undefined : { ...properties, ...Object.assign({}, ...parts) };
}

function unknownFields(schema, value, at) {
  const known = fields(schema);
  if (!known || Object.keys(known).length === 0 || value === null || typeof value !== 'object' || Array.isArray(value)) {
    return [];
  }
  return Object.entries(value).flatMap(([key, inner]) =>
    key in known ? unknownFields(known[key], inner, `${at}.${key}`) : [`${at}.${key} is not described`],
  );
}

function deviations({ method, target, body }) {
  const [path, query = ''] = target.split('?');
  const template = find(path);
  const operation = template && description.paths[template][method.toLowerCase()];
  if (!operation) {
    return ['there is no such operation'];
  }
  const parameters = (operation.parameters ?? []).map(resolved).filter((parameter) => parameter.in === 'query');
  const given = new URLSearchParams(query);
  const found = [...given.keys()].filter((name) => !parameters.some((parameter) => parameter.name === name)).map((name) => `the parameter ${name} is not described`);
  for (const { name, required, schema } of parameters) {
    if (!given.has(name)) {
      found.push(...(required ? [`the parameter ${name} is missing`] : []));
      continue;
    }
    const text = given.get(name);
    const value = ['integer', 'number'].includes(resolved(schema).type) ? Number(text) : text;
    if (!ajv.validate(schema.$ref ? { $ref: `github${schema.$ref}` } : schema, value)) {
      found.push(`the parameter ${name}: ${ajv.errorsText()}`);
    }
  }
  const described = operation.requestBody?.content?.['application/json'];
  if (body === null || body === undefined) {
    return [...found, ...(operation.requestBody?.required ? ['a body is missing'] : [])];
  }
  if (!described) {
    return [...found, 'a body is not described'];
  }
  const schema = pointer('paths', template, method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema');
  if (!ajv.validate({ $ref: schema }, body)) {
    found.push(ajv.errorsText(ajv.errors, { dataVar: 'body' }));
  }
  return [...found, ...unknownFields(described.schema, body, 'body')];
}

const requests = JSON.parse(readFileSync(process.argv[2] ?? 0, 'utf8'));
const lines = new Set(requests.flatMap((request) => deviations(request).map((deviation) => `${request.method} ${request.target}: ${deviation}`)));
for (const line of lines) {
  console.log(line);
}
console.error(`${requests.length} requests, ${lines.size} deviations`);
process.exitCode = lines.size === 0 && requests.length > 0 ? 0 : 1;
