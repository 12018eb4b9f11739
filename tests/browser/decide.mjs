// Opens an approval's link as a person would, looks at the page with axe, answers, and opens it once more.
//
//   node decide.mjs LINK ACCEPT|REJECT COMMENT FOLDER-FOR-PICTURES
//
// Prints one JSON object: what was seen. Exit code 1 when the page cannot be used, or axe finds a fault.

import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { launch } from './chromium.mjs';

const [link, decision, comment, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// WCAG 2.2 AA, and what axe holds to be good practice.
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const SCREENS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1000, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1000, height: 900 } },
  { name: 'narrow', colorScheme: 'light', viewport: { width: 360, height: 740 } },
];

mkdirSync(pictures, { recursive: true });
const browser = await launch();
const faults = [];

// axe needs JavaScript, which the page itself does without, and its policy forbids: only the inspecting contexts bypass that.
async function inspect(state) {
  for (const { name, ...screen } of SCREENS) {
    const context = await browser.newContext({ ...screen, bypassCSP: true });
    const page = await context.newPage();
    await page.goto(link);
    await page.screenshot({ path: path.join(pictures, `${state}-${name}.png`), fullPage: true });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (overflow > 0) {
      faults.push(`${state}, ${name}: ${overflow} px have to be scrolled to the side`);
    }
    await page.addScriptTag({ content: axe });
    const { violations } = await page.evaluate((values) => window.axe.run({ runOnly: { type: 'tag', values } }), RULES);
    for (const { id, nodes } of violations) {
      faults.push(`${state}, ${name}: ${id} at ${nodes.map(({ target }) => target).join(' ')}`);
    }
    await context.close();
  }
}

// A person's browser, without JavaScript, to show that none is needed.
const person = await browser.newContext({ javaScriptEnabled: false });
const page = await person.newPage();
const requests = [];
page.on('request', (request) => requests.push(request.url().split('?')[0]));

await inspect('question');
const opened = await page.goto(link);
const question = await page.locator('h1').innerText();
const ticks = await page.locator('input[type=checkbox]').count();
for (let index = 0; index < ticks; index += 1) {
  await page.locator('input[type=checkbox]').nth(index).check();
}
if (comment) {
  await page.getByLabel(/^Comment/).fill(comment);
}
const [answer] = await Promise.all([
  page.waitForResponse((response) => response.request().method() === 'POST'),
  page.getByRole('button', { name: decision === 'accept' ? 'Accept' : 'Reject' }).click(),
]);
const answered = await page.locator('h1').innerText();
const again = await page.goto(link);
const afterwards = await page.locator('h1').innerText();
await inspect('answered');

const seen = {
  question,
  ticks,
  answered,
  afterwards,
  statuses: [opened.status(), answer.status(), again.status()],
  headers: opened.headers(),
  requests: [...new Set(requests)],
  buttons_afterwards: await page.locator('button').count(),
  faults,
};
console.log(JSON.stringify(seen));
await browser.close();
process.exitCode = faults.length === 0 ? 0 : 1;
