import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSelfSubmittingForm } from '../../src/oidc/self-submitting-form.ts';
import fc from '../helpers/fast-check.ts';

type FormPost = (
  ctx: { status: number; type?: string; body?: string; response: { get(name: string): string } },
  action: string,
  inputs: Record<string, unknown>,
) => void;

// Not typed by anybody: the inside of the engine.
const inside: string = 'oidc-provider/lib/response_modes/form_post.js';
const { default: formPost } = (await import(inside)) as { default: FormPost };

const ACTION = 'https://app.example/callback?a=1&b="2"';

/** The page as the engine itself makes it. */
function enginePage(action: string, inputs: Record<string, unknown>): string {
  const ctx: Parameters<FormPost>[0] = { status: 404, response: { get: () => '' } };
  formPost(ctx, action, inputs);
  return ctx.body ?? '';
}

const HOSTILE = [
  '',
  '"/>\n<input type="hidden" name="code" value="stolen"/>',
  '</form></body></html><title>Submitting Callback</title>',
  '&quot;&amp;lt;&#39;&#x27;&nbsp;&',
  '<script>alert(1)</script>',
  '\'"><img src=x onerror=alert(1)>',
  '">\n    ',
  '\n    <noscript>',
  'một hai\r\nba\tbốn \u202E\u2066 \u0000 \u0085 😀',
  '$& $1 $` \\u0041 %22 %00 {brand} <%= 1 %>',
];

const inputsOf = (inputs: Record<string, string>) =>
  Object.entries(inputs).map(([name, value]) => ({ name, value }));

describe('the engine’s self-submitting form', () => {
  it('is recognised and read as the engine writes it', () => {
    const inputs = { code: 'abc-_', state: 'x', iss: 'https://id.example' };
    assert.deepEqual(parseSelfSubmittingForm(enginePage(ACTION, inputs)), {
      action: ACTION,
      inputs: inputsOf(inputs),
    });
  });

  for (const value of HOSTILE) {
    it(`gives a hostile value back unchanged: ${JSON.stringify(value)}`, () => {
      const inputs = { code: 'abc', state: value, iss: 'https://id.example' };
      assert.deepEqual(
        parseSelfSubmittingForm(enginePage(ACTION, inputs))?.inputs,
        inputsOf(inputs),
      );
    });
  }

  it('gives whatever there is back unchanged', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '&',
        '"',
        "'",
        '<',
        '>',
        '&amp;',
        '/>\n',
        '"/>\n<input ',
        '&#39;',
        ...HOSTILE,
      ),
    );
    const value = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    const action = value.map((text) => `https://app.example/${text}`);
    fc.assert(
      fc.property(action, value, value, (target, code, state) => {
        const read = parseSelfSubmittingForm(enginePage(target, { code, state }));
        assert.deepEqual(read, { action: target, inputs: inputsOf({ code, state }) });
      }),
      { numRuns: 2_000 },
    );
  });

  it('may be as long as it likes', () => {
    const state = `${'"/>\n'.repeat(50_000)}${'&'.repeat(50_000)}`;
    assert.equal(parseSelfSubmittingForm(enginePage(ACTION, { state }))?.inputs[0]?.value, state);
  });

  it('is none of the pages that say its name', () => {
    for (const html of ['', '<title>Submitting</title>', '&lt;title>Submitting Callback</title>']) {
      assert.equal(parseSelfSubmittingForm(html), undefined);
    }
  });

  const page = enginePage(ACTION, { code: 'abc', state: 'x' });
  const changes: [string, string, string][] = [
    ['a field that is not hidden', 'type="hidden"', 'type="text"'],
    ['a field with more to it', 'name="code"', 'name="code" form="other"'],
    ['a name that is no word', 'name="code"', 'name="co&quot;de"'],
    ['an escape that the engine does not make', 'value="abc"', 'value="&apos;"'],
    ['a bare ampersand', 'value="abc"', 'value="a&b"'],
    ['a raw quote', 'value="abc"', 'value="a\'b"'],
    ['another method', 'method="post"', 'method="get"'],
    ['a form that says more', 'method="post"', 'method="post" target="_top"'],
    ['no action', / action="[^"]*"/.exec(page)?.[0] ?? '', ' action=""'],
    ['something after the fields', '<noscript>', '<p>'],
    ['something after the page', '</html>', '</html><p>'],
    ['another separator of fields', '/>\n<input', '/><input'],
  ];
  for (const [name, from, to] of changes) {
    it(`is refused with ${name}`, () => {
      assert.ok(page.includes(from));
      const changed = page.replace(from, () => to);
      assert.throws(() => parseSelfSubmittingForm(changed), /oidc-provider changed/);
    });
  }
});
