import { z } from 'zod';
import type { GivenGrant, Session, SessionService } from '../session/index.ts';
import { session } from '../session/index.ts';
import { me, toMe } from './me.ts';
import type { UserService } from './service.ts';

/** Entries of one's own history that a copy holds, the newest. */
const MOST_HISTORY = 1_000;

const instant = z.iso.datetime();

/** Everything that is kept of a person, for that person (GDPR 15 and 20). */
export const dataExport = z
  .object({
    exportedAt: instant,
    profile: me,
    memberships: z.array(
      z.object({
        tenantId: z.uuid(),
        tenant: z.string(),
        roles: z.array(z.string()),
        since: instant,
      }),
    ),
    sessions: z.array(session),
    signIns: z
      .array(
        z.object({
          at: instant,
          sessionId: z.uuid(),
          amr: z.array(z.string()),
          clientIp: z.string().nullable(),
          userAgent: z.string().nullable(),
        }),
      )
      .describe('Of the last 90 days, the newest first'),
    authenticators: z
      .array(
        z.object({
          type: z.string(),
          name: z.string(),
          createdAt: instant,
          lastUsedAt: instant.nullable(),
        }),
      )
      .describe('What you prove who you are by beside a password; never the secrets in it'),
    recoveryCodes: z.object({ left: z.int(), createdAt: instant }).nullable(),
    externalIdentities: z.array(
      z.object({ issuer: z.string(), subject: z.string(), linkedBy: z.string(), since: instant }),
    ),
    grants: z
      .array(
        z.object({
          clientId: z.string(),
          scopes: z.array(z.string()),
          resources: z.record(z.string(), z.array(z.string())),
          expiresAt: instant,
        }),
      )
      .describe('What which applications may do'),
    history: z
      .array(
        z.object({
          type: z.string(),
          at: instant,
          data: z.record(z.string(), z.json()),
        }),
      )
      .describe(`Sign-ins and changes, the newest first; at most ${MOST_HISTORY}`),
  })
  .meta({ id: 'DataExport' });

interface Link {
  issuer: string;
  subject: string;
  linkedBy: string;
  createdAt: Date;
}

/** What a person has to prove who they are, without its secrets. */
interface Factors {
  authenticators: { type: string; name: string; createdAt: Date; lastUsedAt: Date | null }[];
  recoveryCodes: { left: number; createdAt: Date } | null;
}

interface HistoryEntry {
  type: string;
  occurredAt: Date;
  data: Record<string, unknown>;
}

export interface DataExportDeps {
  clock: { now(): number };
  users: Pick<UserService, 'findAccount' | 'findRoles' | 'listMemberships'>;
  sessions: Pick<SessionService, 'list' | 'listGrants' | 'listSignIns'>;
  authenticators: { describe(user: { id: string; tenantId: string }): Promise<Factors> };
  listExternalIdentities(userId: string): Promise<Link[]>;
  listHistory(userId: string, limit: number): Promise<HistoryEntry[]>;
}

const toGrant = ({ expiresAt, ...grant }: GivenGrant) => ({
  ...grant,
  expiresAt: expiresAt.toISOString(),
});

const toFactors = ({ authenticators, recoveryCodes }: Factors) => ({
  authenticators: authenticators.map(({ type, name, createdAt, lastUsedAt }) => ({
    ...{ type, name },
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  })),
  recoveryCodes: recoveryCodes && {
    left: recoveryCodes.left,
    createdAt: recoveryCodes.createdAt.toISOString(),
  },
});

/** Gathers the copy of one's data. @returns undefined where there is no such user */
export const createDataExport =
  (deps: DataExportDeps) =>
  async (
    userId: string,
    actingTenantId: string | null,
  ): Promise<z.input<typeof dataExport> | undefined> => {
    const account = await deps.users.findAccount(userId);
    if (!account) return undefined;
    const { user, tenantIds } = account;
    const [roles, memberships, sessions, signIns, factors, links, grants, history] =
      await Promise.all([
        deps.users.findRoles(actingTenantId ?? user.tenantId, userId),
        deps.users.listMemberships(userId),
        deps.sessions.list(user.tenantId, userId) as Promise<Session[]>,
        deps.sessions.listSignIns(userId, MOST_HISTORY),
        deps.authenticators.describe(user),
        deps.listExternalIdentities(userId),
        deps.sessions.listGrants(userId),
        deps.listHistory(userId, MOST_HISTORY),
      ]);
    return {
      exportedAt: new Date(deps.clock.now()).toISOString(),
      profile: toMe(user, { tenantIds, actingTenantId, roles }),
      memberships: memberships.map(({ since, ...one }) => ({ ...one, since: since.toISOString() })),
      sessions,
      signIns: signIns.map(({ at, ...one }) => ({ ...one, at: at.toISOString() })),
      ...toFactors(factors),
      externalIdentities: links.map(({ createdAt, ...one }) => ({
        ...one,
        since: createdAt.toISOString(),
      })),
      grants: grants.map(toGrant),
      history: history.map(({ type, occurredAt, data }) => ({
        type,
        at: occurredAt.toISOString(),
        data: data as Record<string, z.core.util.JSONType>,
      })),
    };
  };
