// Opens an approval's link as a person would, looks at the page with axe, answers, and opens it once more.
//
//   node decide.mjs LINK ACCEPT|REJECT COMMENT FOLDER-FOR-PICTURES
//
// Prints one JSON object: what was seen. Exit code 1 when the page cannot be used, or axe finds a fault.

import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { PATIENCE, launch } from './chromium.mjs';

const [link, decision, comment, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// WCAG 2.2 AA, and what axe holds to be good practice.
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const SCREENS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1000, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1000, height: 900 } },
  { name: 'narrow', colorScheme: 'light', viewport: { width: 360, height: 740 } },
  { name: 'narrow-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 } },
];

mkdirSync(pictures, { recursive: true });
const browser = await launch();
const faults = [];

// axe needs JavaScript, which the page itself does without, and its policy forbids: only the inspecting contexts bypass that.
async function inspect(state, arrive) {
  const statuses = new Set();
  for (const { name, ...screen } of SCREENS) {
    const context = await browser.newContext({ ...screen, bypassCSP: true });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    const response = await arrive(page);
    statuses.add(response.status());
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
  return [...statuses];
}

const open = (page) => page.goto(link);

// Another character in the middle of its token.
function openBent(page) {
  const middle = Math.floor((link.indexOf('?token=') + '?token='.length + link.length) / 2);
  const other = link[middle] === 'A' ? 'B' : 'A';
  return page.goto(link.slice(0, middle) + other + link.slice(middle + 1));
}

// A rejection needs a comment: the page comes back and says so.
async function rejectWithoutComment(page) {
  await page.goto(link);
  return press(page, 'Reject');
}

async function press(page, name) {
  const [response] = await Promise.all([
    page.waitForResponse((answer) => answer.request().method() === 'POST'),
    page.waitForEvent('framenavigated'),
    page.getByRole('button', { name }).click(),
  ]);
  await page.waitForLoadState();
  return response;
}

// A person's browser, without JavaScript, to show that none is needed.
const person = await browser.newContext({ javaScriptEnabled: false });
person.setDefaultTimeout(PATIENCE);
const page = await person.newPage();
const requests = [];
page.on('request', (request) => requests.push(request.url().split('?')[0]));

const inspected = { question: await inspect('question', open) };
inspected['not-valid'] = await inspect('not-valid', openBent);
inspected['comment-missing'] = await inspect('comment-missing', rejectWithoutComment);

// Without JavaScript the page comes back with its complaint, and the field that it is about.
await page.goto(link);
await press(page, 'Reject');
const complaint = {
  invalid: await page.getByLabel(/^Comment/).getAttribute('aria-invalid'),
  text: await page.locator('#complaint').innerText(),
};
const opened = await page.goto(link);
const question = await page.locator('h1').innerText();
const ticks = await page.locator('input[type=checkbox]').count();
for (let index = 0; index < ticks; index += 1) {
  await page.locator('input[type=checkbox]').nth(index).check();
}
if (comment) {
  await page.getByLabel(/^Comment/).fill(comment);
}
const answer = await press(page, decision === 'accept' ? 'Accept' : 'Reject');
const answered = await page.locator('h1').innerText();
const again = await page.goto(link);
const afterwards = await page.locator('h1').innerText();
inspected.answered = await inspect('answered', open);

const seen = {
  question,
  ticks,
  answered,
  afterwards,
  statuses: [opened.status(), answer.status(), again.status()],
  headers: opened.headers(),
  complaint,
  inspected,
  requests: [...new Set(requests)],
  buttons_afterwards: await page.locator('button').count(),
  faults,
};
console.log(JSON.stringify(seen));
await browser.close();
process.exitCode = faults.length === 0 ? 0 : 1;
