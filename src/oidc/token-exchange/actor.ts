import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { readExtensions } from '../client-extensions.ts';
import { assertBoundTo, type Proofs } from './holder.ts';
import { type Act, findPerson, type OwnToken, readOwnToken } from './subject.ts';

/** Actors of one token at most: a chain that grows without end is a loop between services. */
const MOST_ACTORS = 4;

/** The actors of a token, the present one first. */
export function actorsOf(act: Act | undefined): string[] {
  return act === undefined ? [] : [act.sub, ...actorsOf(act.act)];
}

/** The one party that a subject token names as its actor (RFC 8693 4.4). */
export interface MayAct {
  sub?: unknown;
  iss?: unknown;
}

/**
 * Reads the actor: a person or a client, by an access token that was issued to
 * the client that presents it.
 * @throws InvalidRequest
 */
async function readActor(
  ctx: KoaContextWithOIDC,
  client: Client,
  value: string,
  { tid, proofs }: { tid: string; proofs: Proofs },
): Promise<string> {
  const token: OwnToken = await readOwnToken(ctx, value, 'actor_token');
  if (token.clientId !== client.clientId) {
    throw new errors.InvalidRequest('the actor_token was issued to another client');
  }
  assertBoundTo(token, proofs, 'actor_token');
  if (token.accountId === undefined) return token.clientId;
  // A person acts in the tenant that their own token acts in, and in no other.
  const account = await findPerson(ctx, token, 'actor_token');
  if (token.tid !== tid) {
    throw new errors.InvalidRequest('subject and actor do not act in the same tenant');
  }
  return account.accountId;
}

/** @throws InvalidRequest when the subject token names another party than this */
function assertMayAct(mayAct: MayAct | undefined, party: string, issuer: string): void {
  if (mayAct === undefined) return;
  const isHere = mayAct.iss === undefined || mayAct.iss === issuer;
  if (mayAct.sub !== party || !isHere) {
    throw new errors.InvalidRequest('the subject_token names another party that may act');
  }
}

export interface Delegation {
  kind: 'down_scoping' | 'delegation' | 'impersonation' | 'federation';
  act: Act | undefined;
}

/**
 * Decides under whose name the new token acts. With an actor it says so; without
 * one it says what the subject token said, and where it changes hands that is
 * impersonation, for clients alone that may (RFC 8693 1.1). Nobody is ever taken
 * out of the chain.
 * @param subject `clientId` undefined: a token of a trusted issuer
 * @throws InvalidRequest
 */
export async function decideDelegation(
  ctx: KoaContextWithOIDC,
  client: Client,
  subject: { clientId: string | undefined; tid: string; act: Act | undefined },
  options: { actorToken: string | undefined; mayAct: MayAct | undefined; proofs: Proofs },
): Promise<Delegation> {
  const { actorToken, mayAct, proofs } = options;
  const isForeign = subject.clientId === undefined;
  const actor =
    actorToken === undefined
      ? undefined
      : await readActor(ctx, client, actorToken, { tid: subject.tid, proofs });
  assertMayAct(mayAct, actor ?? client.clientId, ctx.oidc.issuer);
  if (actor === undefined) {
    if (isForeign) return { kind: 'federation', act: subject.act };
    if (subject.clientId === client.clientId) return { kind: 'down_scoping', act: subject.act };
    if (readExtensions(client).mayImpersonate) return { kind: 'impersonation', act: subject.act };
    throw new errors.InvalidRequest('an actor_token is needed for the token of another client');
  }
  const isSame = subject.act?.sub === actor;
  const act = isSame ? subject.act : { sub: actor, ...(subject.act && { act: subject.act }) };
  if (actorsOf(act).length > MOST_ACTORS) {
    throw new errors.InvalidRequest(`more than ${MOST_ACTORS} actors, one after another`);
  }
  return { kind: isForeign ? 'federation' : 'delegation', act };
}
