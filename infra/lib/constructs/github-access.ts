import { Pipeline } from '../configuration';
import { grantReadParameters } from './parameters';
import { RustFunction } from './rust-function';

/** Where an operator puts the GitHub App's client id and key, or a token; without either, only what is public can be asked for. */
const GITHUB = '/lockgate/github';

/** What a function that asks GitHub is told. */
export const gitHubSettings = ({ github_api }: Pipeline) => ({ LOCKGATE_GITHUB_API: github_api, LOCKGATE_GITHUB: GITHUB });

export function grantGitHub(fn: RustFunction): void {
  grantReadParameters(fn, `${GITHUB}/app`, `${GITHUB}/app-key`, `${GITHUB}/token`);
}
