import assert from 'node:assert/strict';
import { pollDevice, seedDeviceClient, startDevice } from '../flows/device-support.ts';
import { createBrowserTests, press, textOf } from '../helpers/browser.ts';
import { createStage, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const stage = await createStage();
const { url, person } = stage;
const people = { tenantId: stage.tenantId, user: { ...person } };
const client = await seedDeviceClient({ deps: stage.deps, people });

for (const javaScript of [false, true]) {
  const how = javaScript ? 'with' : 'without';
  test(`a device is let in by its code ${how} scripts: enter, confirm, sign in`, async (open) => {
    const { user_code, device_code } = await startDevice(url, client);
    const page = await open({ javaScript });
    await page.goto(`${url}/device`);
    assert.equal(await page.evaluate('document.activeElement.id'), 'user-code');
    await page.locator('#user-code').fill(user_code.toLowerCase());
    await press(page, 'Continue');
    const text = await textOf(page);
    assert.match(text, /Sign in to Lotus Television on another device\?/);
    assert.match(text, new RegExp(user_code));
    await press(page, 'Yes, it’s my device');
    await submitSignIn(page, person.email, person.password);
    assert.match(await textOf(page), /Your device is connected/);
    assert.equal((await pollDevice(url, client, device_code)).status, 200);
  });

  test(`a link with the code shows it ${how} scripts and asks all the same`, async (open) => {
    const { verification_uri_complete, user_code, device_code } = await startDevice(url, client);
    const page = await open({ javaScript });
    await page.goto(verification_uri_complete, { waitUntil: 'load' });
    assert.equal(await page.locator('#user-code').inputValue(), user_code);
    assert.match(await textOf(page), /Check that your device shows exactly this code/);
    await press(page, 'Continue');
    await press(page, 'No, stop');
    assert.match(await textOf(page), /The device was turned away/);
    assert.equal((await pollDevice(url, client, device_code)).body.error, 'access_denied');
  });
}
