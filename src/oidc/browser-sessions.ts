import type { Context } from 'koa';
import type { Interaction, Provider, Session } from 'oidc-provider';
import type { Config } from '../config.ts';
import type { SessionService } from '../features/session/index.ts';
import type { Sealer } from '../infra/sealing.ts';
import type { TenantAccount } from './claims.ts';

/** The cookie with the sessions that are not in use; with its prefix over HTTPS (ASVS 3.3.1). */
const NAME = 'gh_accounts';

/** Sessions that a browser keeps, the one in use among them. */
const MOST = 5;

/** Longest cookie that is looked at, in characters; five sessions need less than half. */
const LONGEST = 1_024;

/** A session of this browser that lives, with its account. */
export interface BrowserSession {
  session: Session;
  account: TenantAccount;
  isCurrent: boolean;
}

export interface BrowserSessionDeps {
  config: Pick<Config, 'ISSUER' | 'SESSION_ABSOLUTE_TTL'>;
  sealer: Sealer;
  engine(): Provider;
  sessions: Pick<SessionService, 'end'>;
  findAccount(accountId: string): Promise<TenantAccount | undefined>;
}

/**
 * The sessions of one browser. The engine knows one, by its cookie; the others
 * wait in a cookie of ours, sealed, because their ids are bearer secrets. Each
 * stays what it is: to change the account is to put another session in the
 * engine's cookie, so that when and how somebody signed in is never mixed up.
 */
export type BrowserSessions = ReturnType<typeof createBrowserSessions>;

export function createBrowserSessions(deps: BrowserSessionDeps) {
  const isSecure = deps.config.ISSUER.startsWith('https:');
  const name = isSecure ? `__Host-${NAME}` : NAME;
  const shared = { httpOnly: true, sameSite: 'lax', secure: isSecure, path: '/' } as const;

  /** Ids of sessions that wait, the one used last first; none where the cookie is not ours. */
  function readWaiting(ctx: Context): string[] {
    const cookie = ctx.cookies.get(name, { signed: false });
    if (!cookie || cookie.length > LONGEST) return [];
    try {
      return JSON.parse(deps.sealer.open(Buffer.from(cookie, 'base64url'), NAME).toString());
    } catch {
      return [];
    }
  }

  function writeWaiting(ctx: Context, ids: string[]): void {
    const kept = [...new Set(ids)].slice(0, MOST - 1);
    const value = deps.sealer.seal(JSON.stringify(kept), NAME).toString('base64url');
    const maxAge = deps.config.SESSION_ABSOLUTE_TTL * 1_000;
    // Without a value the cookie is deleted.
    ctx.cookies.set(name, kept.length > 0 ? value : null, { ...shared, signed: false, maxAge });
  }

  async function toLive(
    session: Session | undefined,
    isCurrent: boolean,
  ): Promise<BrowserSession | undefined> {
    const account = session?.accountId ? await deps.findAccount(session.accountId) : undefined;
    return session && account ? { session, account, isCurrent } : undefined;
  }

  /** All that live, the one in use first; of several of one account the first. */
  async function list(ctx: Context): Promise<BrowserSession[]> {
    const { Session: Sessions } = deps.engine();
    const found = await Promise.all([
      Sessions.get(ctx as never).then((session) => toLive(session, true)),
      ...readWaiting(ctx).map(async (id) => toLive(await Sessions.find(id), false)),
    ]);
    const live = found.filter((one) => one !== undefined);
    return live.filter(
      ({ account }, index) =>
        live.findIndex((other) => other.account.accountId === account.accountId) === index,
    );
  }

  /** Puts a session into the engine's cookie, or none, and has the interaction go on with it. */
  async function use(ctx: Context, interaction: Interaction, session?: Session): Promise<void> {
    const cookie = deps.engine().cookieName('session');
    ctx.cookies.set(cookie, session ? session.jti : null, { ...shared, signed: true });
    // The engine resumes an interaction with the session that it began with and no other.
    const { accountId, uid, acr, amr } = (session ?? {}) as Session & {
      acr?: string;
      amr?: string[];
    };
    interaction.session =
      session && accountId
        ? {
            accountId,
            uid,
            cookie: session.jti,
            ...(acr ? { acr } : {}),
            ...(amr ? { amr } : {}),
          }
        : undefined;
    await interaction.persist();
  }

  return {
    list,

    /** Goes on with another session; the one in use until now waits. */
    async switchTo(ctx: Context, interaction: Interaction, session?: Session): Promise<void> {
      const current = await deps.engine().Session.get(ctx as never);
      if (session && current.jti === session.jti) return;
      const waiting = readWaiting(ctx).filter((id) => id !== session?.jti);
      writeWaiting(ctx, current.accountId ? [current.jti, ...waiting] : waiting);
      await use(ctx, interaction, session);
    },

    /** Signs out of one session, with all that it holds. */
    async leave(ctx: Context, interaction: Interaction, left: BrowserSession): Promise<void> {
      const { session, account, isCurrent } = left;
      await deps.sessions.end({
        tenantId: account.user.tenantId,
        userId: account.accountId,
        sessionId: session.uid,
        reason: 'logout',
      });
      if (isCurrent) await use(ctx, interaction);
      else
        writeWaiting(
          ctx,
          readWaiting(ctx).filter((id) => id !== session.jti),
        );
    },

    /** Forgets sessions that have ended, the one in use among them. */
    async forgetEnded(ctx: Context): Promise<void> {
      const { Session: Sessions } = deps.engine();
      const waiting = readWaiting(ctx);
      const live = await Promise.all(waiting.map((id) => Sessions.find(id)));
      if (waiting.length > 0) {
        writeWaiting(
          ctx,
          waiting.filter((_, index) => live[index] !== undefined),
        );
      }
      const current = await Sessions.get(ctx as never);
      if (!current.accountId) {
        ctx.cookies.set(deps.engine().cookieName('session'), null, { ...shared, signed: true });
      }
    },
  };
}
