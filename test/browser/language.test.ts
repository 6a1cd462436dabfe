import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { createBrowserTests, press, servedDocument, textOf } from '../helpers/browser.ts';
import { begin, beginWith, createStage, signedInAs, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const stage = await createStage();
const application = await stage.startApplication({ isFirstParty: false });
const { person } = stage;

/** The language of the page, as its heading, its `lang` and its header tell it. */
async function languageOf(page: Page): Promise<string> {
  const language = await page.locator('html').getAttribute('lang');
  const word = { en: 'Sign in', vi: 'Đăng nhập' }[language ?? ''];
  assert.equal(await textOf(page, 'h1'), word);
  return String(language);
}

test('ui_locales decides the language of a sign-in, and the browser where there is none', async (open) => {
  const page = await open();
  await beginWith(page, application, { ui_locales: 'fr vi-VN en' });
  assert.equal(await languageOf(page), 'vi');
  await beginWith(page, application, {});
  assert.equal(await languageOf(page), 'en');
  const vietnamese = await open({ language: 'vi-VN' });
  await begin(vietnamese, application);
  assert.equal(await languageOf(vietnamese), 'vi');
});

test('a language that was chosen stays through errors, consent and the next sign-in', async (open) => {
  const page = await open();
  await beginWith(page, application, { ui_locales: 'en' });
  await press(page, 'Tiếng Việt');
  assert.equal(await languageOf(page), 'vi');
  await submitSignIn(page, person.email, 'wrong');
  assert.equal(await languageOf(page), 'vi');
  await submitSignIn(page, person.email, person.password);
  assert.match(await textOf(page), /Cho Lotus Portal sử dụng tài khoản Lotus Health của bạn\?/u);
  await press(page, 'Cho phép');
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
  await beginWith(page, application, { prompt: 'login' });
  assert.equal(await languageOf(page), 'vi');
});

test('the language can be changed on a page that answers a form', async (open) => {
  const page = await open();
  await begin(page, application);
  await submitSignIn(page, person.email, 'wrong');
  await press(page, 'Tiếng Việt');
  assert.equal(await languageOf(page), 'vi');
  await submitSignIn(page, person.email, person.password);
  assert.match(await textOf(page), /Cho Lotus Portal/);
});

test('a language that there is not, or a forged cookie, changes nothing', async (open) => {
  const page = await open();
  await page.context().addCookies([{ name: 'gh_locale', value: '../../vi', url: stage.url }]);
  await begin(page, application);
  assert.equal(await languageOf(page), 'en');
  await page.goto(`${page.url()}?lang=xx`);
  assert.equal(await languageOf(page), 'en');
});

test('every page of a tenant carries its name and colour, and those of the platform its own', async (open) => {
  const page = await open();
  await begin(page, application);
  assert.equal(await textOf(page, '.brand-name'), 'Lotus Health');
  assert.match(await page.title(), / – Lotus Health$/);
  const colourOf = (selector: string) =>
    page.evaluate<string>(
      `getComputedStyle(document.querySelector('${selector}')).backgroundColor`,
    );
  assert.equal(await colourOf('.button'), 'rgb(15, 118, 110)');
  const sheet = await page.request.get(`${stage.url}/assets/brand/${stage.tenantId}.css`);
  assert.equal(sheet.status(), 200);
  assert.match(sheet.headers()['content-type'] ?? '', /^text\/css/);
  assert.match(await sheet.text(), /^:root\{--brand:#0f766e;/);

  const console = await stage.startApplication({ tenantId: stage.platformId, name: 'Console' });
  await begin(page, console);
  assert.equal(await textOf(page, '.brand-name'), 'Gatehouse');
  assert.equal(await colourOf('.button'), 'rgb(14, 102, 86)');
  const none = await page.request.get(`${stage.url}/assets/brand/${stage.platformId}.css`);
  assert.equal(none.status(), 404);
});

test('a tenant’s logo takes the place of the mark, is all that its pages may load, and tells its host nothing', async (open) => {
  const logoUrl = 'https://cdn.rose.example/logo.svg';
  const rose = await stage.deps.tenants.create({ slug: 'rose', name: 'Rose Clinic', logoUrl });
  const portal = await stage.startApplication({ tenantId: rose.id, name: 'Rose Portal' });
  const page = await open();
  const referrers: (string | undefined)[] = [];
  await page.route(logoUrl, (route) => {
    referrers.push(route.request().headers().referer);
    const body = '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"/>';
    return route.fulfill({ contentType: 'image/svg+xml', body });
  });
  await begin(page, portal);
  const logo = page.getByRole('img', { name: 'Rose Clinic' });
  assert.deepEqual(await logo.boundingBox().then((box) => box?.width), 120);
  assert.deepEqual(referrers, [undefined]);
  const images = async (): Promise<string | undefined> =>
    /img-src ([^;]*)/.exec(
      (await servedDocument(page).allHeaders())['content-security-policy'] ?? '',
    )?.[1];
  assert.equal(await images(), "'self' https://cdn.rose.example", 'its origin and no other');
  await begin(page, application);
  assert.equal(await images(), "'self'", 'none on the pages of others');

  const metadata = { logo_uri: 'https://images.diary.example/logo.png' };
  const diary = await stage.startApplication({ isFirstParty: false, metadata });
  await page.route(metadata.logo_uri, (route) => {
    return route.fulfill({
      contentType: 'image/svg+xml',
      body: '<svg xmlns="http://www.w3.org/2000/svg"/>',
    });
  });
  await begin(page, diary);
  assert.equal(await images(), "'self'", 'none before it is shown');
  await submitSignIn(page, person.email, person.password);
  assert.equal(await images(), "'self' https://images.diary.example");
});
