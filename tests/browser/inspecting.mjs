// Looks at a page, light and dark, wide and narrow: takes its picture, and has axe look for faults.

import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { PATIENCE } from './chromium.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// WCAG 2.2 AA, and what axe holds to be good practice.
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const SCREENS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1000, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1000, height: 900 } },
  { name: 'narrow', colorScheme: 'light', viewport: { width: 360, height: 740 } },
  { name: 'narrow-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 } },
];

// A busy Chromium refuses a picture now and then, of any page, and takes it a moment later.
const REFUSED = 'Unable to capture screenshot';
const ATTEMPTS = 10;

// Takes a picture of a page once it is drawn.
export async function picture(page, file, options) {
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await page.screenshot({ path: file, ...options });
    } catch (error) {
      if (attempt === ATTEMPTS || !error.message.includes(REFUSED)) {
        throw error;
      }
      await page.waitForTimeout(500);
    }
  }
}

// What inspects in this browser, and the faults that it found so far. Pictures are called STATE-SCREEN.png.
export function inspector(browser, pictures) {
  mkdirSync(pictures, { recursive: true });
  const faults = [];

  // axe needs JavaScript, which the pages themselves do without, and their policy forbids: only the inspecting contexts
  // bypass that.
  async function inspect(state, arrive) {
    const statuses = new Set();
    for (const { name, ...screen } of SCREENS) {
      const context = await browser.newContext({ ...screen, bypassCSP: true });
      context.setDefaultTimeout(PATIENCE);
      const page = await context.newPage();
      const response = await arrive(page);
      statuses.add(response.status());
      await picture(page, path.join(pictures, `${state}-${name}.png`), { fullPage: true });
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

  return { inspect, faults };
}
