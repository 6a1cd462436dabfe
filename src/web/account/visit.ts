import type { Context } from 'koa';
import { z } from 'zod';
import type { LiveSession } from '../../features/session/index.ts';
import type { Tenant } from '../../features/tenant/index.ts';
import { describeUser, type Profile } from '../../features/user/index.ts';
import {
  type AccountRoom,
  type AccountSection,
  type AccountShell,
  accountSections,
  type FormError,
} from '../../pages/index.ts';
import type { PageContext, PageRenderer } from '../page-renderer.ts';
import type { SealedCookie } from '../sealed-cookie.ts';
import { toStepFailure } from '../step-failures.ts';
import type { AccountPage, AccountVisit } from './page.ts';
import type { AccountSignIn } from './sign-in-port.ts';

/** Who is signed in, as far as a request knows. */
export interface Known {
  session: LiveSession;
  person: Profile;
  tenant: Tenant;
}

/** What was done, told once by the next page that the same session is shown. */
export const notice = z.object({
  sessionId: z.string(),
  id: z.string(),
  values: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});
type Notice = z.output<typeof notice>;

/** The notice that the last page follows from. */
export const GOODBYE = 'goodbye';

/** 303: after a form never a redirect that repeats it (RFC 9700 4.12). */
export function seeOther(ctx: Context, location: string): void {
  ctx.set('Cache-Control', 'no-store');
  ctx.status = 303;
  ctx.redirect(location);
}

export interface VisitDeps {
  pages: PageRenderer;
  cookie: Pick<SealedCookie<unknown>, 'clear'>;
  notices: SealedCookie<Notice>;
  switchPath: string;
  signOutPath: string;
  goodbyePath: string;
  accountSignIn: Pick<AccountSignIn, 'forgetEnded'>;
}

type Room = Omit<AccountRoom, 'isCurrent'> & { section: AccountSection; group: string | null };

/** The rooms that there are pages of; the first page of each is its door. */
const roomsOf = (pages: readonly AccountPage[]): Room[] =>
  (Object.keys(accountSections) as AccountSection[]).flatMap((section) => {
    const href = pages.find((page) => page.section === section && page.get)?.path;
    const room = { ...accountSections[section], section, labelId: `account.nav.${section}` };
    return href === undefined ? [] : [{ ...room, href }];
  });

/** The rooms in their groups, the one that is open marked. */
function groupsOf(rooms: readonly Room[], current: AccountSection): AccountShell['groups'] {
  const labels = [...new Set(rooms.map(({ group }) => group))];
  return labels.map((labelId) => ({
    labelId,
    rooms: rooms
      .filter(({ group }) => group === labelId)
      .map(({ section, group: _, ...room }) => ({ ...room, isCurrent: section === current })),
  }));
}

/** Makes of a request what the handlers of pages get. */
export function createVisits(deps: VisitDeps, all: readonly AccountPage[]) {
  const rooms = roomsOf(all);

  /** Says what was done, once. */
  function takeNotice(ctx: Context, sessionId: string): FormError | null {
    const said = ctx.method === 'GET' ? deps.notices.read(ctx) : undefined;
    if (!said) return null;
    deps.notices.clear(ctx);
    if (said.sessionId !== sessionId) return null;
    return { id: said.id, ...(said.values ? { values: said.values } : {}) };
  }

  const shellOf = (
    ctx: Context,
    section: AccountSection,
    { person, session, csrfToken }: Known & { csrfToken: string },
  ): AccountShell => ({
    account: describeUser(person),
    groups: groupsOf(rooms, section),
    notice: takeNotice(ctx, session.id),
    csrfToken,
    switchUrl: deps.switchPath,
    signOutAction: deps.signOutPath,
  });

  return {
    async create(
      ctx: Context,
      page: AccountPage,
      known: Known & { csrfToken: string },
    ): Promise<AccountVisit> {
      const { person, session } = known;
      const context: PageContext = {
        tenantId: person.tenantId,
        uiLocales: person.locale ?? undefined,
        pagePath: page.get ? ctx.path : page.from,
      };
      return {
        ctx,
        ...known,
        params: (ctx.params ?? {}) as Record<string, string>,
        locale: await deps.pages.localeOf(ctx, context),
        render: (name, model, status = 200, { isOnce = false } = {}) =>
          deps.pages.render(
            ctx,
            name,
            { ...model, shell: shellOf(ctx, page.section, known) } as never,
            { ...context, status, isOnce },
          ),
        redirect(path, said) {
          if (said) deps.notices.write(ctx, { sessionId: session.id, ...said });
          seeOther(ctx, path);
        },
        explain: (error) => toStepFailure(ctx, error),
        async sayGoodbye() {
          deps.cookie.clear(ctx);
          await deps.accountSignIn.forgetEnded(ctx);
          const values = { tenantId: person.tenantId };
          deps.notices.write(ctx, { sessionId: session.id, id: GOODBYE, values });
          seeOther(ctx, deps.goodbyePath);
        },
      };
    },
  };
}
