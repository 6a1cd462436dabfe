import assert from 'node:assert/strict';
import { startConsumers } from '../../src/jobs.ts';
import { pollCiba, seedCibaClient, startCiba } from '../flows/ciba-support.ts';
import { createBrowserTests, press, textOf } from '../helpers/browser.ts';
import { createMailbox } from '../helpers/mailbox.ts';
import { createStage, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const mailbox = await createMailbox();
const stage = await createStage({ settings: { SMTP_URL: mailbox.url } });
const { url, deps, person } = stage;
startConsumers(deps);
const people = { tenantId: stage.tenantId, user: { ...person } };
const client = await seedCibaClient({ deps, people }, { isFirstParty: false });
const asked = { email: 'asked@lotus.example', password: person.password };
await deps.users.create(
  { tenantId: stage.tenantId, email: asked.email, emailVerified: true, name: 'Lê Thị Asked' },
  asked.password,
);

async function ask(message: string) {
  const id = await startCiba(url, client, {
    login_hint: asked.email,
    binding_message: message,
  });
  const { text } = await mailbox.take(asked.email);
  return { id, link: /^http\S+/m.exec(text)?.[0] ?? '' };
}

for (const javaScript of [false, true]) {
  const how = javaScript ? 'with' : 'without';
  test(`the link of a mail leads to the question ${how} scripts, through a sign-in`, async (open) => {
    const { id, link } = await ask('Order 4711');
    const page = await open({ javaScript });
    await page.goto(link, { waitUntil: 'load' });
    await submitSignIn(page, asked.email, asked.password);
    const text = await textOf(page);
    assert.match(text, /Let Lotus Till sign you in/);
    assert.match(text, /Order 4711/);
    assert.match(text, /Lê Thị Asked/);
    await press(page, 'Allow');
    assert.match(await textOf(page), /You allowed the sign-in/);
    assert.equal((await pollCiba(url, client, id)).status, 200);
  });

  test(`whoever is signed in to another account can use the right one ${how} scripts`, async (open) => {
    const { id, link } = await ask('Order 4712');
    const page = await open({ javaScript });
    await page.goto(link, { waitUntil: 'load' });
    await submitSignIn(page, person.email, person.password);
    assert.match(await textOf(page), /This request is for another account/);
    await press(page, 'Use another account');
    await submitSignIn(page, asked.email, asked.password);
    if (javaScript) await page.waitForURL(link);
    else while (!page.url().startsWith(`${url}/approve/`)) await press(page, 'Continue');
    await press(page, 'Don’t allow');
    assert.match(await textOf(page), /You didn’t allow the sign-in/);
    assert.equal((await pollCiba(url, client, id)).body.error, 'access_denied');
  });
}
