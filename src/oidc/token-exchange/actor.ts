import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { readExtensions } from '../clients/extensions.ts';
import { assertBoundTo, type Proofs } from './holder.ts';
import { type Act, findPerson, type MayAct, type OwnToken, readOwnToken } from './subject.ts';

/** Actors of one token at most: a chain that grows without end is a loop between services. */
const MOST_ACTORS = 4;

/** The actors of a token, the present one first. */
export function actorsOf(act: Act | undefined): string[] {
  return act === undefined ? [] : [act.sub, ...actorsOf(act.act)];
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
  // Whoever acts for the actor would be lost from the chain.
  if (token.act) throw new errors.InvalidRequest('the actor_token is a delegated one itself');
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
  const isSame = subject.act?.sub === actor && subject.act.iss === undefined;
  const act = isSame ? subject.act : { sub: actor, ...(subject.act && { act: subject.act }) };
  assertBounded(act);
  return { kind: isForeign ? 'federation' : 'delegation', act };
}

/** @throws InvalidRequest for more actors than a token may have */
function assertBounded(act: Act | undefined): void {
  if (actorsOf(act).length <= MOST_ACTORS) return;
  throw new errors.InvalidRequest(`more than ${MOST_ACTORS} actors, one after another`);
}

/** Whether a name can be kept: a NUL or half a character cannot be stored, nor shown. */
const isName = (value: unknown): value is string =>
  typeof value === 'string' && /^\P{C}{1,255}$/u.test(value);

/**
 * The actors that a token of a trusted issuer names, as that issuer's.
 * @throws InvalidRequest for a claim that is none, or too long a chain
 */
export function readForeignAct(claim: unknown, issuer: string, depth = 1): Act | undefined {
  if (claim === undefined) return undefined;
  const { sub, iss = issuer, act } = Object(claim) as Record<string, unknown>;
  if (!isName(sub) || !isName(iss) || depth > MOST_ACTORS) {
    throw new errors.InvalidRequest('the subject_token names actors in a way that is not accepted');
  }
  const earlier = readForeignAct(act, issuer, depth + 1);
  return { sub, iss, ...(earlier && { act: earlier }) };
}
