import { Pipeline } from '../configuration';
import { grantReadParameters } from './parameters';
import { RustFunction } from './rust-function';

/** Where an operator puts a token; without one, only what is public can be asked for. */
const TOKEN = '/lockgate/github/token';

/** What a function that asks GitHub is told. */
export const gitHubSettings = ({ github_api }: Pipeline) => ({ LOCKGATE_GITHUB_API: github_api, LOCKGATE_GITHUB_TOKEN: TOKEN });

export function grantGitHubToken(fn: RustFunction): void {
  grantReadParameters(fn, TOKEN);
}
