import { isBuiltIn, type StoredClient } from '../../../features/client/index.ts';
import { deviceNames, type Session, type SessionService } from '../../../features/session/index.ts';
import { AppError } from '../../../kernel/errors.ts';
import type { Pages, SessionLine } from '../../../pages/index.ts';
import { type AccountPage, type AccountVisit, accountPage } from '../page.ts';
import { OTHERS, SECURITY } from './factors.ts';
import { type Words, wordsFor } from './words.ts';

export interface SessionPageDeps {
  sessions: Pick<SessionService, 'list' | 'end' | 'endAllOf'>;
  directory: { find(clientId: string): Promise<StoredClient | undefined> };
  texts: Pick<Pages, 'text'>;
}

const SESSIONS = '/account/sessions';

/** Names of the applications, each once; what the service itself signs people in with is none. */
async function namesOf(deps: SessionPageDeps, all: readonly string[]): Promise<string[]> {
  const ids = all.filter((id) => !isBuiltIn(id));
  const clients = await Promise.all(ids.map((id) => deps.directory.find(id)));
  const names = clients.map((client, index) => {
    const name = client?.metadata.client_name;
    return typeof name === 'string' ? name : (ids[index] ?? '');
  });
  return [...new Set(names)];
}

async function toLine(deps: SessionPageDeps, one: Session, words: Words): Promise<SessionLine> {
  return {
    device: words.device(one.userAgent),
    isHandheld: deviceNames(one.userAgent).isHandheld,
    ip: one.clientIp,
    began: words.when(one.createdAt),
    seen: words.when(one.lastSeenAt),
    how: words.ways(one.amr),
    apps: await namesOf(deps, one.clients),
    endUrl: `${SESSIONS}/${one.id}`,
  };
}

/** Live sessions: this one, and the others as lines. */
async function listSessions(deps: SessionPageDeps, visit: AccountVisit) {
  const { person, session } = visit;
  const words = wordsFor(deps.texts, visit);
  const all = await deps.sessions.list(person.tenantId, person.id);
  const linesOf = (some: Session[]) => Promise.all(some.map((one) => toLine(deps, one, words)));
  const [current = null] = await linesOf(all.filter(({ id }) => id === session.id));
  return { current, others: await linesOf(all.filter(({ id }) => id !== session.id)) };
}

/** Where a person is signed in. */
const sessionsPage = (deps: SessionPageDeps): AccountPage =>
  accountPage({
    path: SESSIONS,
    section: 'sessions',
    async get(visit) {
      const found = await listSessions(deps, visit);
      await visit.render('account-sessions', { ...found, othersUrl: OTHERS });
    },
  });

/** Ends all sessions but this one; offered after a change of factors too (ASVS 7.4.3). */
const othersPage = (deps: SessionPageDeps): AccountPage =>
  accountPage({
    path: OTHERS,
    section: 'sessions',
    fresh: 'one-factor',
    async get(visit) {
      const { others } = await listSessions(deps, visit);
      await visit.render('account-sessions-others', {
        action: OTHERS,
        count: others.length,
        others,
        keepUrl: SECURITY,
      });
    },
    async post(visit) {
      const { person, session } = visit;
      const how = { except: session.id, reason: 'ended_by_user' } as const;
      const count = await deps.sessions.endAllOf(person.id, how);
      visit.redirect(SESSIONS, { id: 'account.notice.sessions-ended', values: { count } });
    },
  });

/** Ends one of the other sessions (ASVS 7.5.2). */
const sessionPage = (deps: SessionPageDeps): AccountPage =>
  accountPage({
    path: `${SESSIONS}/:id`,
    section: 'sessions',
    fresh: 'one-factor',
    async get(visit) {
      const { others } = await listSessions(deps, visit);
      const session = others.find(({ endUrl }) => endUrl === `${SESSIONS}/${visit.params.id}`);
      if (!session) throw new AppError('IDENT_NOT_FOUND');
      await visit.render('account-session-end', { action: session.endUrl, session });
    },
    async post(visit) {
      const { person, session, params } = visit;
      // This one is ended by signing out, which tells the browser too.
      if (params.id === session.id) throw new AppError('IDENT_NOT_FOUND');
      const hasEnded = await deps.sessions.end({
        ...{ tenantId: person.tenantId, userId: person.id },
        sessionId: params.id ?? '',
        reason: 'ended_by_user',
      });
      if (!hasEnded) throw new AppError('IDENT_NOT_FOUND');
      visit.redirect(SESSIONS, { id: 'account.notice.session-ended' });
    },
  });

/** Pages about sessions; `others` comes before what could be an id. */
export const sessionPages = (deps: SessionPageDeps): AccountPage[] => [
  sessionsPage(deps),
  othersPage(deps),
  sessionPage(deps),
];
