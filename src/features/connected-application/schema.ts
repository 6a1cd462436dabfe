import { z } from 'zod';

/** A scope in words of a language. */
const scopeWords = z.object({
  scope: z.string(),
  title: z.string().describe('What it allows; the scope itself where there are no words for it'),
  description: z.string().nullable(),
});
export type ScopeWords = z.input<typeof scopeWords>;

export const connectedApplication = z
  .object({
    id: z.string().describe('Names it in DELETE /me/applications/:id'),
    clientId: z.string(),
    name: z.string(),
    host: z
      .string()
      .nullable()
      .describe('Of an application that describes itself at its own address: whose address it is'),
    logoUri: z.string().nullable(),
    clientUri: z.string().nullable(),
    isFirstParty: z.boolean().describe('Whether it is the operator’s own, and needs no consent'),
    since: z.iso.datetime().describe('When it was first allowed, of what still holds'),
    lastUsedAt: z.iso.datetime().describe('When it last got tokens'),
    hasRefreshTokens: z.boolean().describe('Whether it gets tokens while you are away'),
    scopes: z.array(scopeWords),
    resources: z
      .array(z.object({ audience: z.string(), name: z.string(), scopes: z.array(scopeWords) }))
      .describe('What it may do at which API'),
  })
  .meta({ id: 'ConnectedApplication' });
export type ConnectedApplication = z.input<typeof connectedApplication>;

export const connectedApplications = z
  .object({ applications: z.array(connectedApplication) })
  .meta({ id: 'ConnectedApplications' });
