import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import type { Page } from 'playwright-core';
import {
  checkAccessibility,
  checkFits,
  checkHtml,
  checkNames,
  createBrowserTests,
  screenshot,
} from '../helpers/browser.ts';
import { manageAccount } from './account-walks.ts';
import { confirmByKeyboard, factorWalks } from './factor-walks.ts';
import { PORT } from './scenery.ts';
import { scenes } from './scenes.ts';
import { securityWalks } from './security-walks.ts';
import { liveAccount, type See, walks } from './walks.ts';

const test = await createBrowserTests({
  flags: [`--host-resolver-rules=MAP localhost:3000 127.0.0.1:${PORT}`],
});

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** Every size in every scheme. What does not depend on colours is looked at once for each size. */
const VIEWS = [
  { width: 320, colorScheme: 'light', rules: 'all' },
  { width: 320, colorScheme: 'dark', rules: 'contrast' },
  { width: 1280, colorScheme: 'dark', rules: 'all' },
  { width: 1280, colorScheme: 'light', rules: 'contrast' },
] as const;

// Fixed, as error pages show it.
const headers = { 'x-request-id': '0199a7c2-5d1e-7b60-9f7e-3c1f0ad28e44' };

/** Views that were on the screen. */
const seen = new Set<string>();

/** Looks at the page on the screen in every size and scheme, and keeps pictures of it. */
const looking =
  (page: Page): See =>
  async (name, title, shots = []) => {
    assert.ok((await page.title()).startsWith(title), await page.title());
    const body = (await page.locator('body').getAttribute('class')) ?? '';
    seen.add(/(?:^| )page-(\S+)/.exec(body)?.[1] ?? '');
    await checkHtml(page);
    for (const { width, colorScheme, rules } of VIEWS) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await checkFits(page);
      if (rules === 'all') await checkNames(page);
      await checkAccessibility(page, rules);
    }
    for (const shot of shots ? (['', ...shots] as const) : []) {
      await page.emulateMedia({ colorScheme: shot.endsWith('dark') ? 'dark' : 'light' });
      await page.setViewportSize(shot.startsWith('phone') ? SIZES.phone : SIZES.desktop);
      await screenshot(page, shot ? `${name}-${shot}` : name);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(SIZES.desktop);
  };

for (const [name, { title, reach, shots }] of Object.entries(scenes)) {
  test(`the page ${name} is accessible, valid and fits in every size and scheme`, async (open) => {
    const page = await open({ javaScript: true, headers });
    await reach(page);
    await looking(page)(name, title, shots);
  });
}

for (const [name, walk] of Object.entries({ ...walks, ...securityWalks, ...factorWalks })) {
  test(`each page is accessible, valid and fits in every size and scheme: ${name}`, async (open) => {
    const page = await open({ javaScript: true, headers });
    await walk(page, looking(page));
  });
}

test('an account is made, recovered and signed out everywhere without JavaScript, on a phone', async (open) => {
  const page = await open({ viewport: { width: 320, height: 640 }, colourScheme: 'dark' });
  await liveAccount(page, 'khue.phone@lotus.example', () => checkFits(page));
});

test('a sign-in with a second factor goes by the keyboard alone, with the focus in sight', async (open) => {
  await confirmByKeyboard(await open());
});

test('people manage their account, and leave, without JavaScript on a phone', async (open) => {
  const page = await open({ viewport: { width: 320, height: 640 } });
  await manageAccount(page, 'khue.phone@sen-hong.example', () => checkFits(page));
});

test('every page that there is was looked at', async () => {
  const views = readdirSync(new URL('../../views/', import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name.replace(/\.eta$/, ''));
  assert.deepEqual(
    views.filter((view) => !seen.has(view)),
    [],
  );
});
