// Opens an approval's link as a person would, looks at the page with axe, answers, and opens it once more.
//
//   node decide.mjs LINK ACCEPT|REJECT COMMENT FOLDER-FOR-PICTURES
//
// Prints one JSON object: what was seen. Exit code 1 when the page cannot be used, or axe finds a fault.

import { PATIENCE, launch } from './chromium.mjs';
import { inspector } from './inspecting.mjs';

const [link, decision, comment, pictures] = process.argv.slice(2);
const browser = await launch();
const { inspect, faults } = inspector(browser, pictures);

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
