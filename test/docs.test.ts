import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { suite, test } from 'node:test';
import { z } from 'zod';
import { configurationPage, documents, eventsPage } from '../scripts/generate-docs.ts';
import { defineEvent } from '../src/kernel/events.ts';

suite('generated documents are committed as generated', () => {
  for (const [path, text] of Object.entries(documents())) {
    test(path, async () => {
      const committed = await readFile(new URL(`../${path}`, import.meta.url), 'utf8').catch(
        () => '',
      );
      assert.equal(committed, text, 'run `npm run docs`');
    });
  }
});

test('events are listed by name with the members of their data', () => {
  const page = eventsPage([
    defineEvent('identity.b.v1', 'B | happened', z.object({ userId: z.string(), at: z.string() })),
    defineEvent('identity.a.v1', 'A happened', z.object({})),
  ]);
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  assert.deepEqual(rows, [
    '| `identity.a.v1` | A happened |  |',
    '| `identity.b.v1` | B \\| happened | `userId`, `at` |',
  ]);
});

test('secret settings are marked as such', () => {
  const page = configurationPage([
    { name: 'KEY', default: '', description: 'A key', secret: true, required: true },
  ]);
  assert.match(page, /\| `KEY` \| required \| A key\. Secret; also as `KEY_FILE` \|/);
});
