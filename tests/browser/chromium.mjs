// A Chromium: the machine's own where there is one, otherwise the one that an npm package brings along for x86_64 Linux.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { chromium as playwright } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
// The root user of a build machine has no sandbox to be put into; the pages that are opened are our own.
const ARGUMENTS = ['--no-sandbox', '--disable-dev-shm-usage'];
// In milliseconds, for its start and for each thing that is waited for in it: far longer than any takes.
export const PATIENCE = 120_000;

export async function launch() {
  const own = process.env.CHROMIUM ?? find();
  if (own) {
    return playwright.launch({ executablePath: own, args: ARGUMENTS, timeout: PATIENCE });
  }
  // It unpacks the libraries that a bare Linux lacks when it believes to be in Lambda.
  process.env.AWS_LAMBDA_JS_RUNTIME ??= 'nodejs22.x';
  const { default: packed } = await import('@sparticuz/chromium');
  // Not with its own arguments: they are for Lambda, run everything in one process that does not outlive the closing of a
  // page, and switch off the web's security, which is what is to be shown here.
  return playwright.launch({ executablePath: await packed.executablePath(), args: ARGUMENTS, timeout: PATIENCE });
}

function find() {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(existsSync);
}
