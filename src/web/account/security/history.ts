import type {
  ActivityEntry,
  ActivityKind,
  ActivityService,
} from '../../../features/activity/index.ts';
import { isBuiltIn } from '../../../features/client/index.ts';
import type { HistoryLine, Pages } from '../../../pages/index.ts';
import { type AccountPage, accountPage } from '../page.ts';
import { deviceOf, type Words, wordsFor } from './words.ts';

export interface HistoryDeps {
  activity: ActivityService;
  texts: Pick<Pages, 'text'>;
}

const HISTORY = '/account/activity';

/** Entries of a page; failed tries in a row are told as one. */
const PER_PAGE = 40;

/** How each kind is shown: an icon, and whether it wants attention. */
const LOOKS: Record<ActivityKind, [icon: string, tone: HistoryLine['tone']]> = {
  'signed-in': ['openid', ''],
  'sign-in-failed': ['warning', 'warn'],
  'second-factor-failed': ['warning', 'warn'],
  'account-locked': ['warning', 'bad'],
  'session-ended': ['leave', ''],
  'password-changed': ['password', ''],
  'factor-added': ['shield', ''],
  'factor-removed': ['shield', 'warn'],
  'factors-reset': ['warning', 'bad'],
  'recovery-codes-made': ['lifebuoy', ''],
  'recovery-code-used': ['lifebuoy', 'warn'],
  'email-verified': ['email', ''],
  'phone-verified': ['phone', ''],
  'profile-changed': ['profile', ''],
  'application-removed': ['apps', ''],
  'tokens-stolen': ['warning', 'bad'],
  'account-created': ['home', ''],
  'account-suspended': ['warning', 'bad'],
  'account-reactivated': ['check', ''],
};

/** Entries with how often each happened in a row: failed tries of one day and application. */
function inRuns(entries: readonly ActivityEntry[], words: Words) {
  const runs: { entry: ActivityEntry; count: number }[] = [];
  for (const entry of entries) {
    const last = runs.at(-1);
    const isSame =
      entry.kind === 'sign-in-failed' &&
      last?.entry.kind === entry.kind &&
      last.entry.client?.clientId === entry.client?.clientId &&
      words.dayOf(last.entry.at) === words.dayOf(entry.at);
    if (isSame && last) last.count += 1;
    else runs.push({ entry, count: 1 });
  }
  return runs;
}

/** Why it happened, where that is known and not plain. */
function reasonOf({ kind, reason, by }: ActivityEntry): string | null {
  if (kind === 'session-ended' && reason !== null) return `account.history.reason.${reason}`;
  return by === 'administrator' || by === 'system' ? `account.history.by.${by}` : null;
}

/** The application that it was about; what the service itself signs people in with is none. */
const appOf = ({ client }: ActivityEntry): string | null =>
  client === null || isBuiltIn(client.clientId) ? null : (client.name ?? client.clientId);

function toLine(entry: ActivityEntry, count: number, words: Words): HistoryLine {
  const [icon, tone] = LOOKS[entry.kind];
  return {
    at: words.at(entry.at),
    title: { id: `account.history.${entry.kind}`, values: { count, factor: entry.factor ?? '' } },
    icon,
    tone,
    device: deviceOf(words, entry),
    ip: entry.clientIp,
    how: entry.kind === 'signed-in' ? words.ways(entry.amr) : null,
    app: appOf(entry),
    why: reasonOf(entry),
  };
}

/** What happened to the account, by days. */
export const historyPage = (deps: HistoryDeps): AccountPage =>
  accountPage({
    path: HISTORY,
    section: 'history',
    async get(visit) {
      const { person, ctx } = visit;
      const words = wordsFor(deps.texts, visit);
      const { cursor } = ctx.query;
      const from = typeof cursor === 'string' && cursor.length <= 200 ? { cursor } : {};
      const { activity, next } = await deps.activity.list(
        { id: person.id, tenantId: person.tenantId },
        { ...from, limit: PER_PAGE },
      );
      const days = Map.groupBy(inRuns(activity, words), ({ entry }) => words.dayOf(entry.at));
      await visit.render('account-history', {
        days: [...days].map(([day, runs]) => ({
          day,
          lines: runs.map(({ entry, count }) => toLine(entry, count, words)),
        })),
        newestUrl: 'cursor' in from ? HISTORY : null,
        olderUrl: next === null ? null : `${HISTORY}?cursor=${encodeURIComponent(next)}`,
      });
    },
  });
