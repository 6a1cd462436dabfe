import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { IntlMessageFormat } from 'intl-messageformat';
import {
  accountEndOnward,
  accountErrors,
  accountNames,
  accountNotices,
  codeErrors,
  deviceErrors,
  docsLabels,
  errorKinds,
  errorMessageIds,
  factorErrors,
  factorMessages,
  factWords,
  historyMessages,
  identifierFieldErrors,
  knownScopes,
  type Locale,
  onwardLabels,
  passwordErrors,
  scopeLine,
  signInErrors,
  signInFieldErrors,
  signInNotices,
  signUpErrors,
  stepErrors,
} from '../../src/pages/index.ts';
import { pages } from './fixtures.ts';

const root = new URL('../../', import.meta.url);

function catalogue(locale: Locale): Record<string, string> {
  return JSON.parse(readFileSync(new URL(`locales/${locale}.json`, root), 'utf8'));
}

function sources(folder: string, ending: string): string {
  const url = new URL(folder, root);
  return readdirSync(url, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(new URL(name, url), 'utf8'))
    .join('\n');
}

/** Placeholder names with their kind, such as `minutes:6` for a plural. */
function placeholders(pattern: string): string[] {
  const found = new Set<string>();
  const walk = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return;
    if ('type' in part && 'value' in part && Number(part.type) > 0 && part.type !== 7) {
      found.add(`${part.value}:${part.type}`);
    }
    for (const inner of Object.values(part)) walk(inner);
  };
  walk(new IntlMessageFormat(pattern, 'en', undefined, { ignoreTag: true }).getAst());
  return [...found].sort();
}

const en = catalogue('en');
const vi = catalogue('vi');
const views = sources('views/', '.eta');

/** Ids that arrive with the data or are put together. */
const dynamic = [
  ...errorKinds.flatMap((kind) => Object.values(errorMessageIds(kind))),
  ...knownScopes.flatMap((scope) => [`scope.${scope}.title`, `scope.${scope}.description`]),
  ...onwardLabels,
  ...deviceErrors,
  ...signInErrors,
  ...signInFieldErrors,
  ...stepErrors,
  ...signInNotices,
  ...signUpErrors,
  ...identifierFieldErrors,
  ...codeErrors,
  ...factorErrors,
  ...passwordErrors,
  ...accountEndOnward,
  ...accountErrors,
  ...accountNames,
  ...accountNotices,
  ...docsLabels,
  ...factorMessages,
  ...factWords,
  ...historyMessages,
  ...pages.locales.map((locale) => `language.${locale}`),
];

describe('messages', () => {
  it('exist in both languages, in the same order', () => {
    assert.deepEqual(Object.keys(vi), Object.keys(en));
    assert.deepEqual(Object.keys(en), Object.keys(en).toSorted(), 'kept sorted');
  });

  it('take the same values in both languages', () => {
    for (const [id, pattern] of Object.entries(en)) {
      assert.deepEqual(placeholders(vi[id] ?? ''), placeholders(pattern), id);
    }
  });

  it('are all used', () => {
    const code = views + sources('src/pages/', '.ts');
    const unused = Object.keys(en).filter(
      (id) => !dynamic.includes(id) && !code.includes(`'${id}'`),
    );
    assert.deepEqual(unused, []);
  });

  it('exist for every id the views and lists name', () => {
    const named = Array.from(
      views.matchAll(/\b(?:t|rich)\(\s*'([^']+)'|textOr\([^)]*'([^']+)'\)/g),
      (match) => match[1] ?? match[2] ?? '',
    );
    assert.ok(named.length > 50);
    for (const id of [...named, ...dynamic]) assert.ok(id in en, id);
  });

  it('are in the words of their language', () => {
    const shared = ['title.page', 'language.en', 'language.vi'];
    for (const [id, text] of Object.entries(en)) {
      if (!shared.includes(id)) assert.notEqual(vi[id], text, id);
      assert.equal(vi[id], vi[id]?.normalize('NFC'), `${id} in composed form`);
      assert.doesNotMatch(text + vi[id], /'|\.\.\.| {2}/, `${id}: typography`);
    }
  });

  it('count in both languages', () => {
    const id = 'sign-in.error.locked';
    assert.match(pages.text('en', id, { minutes: 1 }), /1 minute\./);
    assert.match(pages.text('en', id, { minutes: 5 }), /5 minutes\./);
    assert.match(pages.text('vi', id, { minutes: 5 }), /5 phút\./);
  });

  it('fail loudly for an unknown id', () => {
    assert.throws(() => pages.text('en', 'no.such'), /no\.such/);
    assert.throws(() => pages.text('en', 'constructor'), /constructor/);
  });

  it('describe known scopes and show unknown ones as they are', () => {
    assert.equal(scopeLine(pages, 'en', 'email').title, 'See your e-mail address');
    for (const scope of ['files:read', '__proto__', 'toString']) {
      assert.deepEqual(scopeLine(pages, 'vi', scope), { scope, title: scope, description: null });
    }
  });
});
