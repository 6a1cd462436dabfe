import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HtmlValidate } from 'html-validate';
import { type Browser, chromium, type Page, type Response } from 'playwright-core';

const { CHROMIUM_PATH, CHROMIUM_SKIP_REASON, UPDATE_SCREENS } = process.env;

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Milliseconds that anything may take; a condition that holds is seen at once. */
const PATIENCE = 15_000;

/** Milliseconds for a whole test, on a machine that is busy with others. */
const TEST_TIMEOUT = 180_000;

export interface OpenOptions {
  /** Off by default: every hosted page has to work without it. */
  javaScript?: boolean;
  colourScheme?: 'light' | 'dark';
  viewport?: { width: number; height: number };
  /** The language of the browser, as `Accept-Language` tells it. */
  language?: string;
  /** The address that the person comes from, told by a trusted proxy; one's own by default. */
  address?: string;
  headers?: Record<string, string>;
}

/** Opens a window of a browser that has no cookies yet. */
export type Open = (options?: OpenOptions) => Promise<Page>;

const documents = new WeakMap<Page, Response>();
const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const validator = new HtmlValidate({ root: true, extends: ['html-validate:recommended'] });
const screens = new URL('../../docs/screens/', import.meta.url);
let addresses = 0;

/** Collects what the browser complains of: scripts, policies, resources that fail. */
function watch(page: Page, problems: string[]): void {
  const visited = new Set<string>();
  page.on('request', (request) => {
    if (request.isNavigationRequest()) visited.add(request.url());
  });
  page.on('response', (response) => {
    const request = response.request();
    const isPage = request.isNavigationRequest() && request.frame() === page.mainFrame();
    if (isPage && response.status() !== 303) documents.set(page, response);
  });
  page.on('pageerror', (error) => problems.push(`${page.url()}: ${error.message}`));
  page.on('console', (message) => {
    // A page with an error status is reported like a resource that failed; tests ask for those.
    const isPage = /status of [45]\d\d/.test(message.text()) && visited.has(message.location().url);
    if (/error|warning/.test(message.type()) && !isPage) {
      problems.push(`${page.url()}: ${message.text()}`);
    }
  });
}

async function openPage(browser: Browser, options: OpenOptions, problems: string[]): Promise<Page> {
  addresses += 1;
  const context = await browser.newContext({
    javaScriptEnabled: options.javaScript ?? false,
    colorScheme: options.colourScheme ?? 'light',
    viewport: options.viewport ?? { width: 1280, height: 900 },
    locale: options.language ?? 'en-GB',
    reducedMotion: 'reduce',
    extraHTTPHeaders: {
      'x-forwarded-for': options.address ?? `198.51.100.${addresses}`,
      ...options.headers,
    },
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  watch(page, problems);
  context.on('page', (other) => watch(other, problems));
  return page;
}

/** Declares a test; `todo` says why it is known to fail. */
export type BrowserTest = (
  name: string,
  run: (open: Open) => Promise<void>,
  todo?: string | false,
) => void;

/**
 * A browser for one test file, closed after it. The function that comes back
 * declares a test: its windows share nothing with those of other tests, and it
 * fails when the browser had anything to complain of. Where no browser can be
 * had, each test reports itself skipped with the reason.
 */
export async function createBrowserTests(options: { flags?: string[] } = {}): Promise<BrowserTest> {
  if (!CHROMIUM_PATH) {
    if (!CHROMIUM_SKIP_REASON) {
      throw new Error('CHROMIUM_PATH is not set: run the tests with npm test');
    }
    return (name) => test(name, { skip: CHROMIUM_SKIP_REASON });
  }
  const browser = await chromium.launch({
    executablePath: CHROMIUM_PATH,
    headless: true,
    args: [...FLAGS, ...(options.flags ?? [])],
  });
  after(() => browser.close());
  return (name, run, todo = false) =>
    test(name, { timeout: TEST_TIMEOUT, todo }, async () => {
      const problems: string[] = [];
      const pages: Page[] = [];
      try {
        await run(async (settings = {}) => {
          const page = await openPage(browser, settings, problems);
          pages.push(page);
          return page;
        });
      } finally {
        await Promise.all(pages.map((page) => page.context().close()));
      }
      assert.deepEqual(problems, []);
    });
}

/** Does something that leads to another page, and waits until that is there. */
export async function leave(page: Page, act: () => Promise<unknown>): Promise<Response> {
  const [response] = await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), act()]);
  assert.ok(response, 'no page came');
  return response;
}

/** Presses the button or link of that name. */
export function press(page: Page, name: string | RegExp): Promise<Response> {
  const wanted = { name, exact: true };
  const target = page.getByRole('button', wanted).or(page.getByRole('link', wanted));
  return leave(page, () => target.first().click());
}

/** What the page says, in one line. */
export async function textOf(page: Page, part = 'main'): Promise<string> {
  const text = await page.locator(part).textContent();
  return (text ?? '').replace(/\s+/g, ' ').trim();
}

interface Finding {
  id: string;
  nodes: { html: string; failureSummary: string }[];
}

/**
 * Axe cannot tell the contrast of text on a gradient, so for its run each gradient
 * becomes its end that is hardest to read on. A constructed style sheet is no inline style.
 */
const FLAT = `
  .gate, .owner { background: var(--glow) !important }
  body { background: color-mix(in oklab, var(--brand) 5%, var(--sky)) !important }
`;

/** Findings against WCAG 2.2 AA and best practices; a contrast that is unknown is one as well. */
const axeRun = (runOnly: object): string => `(async () => {
  const flat = new CSSStyleSheet();
  flat.replaceSync(${JSON.stringify(FLAT)});
  document.adoptedStyleSheets = [flat];
  const { violations, incomplete } = await axe.run(document, {
    resultTypes: ['violations', 'incomplete'],
    runOnly: ${JSON.stringify(runOnly)},
    rules: { 'target-size': { enabled: true } },
    iframes: false,
    preload: false,
  });
  document.adoptedStyleSheets = [];
  return [...violations, ...incomplete.filter(({ id }) => id === 'color-contrast')];
})()`;

const AXE_RUNS = {
  all: axeRun({
    type: 'tag',
    values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }),
  contrast: axeRun({ type: 'rule', values: ['color-contrast'] }),
};

/**
 * Asserts that axe-core finds nothing.
 * The debugger hands the script over, so the content security policy stays as it
 * is; the window needs JavaScript switched on, for axe's own timers.
 */
export async function checkAccessibility(
  page: Page,
  rules: keyof typeof AXE_RUNS = 'all',
): Promise<void> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(axe);
  const findings = await page.evaluate<Finding[]>(AXE_RUNS[rules]);
  assert.deepEqual(
    findings.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id} ${html}: ${failureSummary}`),
    ),
    [],
    `accessibility of ${page.url()}`,
  );
}

/** Roles of what people operate. */
const CONTROL = /^(button|link|textbox|checkbox|radio|combobox|DisclosureTriangle|switch|slider)$/;

interface AxNode {
  ignored: boolean;
  role?: { value: string };
  name?: { value: string };
}

/**
 * Asserts that the browser tells assistive technology a name of each control, and that no two
 * buttons are called the same: a list of "Remove" says nothing without the rows around it.
 */
export async function checkNames(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = (await session.send('Accessibility.getFullAXTree')) as { nodes: AxNode[] };
  await session.detach();
  const controls = nodes
    .filter(({ ignored, role }) => !ignored && CONTROL.test(role?.value ?? ''))
    .map(({ role, name }) => `${role?.value} “${(name?.value ?? '').trim()}”`);
  assert.deepEqual(
    controls.filter((one) => one.endsWith('“”')),
    [],
    `controls without a name on ${page.url()}`,
  );
  const buttons = controls.filter((one) => one.startsWith('button '));
  assert.deepEqual(
    buttons.filter((one, index) => buttons.indexOf(one) !== index),
    [],
    `buttons of one name on ${page.url()}`,
  );
}

/** Asserts that the document is valid HTML as it was served. */
export async function checkHtml(page: Page): Promise<void> {
  const report = await validator.validateString(await servedDocument(page).text());
  assert.deepEqual(
    report.results
      .flatMap(({ messages }) => messages)
      .map(({ ruleId, message }) => [ruleId, message]),
    [],
    `HTML of ${page.url()}`,
  );
}

/** The answer that brought the page on the screen. */
export function servedDocument(page: Page): Response {
  const response = documents.get(page);
  assert.ok(response, 'the page shows no document');
  return response;
}

/** Asserts that nothing is wider than the window (WCAG 1.4.10). */
export async function checkFits(page: Page): Promise<void> {
  const [content, room] = await page.evaluate<[number, number]>(
    '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
  );
  assert.ok(content <= room, `${page.url()} is ${content} wide in a window of ${room}`);
}

/**
 * Keeps a picture of the whole page for the documentation. One that is there
 * stays, as other machines draw letters a little differently; UPDATE_SCREENS=1 renews it.
 */
export async function screenshot(page: Page, name: string): Promise<void> {
  const file = new URL(`${name}.png`, screens);
  if (existsSync(file) && !UPDATE_SCREENS) return;
  mkdirSync(screens, { recursive: true });
  writeFileSync(
    file,
    await page.screenshot({ fullPage: true, animations: 'disabled', caret: 'hide' }),
  );
}
