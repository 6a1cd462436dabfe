import type { Readable } from 'node:stream';
import type { FileBody, FileSpec, ResponseSpec, Route } from './route.ts';
import { isFileSpec, Reply } from './route.ts';

/** A handler answered what its route did not declare: our mistake, never the caller's. */
export class ContractBreach extends Error {
  constructor(route: Pick<Route, 'operationId'>, message: string, cause?: unknown) {
    super(`${route.operationId}: ${message}`, { cause });
    this.name = 'ContractBreach';
  }
}

/** An answer ready to be sent. */
export interface Answer {
  status: number;
  headers: Readonly<Record<string, string>>;
  contentType: string | null;
  body: string | Buffer | Readable | null;
}

function asReply(route: Route, result: unknown): Reply {
  if (result instanceof Reply) return result;
  const statuses = Object.keys(route.responses);
  if (statuses.length !== 1) {
    throw new ContractBreach(route, 'answered without a status, yet several are declared');
  }
  return new Reply(Number(statuses[0]), result, {});
}

function serialiseFile(route: Route, spec: FileSpec, body: unknown) {
  const { contentType, content } = body as FileBody;
  const [essence = ''] = contentType.split(';');
  if (!spec.mediaTypes.includes(essence)) {
    throw new ContractBreach(route, `answered the undeclared media type ${essence}`);
  }
  return { contentType, body: content };
}

async function serialiseBody(route: Route, spec: ResponseSpec, reply: Reply) {
  if (spec === null) {
    if (reply.body === undefined || reply.body === null) return { contentType: null, body: null };
    throw new ContractBreach(route, `answered a body where ${reply.status} has none`);
  }
  if (isFileSpec(spec)) return serialiseFile(route, spec, reply.body);
  // Through the schema in every mode: what it does not name is stripped, so it cannot leak.
  const parsed = await spec.safeParseAsync(reply.body);
  if (!parsed.success) {
    throw new ContractBreach(
      route,
      `the ${reply.status} body does not fit its schema`,
      parsed.error,
    );
  }
  return { contentType: 'application/json', body: JSON.stringify(parsed.data) };
}

/**
 * Turns what a handler returned into the answer, through the declared schema.
 * @throws ContractBreach for a status, media type or body that the route does not declare
 */
export async function serialise(route: Route, result: unknown): Promise<Answer> {
  const reply = asReply(route, result);
  const spec = route.responses[reply.status];
  if (spec === undefined) {
    throw new ContractBreach(route, `answered the undeclared status ${reply.status}`);
  }
  const { contentType, body } = await serialiseBody(route, spec, reply);
  return { status: reply.status, headers: reply.headers, contentType, body };
}
