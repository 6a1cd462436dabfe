import assert from 'node:assert/strict';
import {
  checkAccessibility,
  checkFits,
  checkHtml,
  createBrowserTests,
  screenshot,
} from '../helpers/browser.ts';
import { PORT, scenes } from './scenes.ts';

const test = await createBrowserTests({
  flags: [`--host-resolver-rules=MAP localhost:3000 127.0.0.1:${PORT}`],
});

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const NARROWEST = 320;

// Fixed, as error pages show it.
const headers = { 'x-request-id': '0199a7c2-5d1e-7b60-9f7e-3c1f0ad28e44' };

for (const [name, { title, reach, shots = [] }] of Object.entries(scenes)) {
  test(`the page ${name} is accessible, valid and fits in every size and scheme`, async (open) => {
    const page = await open({ javaScript: true, headers });
    await reach(page);
    assert.ok((await page.title()).startsWith(title), await page.title());
    await checkHtml(page);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of [NARROWEST, SIZES.desktop.width]) {
        await page.setViewportSize({ width, height: 800 });
        await checkFits(page);
        await checkAccessibility(page);
      }
    }
    for (const shot of shots ? (['', ...shots] as const) : []) {
      await page.emulateMedia({ colorScheme: shot.endsWith('dark') ? 'dark' : 'light' });
      await page.setViewportSize(shot.startsWith('phone') ? SIZES.phone : SIZES.desktop);
      await screenshot(page, shot ? `${name}-${shot}` : name);
    }
  });
}
