// Looks around in the dashboard as a person would, and looks at its pages with axe.
//
//   node dashboard.mjs ADDRESS FOLDER-FOR-PICTURES
//
// Prints one JSON object: what was seen. Exit code 1 when a page cannot be used, or axe finds a fault.

import path from 'node:path';
import { PATIENCE, launch } from './chromium.mjs';
import { inspector, picture } from './inspecting.mjs';

const [address, pictures] = process.argv.slice(2);
const browser = await launch();
const { inspect, faults } = inspector(browser, pictures);

const PAGES = {
  dashboard: '/?still',
  'dashboard-application': '/applications/acme/warehouse?still',
  'dashboard-deployment': '/deployments/shop-test-200?still',
  'dashboard-failed': '/deployments/shop-dev-3',
  'dashboard-nothing': '/nothing',
};
const inspected = {};
for (const [state, asked] of Object.entries(PAGES)) {
  inspected[state] = await inspect(state, (page) => page.goto(address + asked));
}

// For the documentation: the beginning of a page, on a screen of the given size.
const SHOWN = {
  'dashboard-shown-light': ['/?still', { colorScheme: 'light', viewport: { width: 1000, height: 1175 } }],
  'dashboard-shown-dark': ['/?still', { colorScheme: 'dark', viewport: { width: 1000, height: 1175 } }],
  'dashboard-shown-narrow': ['/?still', { colorScheme: 'light', viewport: { width: 360, height: 1180 } }],
  'dashboard-shown-deployment': ['/deployments/shop-test-200?still', { colorScheme: 'light', viewport: { width: 1000, height: 1000 } }],
};
for (const [name, [pathOfPage, screen]] of Object.entries(SHOWN)) {
  const context = await browser.newContext(screen);
  const page = await context.newPage();
  await page.goto(address + pathOfPage);
  await picture(page, path.join(pictures, `${name}.png`), {});
  if (name === 'dashboard-shown-light') {
    const [first, last] = [await page.locator('.figures').nth(0).boundingBox(), await page.locator('.figures').nth(2).boundingBox()];
    const clip = { x: first.x - 10, y: first.y, width: first.width + 20, height: last.y + last.height - first.y };
    await picture(page, path.join(pictures, 'dashboard-shown-figures.png'), { fullPage: true, clip });
  }
  await context.close();
}

// A person's browser, without JavaScript, to show that none is needed.
const person = await browser.newContext({ javaScriptEnabled: false });
person.setDefaultTimeout(PATIENCE);
const page = await person.newPage();
const other = await person.newPage();
const requests = [];
function note(request) {
  requests.push(request.url().slice(address.length).split('?')[0]);
}
page.on('request', note);
other.on('request', note);

// How often a page is asked for in 18 seconds, where it says that it is fresh every 15, and where somebody stopped that.
const LONG_ENOUGH = 18_000;
await page.goto(`${address}/`);
await page.getByRole('link', { name: 'Stop that' }).click();
await page.waitForURL(`${address}/?still`);
let [refreshed, stopped] = [0, 1];
other.on('request', () => (refreshed += 1));
page.on('request', () => (stopped += 1));
await other.goto(`${address}/`);
await other.waitForTimeout(LONG_ENOUGH);
await other.close();
const counted = { refreshed, stopped };

const heading = (level) => page.locator(`h${level}`).first().innerText();
const way = [await heading(1)];
await page.getByRole('link', { name: 'v2.4.0-rc.1' }).first().click();
await page.waitForURL('**/deployments/**');
way.push(await heading(1));
await page.getByRole('link', { name: 'Lockgate' }).click();
await page.waitForURL(`${address}/?still`);
way.push(await heading(1));
await page.getByRole('link', { name: 'acme/shop', exact: true }).click();
await page.waitForURL('**/applications/**');
way.push(await heading(2));

// With the keyboard alone, what is under way is reached.
await page.goto(`${address}/?still`);
const keys = [];
for (let presses = 0; presses < 6; presses += 1) {
  await page.keyboard.press('Tab');
  keys.push(await page.locator(':focus').innerText());
}
await page.goto(`${address}/nothing`);
way.push(await heading(1));

const seen = { way, keys, ...counted, inspected, requests: [...new Set(requests)], faults };
console.log(JSON.stringify(seen));
await browser.close();
process.exitCode = faults.length === 0 ? 0 : 1;
