import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HtmlValidate } from 'html-validate';
import { type Brand, errorMessageIds, type PageName } from '../../src/pages/index.ts';
import {
  frame,
  onward,
  pages,
  provider,
  scenes,
  scripts,
  signIn,
  tenant,
  withoutScript,
} from './fixtures.ts';

const validator = new HtmlValidate({ root: true, extends: ['html-validate:recommended'] });
const withLogo: Brand = { ...tenant, logoUrl: 'https://cdn.example.org/logo.svg' };

async function each(
  check: (html: string, label: string, page: PageName) => unknown,
): Promise<void> {
  await Promise.all(
    pages.locales.flatMap((locale) =>
      scenes.flatMap((scene) =>
        [provider, tenant, withLogo].map(async (brand) =>
          check(scene.html(locale, brand), `${scene.name} ${locale} ${brand.name}`, scene.page),
        ),
      ),
    ),
  );
}

describe('hosted pages', () => {
  it('are valid HTML in every state, language and branding', async () => {
    await each(async (html, label) => {
      const report = await validator.validateString(html);
      const found = report.results.flatMap((result) => result.messages);
      assert.deepEqual(
        found.map((message) => `${message.line}: ${message.ruleId} ${message.message}`),
        [],
        label,
      );
    });
  });

  it('carry nothing the content security policy would block', async () => {
    await each((html, label, page) => {
      const rest = withoutScript(page, html);
      if (rest !== html) assert.ok(scripts[page], label);
      assert.doesNotMatch(rest, /<script|<style|\sstyle=|\son[a-z]+=|javascript:/i, label);
    });
  });

  it('have one h1, one main and a title naming the page and its owner', async () => {
    await each((html, label) => {
      assert.equal(html.match(/<h1[\s>]/g)?.length, 1, label);
      assert.equal(html.match(/<main[\s>]/g)?.length, 1, label);
      assert.match(html, /<title>[^<]+ – [^<]+<\/title>/, label);
    });
  });

  it('point every aria reference and in-page link at an element that exists', async () => {
    await each((html, label) => {
      const ids = new Set(Array.from(html.matchAll(/\sid="([^"]+)"/g), (match) => match[1]));
      const pointers = html.matchAll(
        /(?:aria-describedby|aria-labelledby|for|href)="(#?)([^"]+)"/g,
      );
      for (const [whole, hash, id] of pointers) {
        if (whole.startsWith('href') && hash === '') continue;
        for (const one of id?.split(' ') ?? []) assert.ok(ids.has(one), `${label}: ${whole}`);
      }
    });
  });
});

describe('the sign-in page', () => {
  it('is understood by password managers', () => {
    const html = pages.render('sign-in', signIn, frame('en', provider));
    assert.match(
      html,
      /name="identifier" type="text" inputmode="email" autocomplete="username webauthn"/,
    );
    assert.match(html, /name="password" type="password" autocomplete="current-password"/);
  });

  it('never sends a password back', () => {
    for (const scene of scenes.filter((one) => one.page === 'sign-in')) {
      assert.doesNotMatch(scene.html('en'), /type="password"[^>]*value=/, scene.name);
    }
  });

  it('opens the organisation when one is given and carries it along when the field is hidden', () => {
    const given = { ...signIn, organisation: 'acme' };
    assert.match(pages.render('sign-in', given, frame('en', provider)), /<details[^>]* open>/);
    const hidden = { ...given, showOrganisation: false };
    assert.match(
      pages.render('sign-in', hidden, frame('en', provider)),
      /<input type="hidden" name="organisation" value="acme">/,
    );
  });

  it('starts its title with the error and ties messages to their fields', () => {
    const model = { ...signIn, fieldErrors: { password: 'sign-in.field.password-required' } };
    const html = pages.render('sign-in', model, frame('en', provider));
    assert.match(html, /<title>Error: Sign in/);
    assert.match(html, /id="password"[^>]*aria-invalid="true" aria-describedby="password-error"/);
    assert.match(html, /<a href="#password">Enter your password<\/a>/);
  });
});

describe('the consent page', () => {
  it('names app, host and account, and offers both answers', () => {
    const html = scenes.find((scene) => scene.name === 'consent')?.html('en') ?? '';
    assert.match(html, /<h1>Let <bdi class="name">Acme Calendar<\/bdi> use your/);
    assert.match(html, /calendar\.acme\.example/);
    assert.match(html, /khue\.nguyen@example\.vn/);
    assert.match(html, /name="decision" value="allow"/);
    assert.match(html, /name="decision" value="deny"/);
  });

  it('lists lasting access once', () => {
    const html = scenes.find((scene) => scene.name === 'consent')?.html('en') ?? '';
    assert.equal(html.split('Keep access while').length, 2);
  });
});

describe('the page that goes on', () => {
  it('has a button for where no script runs', () => {
    const html = pages.render('continue', onward, frame('en', provider));
    assert.match(html, /<button class="button" type="submit">Continue<\/button>/);
    assert.doesNotMatch(html, /noscript/);
  });

  it('carries values that a page would not show', () => {
    const inputs = [{ name: 'state', value: '\u202E\u2069\u0001\r\n\u0085\t&#13;"' }];
    const html = pages.render('continue', { ...onward, inputs }, frame('en', provider));
    assert.ok(html.includes('value="&#8238;&#8297;&#1;&#13;\n\u0085\t&amp;#13;&quot;"'));
  });
});

describe('the error page', () => {
  const base = { status: 500, onward: null, technical: null };

  it('shows the request id', () => {
    const model = { ...base, ...errorMessageIds('server-error') };
    assert.match(pages.render('error', model, frame('vi', provider)), /0199a7c2-5d1e-7b60/);
  });

  it('still works when the message is unknown or lacks a value', () => {
    for (const detailId of ['error.nothing.detail', 'error.rate-limited.detail']) {
      const model = { ...base, titleId: 'error.nothing.title', detailId };
      const html = pages.render('error', model, frame('en', provider));
      assert.match(html, /Something went wrong/);
      assert.match(html, /Something broke on our side/);
    }
  });
});
