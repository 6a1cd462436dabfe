import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { begin, createStage, submitSignIn } from '../browser/stage.ts';
import { freePort } from '../helpers/gatehouse.ts';

/** What Lighthouse says of the pages: accessibility and best practices, each 0.95 or more. */

const { CHROMIUM_PATH, CHROMIUM_SKIP_REASON, LIGHTHOUSE_PATH, LIGHTHOUSE_SKIP_REASON } =
  process.env;

const LEAST = 0.95;
const CATEGORIES = ['accessibility', 'best-practices'];
const PATIENCE = 600_000;

const ACCOUNT_PAGES = [
  '/account',
  '/account/profile',
  '/account/contact',
  '/account/password',
  '/account/security',
  '/account/sessions',
  '/account/activity',
  '/account/applications',
  '/account/data',
];

/** What is used of the report. */
interface Report {
  lhr: {
    finalDisplayedUrl: string;
    categories: Record<
      string,
      { score: number | null; auditRefs: { id: string; weight: number }[] }
    >;
    audits: Record<string, { score: number | null; title: string }>;
  };
}
type Lighthouse = (url: string, flags: object) => Promise<Report | undefined>;

/** A browser whose windows share their cookies with those that Lighthouse opens. */
async function openBrowser(): Promise<{ context: BrowserContext; port: number }> {
  const profile = mkdtempSync(path.join(tmpdir(), 'gatehouse-lighthouse-'));
  const port = await freePort();
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM_PATH ?? '',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', `--remote-debugging-port=${port}`],
  });
  after(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  });
  return { context, port };
}

/** Why a page does not get full marks, in Lighthouse's words. */
const complaintsOf = ({ lhr }: Report): string[] =>
  CATEGORIES.flatMap((name) => lhr.categories[name]?.auditRefs ?? [])
    .filter(({ id, weight }) => weight > 0 && (lhr.audits[id]?.score ?? 1) < 1)
    .map(({ id }) => `${id}: ${lhr.audits[id]?.title}`);

async function audit(lighthouse: Lighthouse, port: number, url: string): Promise<void> {
  const report = await lighthouse(url, {
    port,
    logLevel: 'silent',
    onlyCategories: CATEGORIES,
    // Nobody is to be signed out by it.
    disableStorageReset: true,
  });
  assert.ok(report, url);
  assert.equal(report.lhr.finalDisplayedUrl, url, 'the page that was meant');
  const complaints = complaintsOf(report).join('\n');
  for (const name of CATEGORIES) {
    const score = report.lhr.categories[name]?.score ?? 0;
    assert.ok(score >= LEAST, `${url}: ${name} ${score}\n${complaints}`);
  }
}

const skip =
  (CHROMIUM_PATH ? false : (CHROMIUM_SKIP_REASON ?? 'no CHROMIUM_PATH')) ||
  (LIGHTHOUSE_PATH ? false : (LIGHTHOUSE_SKIP_REASON ?? 'no LIGHTHOUSE_PATH'));

test('sign-in and account pages get 0.95 or more of Lighthouse for accessibility and best practices', {
  skip,
  timeout: PATIENCE,
}, async () => {
  const { default: lighthouse } = (await import(pathToFileURL(LIGHTHOUSE_PATH ?? '').href)) as {
    default: Lighthouse;
  };
  // Lighthouse's own windows name no address, so that all of these have one budget.
  const stage = await createStage();
  const application = await stage.startApplication();
  const { context, port } = await openBrowser();
  const page: Page = await context.newPage();
  await begin(page, application);
  await audit(lighthouse, port, page.url());
  await submitSignIn(page, stage.person.email, stage.person.password);
  for (const where of ACCOUNT_PAGES) {
    await page.goto(`${stage.url}${where}`);
    await audit(lighthouse, port, `${stage.url}${where}`);
  }
});
