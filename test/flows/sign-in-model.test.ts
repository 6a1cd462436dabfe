import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import { findForm, type UserAgent } from '../helpers/user-agent.ts';
import { codeIn, newBrowser, type Opened, openSignIn, type Shown } from './factor-pages-support.ts';
import {
  addPerson,
  addProtected,
  createMfaWorld,
  type MfaWorld,
  MINUTE,
  type Person,
  setTenant,
  showCode,
  wrong,
} from './mfa-support.ts';

/**
 * The sign-in as a machine (docs/sign-in.md), walked at random by somebody who may
 * know a password and not the factor, or both, in two tabs of one browser. What is
 * known to have been proved is kept beside it; an authorization code, or a session,
 * without all that policy demands is the failure that this looks for.
 */
const world: MfaWorld = await createMfaWorld();
await setTenant(world, { mfaRequired: true });

const TABS = [0, 1] as const;
type Tab = (typeof TABS)[number];
type Who = 'first' | 'second' | 'newcomer';

const PAGES = [
  '',
  '/sign-in',
  '/accounts',
  '/second-factor',
  ...['/passkey', '/app', '/recovery-code', '/sms', '/email'].map((way) => `/second-factor${way}`),
  ...['/set-up', '/set-up/app', '/set-up/passkey', '/recovery-codes'],
];

/** What has been shown within one interaction; a challenge is answered for whoever began it. */
interface Shownings {
  opened: Opened;
  page: Shown;
  /** Who is waited for: the last whose password was right. */
  waiting: Who | null;
}

interface Walk {
  agent: UserAgent;
  /** Two with an authenticator app, one who has still to set one up. */
  people: Record<Who, Person>;
  tabs: Map<Tab, Shownings>;
  /** Whoever showed all that is demanded of them. */
  signedIn: Set<Who>;
  /** Forms that were seen, to be sent again at any time. */
  forms: { tab: Tab; action: string; fields: Record<string, string> }[];
  /** Codes that the walker has used. */
  spent: string[];
  key: string;
}

type Move = (walk: Walk) => Promise<void>;

/** Where a tab is now; what it shows can be sent later. A code must have been earned. */
function arrive(walk: Walk, tab: Tab, page: Shown): void {
  const shown = walk.tabs.get(tab);
  if (codeIn(page) !== undefined) {
    assert.ok(walk.signedIn.size > 0, `a code for nobody, at ${page.url}`);
    walk.tabs.delete(tab);
    return;
  }
  assert.ok(page.response.status < 500, `${page.response.status} at ${page.url.pathname}`);
  if (shown) shown.page = page;
  for (const [, action = ''] of page.html.matchAll(/<form[^>]* action="([^"]+)"/g)) {
    walk.forms.push({ tab, action, fields: findForm(page, action).fields });
  }
  const key = /<code class="secret"><bdi dir="ltr">([A-Z2-7 ]+)</.exec(page.html)?.[1];
  if (key) walk.key = key.replaceAll(' ', '');
}

/** Sends the form of a tab that ends so, where it is on the page. */
async function send(
  walk: Walk,
  tab: Tab,
  suffix: string,
  fields: Record<string, string>,
): Promise<Shown | undefined> {
  const shown = walk.tabs.get(tab);
  if (!shown?.page.html.includes(`${suffix}"`)) return undefined;
  try {
    findForm(shown.page, suffix);
  } catch {
    return undefined;
  }
  const page = await walk.agent.submit(shown.page, suffix, fields);
  return page;
}

const begin =
  (tab: Tab): Move =>
  async (walk) => {
    const opened = await openSignIn(world, { agent: walk.agent });
    walk.tabs.set(tab, { opened, page: opened.page, waiting: null });
    arrive(walk, tab, opened.page);
  };

const password =
  (tab: Tab, who: Who, isRight: boolean): Move =>
  async (walk) => {
    const person = walk.people[who];
    const page = await send(walk, tab, '/sign-in', {
      identifier: person.email,
      password: isRight ? person.password : 'not the password',
    });
    if (!page) return;
    const shown = walk.tabs.get(tab);
    if (isRight && shown && /\/(second-factor|set-up)/.test(page.url.pathname)) shown.waiting = who;
    arrive(walk, tab, page);
  };

const visit =
  (tab: Tab, path: string): Move =>
  async (walk) => {
    const shown = walk.tabs.get(tab);
    if (!shown?.opened.uid) return;
    arrive(walk, tab, await walk.agent.follow(`/interaction/${shown.opened.uid}${path}`));
  };

const resume =
  (tab: Tab): Move =>
  async (walk) => {
    const shown = walk.tabs.get(tab);
    if (!shown?.opened.uid) return;
    arrive(walk, tab, await walk.agent.follow(`/authorize/${shown.opened.uid}`));
  };

/** The right code is one only of whom the tab waits for, and only while it waits. */
const answer =
  (tab: Tab, kind: 'right' | 'wrong' | 'spent' | 'of another'): Move =>
  async (walk) => {
    const shown = walk.tabs.get(tab);
    const who = shown?.waiting;
    if (!shown || !who || who === 'newcomer') return;
    const other = who === 'first' ? 'second' : 'first';
    const right = walk.people[kind === 'of another' ? other : who].code();
    const code = kind === 'wrong' ? wrong(right) : kind === 'spent' ? (walk.spent[0] ?? '') : right;
    if (kind === 'right') {
      walk.spent.unshift(code);
      // Before it is sent, as the page that comes may be the application's.
      walk.signedIn.add(who);
    }
    const page = await send(walk, tab, '/second-factor/app', { code });
    const isIn = page !== undefined && codeIn(page) !== undefined;
    if (kind === 'right' && !isIn) walk.signedIn.delete(who);
    if (page) arrive(walk, tab, page);
  };

const setUp =
  (tab: Tab, isRight: boolean): Move =>
  async (walk) => {
    const shown = walk.tabs.get(tab);
    if (shown?.waiting !== 'newcomer' || walk.key === '') return;
    const code = showCode(walk.key, world.clock.now());
    const sent = isRight ? code : wrong(code);
    const page = await send(walk, tab, '/set-up/app', { code: sent });
    if (!page) return;
    if (isRight && page.url.pathname.endsWith('/recovery-codes')) walk.signedIn.add('newcomer');
    arrive(walk, tab, page);
  };

const press =
  (tab: Tab, suffix: string): Move =>
  async (walk) => {
    const page = await send(walk, tab, suffix, {});
    if (page) arrive(walk, tab, page);
  };

/** A form that was seen at any time, as it was or with another token, sent again. */
const repeat =
  (index: number, isForged: boolean): Move =>
  async (walk) => {
    const form = walk.forms[index % Math.max(1, walk.forms.length)];
    if (!form) return;
    const fields = { ...form.fields, code: '123456', ...(isForged ? { csrf: 'x' } : {}) };
    const page = await walk.agent.follow(form.action, {
      method: 'POST',
      body: new URLSearchParams(fields),
    });
    if (isForged) assert.equal(codeIn(page), undefined, 'a forged form led on');
    arrive(walk, form.tab, page);
  };

const wait: Move = async () => world.clock.advance(3 * MINUTE);

const tab = fc.constantFrom<Tab>(0, 0, 0, 1);
const who = fc.constantFrom<Who>('first', 'first', 'second', 'newcomer', 'newcomer');
const usually = fc.integer({ min: 0, max: 4 }).map((one) => one > 0);

const moves = fc.oneof(
  { weight: 3, arbitrary: tab.map(begin) },
  { weight: 5, arbitrary: fc.tuple(tab, who, usually).map((args) => password(...args)) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(tab, fc.constantFrom('right', 'right', 'wrong', 'spent', 'of another'))
      .map(([one, kind]) => answer(one, kind as 'right')),
  },
  { weight: 3, arbitrary: fc.tuple(tab, fc.constantFrom(...PAGES)).map((args) => visit(...args)) },
  { weight: 2, arbitrary: tab.map(resume) },
  { weight: 3, arbitrary: fc.tuple(tab, usually).map((args) => setUp(...args)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(tab, fc.constantFrom('/second-factor/leave', '/recovery-codes', '/abort'))
      .map((args) => press(...args)),
  },
  { weight: 3, arbitrary: fc.tuple(fc.nat(60), fc.boolean()).map((args) => repeat(...args)) },
  { weight: 1, arbitrary: fc.constant(wait) },
);

/** The straight way, with something else done on it: else few walks would get anywhere. */
const phrase = fc
  .tuple(tab, who, moves)
  .map(([one, person, aside]): Move[] => [
    begin(one),
    password(one, person, true),
    aside,
    ...(person === 'newcomer'
      ? [visit(one, '/set-up/app'), setUp(one, true)]
      : [visit(one, '/second-factor/app'), answer(one, 'right')]),
  ]);

const walks = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: moves.map((move) => [move]) },
      { weight: 1, arbitrary: phrase },
    ),
    {
      minLength: 5,
      maxLength: 16,
    },
  )
  .map((phrases) => phrases.flat());

/** Nobody is signed in in this browser who has not shown all that is demanded. */
async function assertEarned(walk: Walk): Promise<void> {
  const silent = await openSignIn(world, { agent: walk.agent, parameters: { prompt: 'none' } });
  const isIn = codeIn(silent.page) !== undefined;
  assert.ok(!isIn || walk.signedIn.size > 0, 'a session for nobody');
  const ids = Object.values(walk.people).map(({ id }) => id);
  const signIns = await world.deps.postgres
    .knex('outbox_events')
    .where({ type: 'identity.user.logged_in.v1' })
    .whereIn('subject', ids);
  const earned = [...walk.signedIn].map((who) => walk.people[who].id);
  for (const { subject } of signIns)
    assert.ok(earned.includes(subject), 'a sign-in of somebody else');
}

test('no order of steps, retries, tabs, direct addresses and stale forms signs anybody in without what policy demands (ASVS 2.3.1, 6.3.3; GHSA-xg6x-h9c9-2m83, CVE-2026-49443, CVE-2025-3910, CVE-2026-37982)', async () => {
  let arrivals = 0;
  await fc.assert(
    fc.asyncProperty(walks, async (walked) => {
      // The engine's own expiries are by the real clock, so that walks begin there.
      world.clock.advance(Date.now() - world.clock.now());
      const first = await addProtected(world);
      const second = await addProtected(world);
      const people = { first, second, newcomer: await addPerson(world) };
      const agent = newBrowser(world);
      const walk: Walk = {
        ...{ agent, people, tabs: new Map(), signedIn: new Set() },
        ...{ forms: [], spent: [], key: '' },
      };
      await begin(0)(walk);
      for (const move of walked) {
        await move(walk);
        if (walk.signedIn.size === 0) assert.equal(agent.cookies.has('gh_device'), false);
      }
      await assertEarned(walk);
      if (walk.signedIn.size > 0) arrivals += 1;
    }),
    { numRuns: 16 },
  );
  // Walks that never arrive would show nothing.
  assert.ok(arrivals > 0, 'no walk signed anybody in');
});
