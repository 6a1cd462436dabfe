import { z } from 'zod';
import { file, type Route, reply, route } from '../../../src/kernel/http/route.ts';

const Note = z
  .object({ id: z.uuid(), text: z.string(), stars: z.int() })
  .meta({ id: 'Note', description: 'A note' });

const NewNote = z.object({
  text: z.string().min(1).max(100),
  stars: z.int().min(0).max(5).default(0),
  place: z.strictObject({ city: z.string().max(50) }).optional(),
});

const ID = '0190f7b6-0000-7000-8000-000000000001';
const facts = { limit: 'none', tags: ['notes'], errors: [] } as const;

/** A small API that uses every feature of the kernel. */
export const sampleRoutes: Route[] = [
  route({
    ...facts,
    method: 'GET',
    path: '/notes/:id',
    auth: 'none',
    summary: 'Read a note',
    operationId: 'readNote',
    params: z.object({ id: z.uuid() }),
    responses: { 200: Note },
    errors: ['IDENT_NOT_FOUND'],
    // More than the schema names, as a careless handler would.
    handle: ({ params }) => ({ id: params.id, text: 'hi', stars: 1, password_hash: 'x' }),
  }),
  route({
    ...facts,
    method: 'GET',
    path: '/notes/export',
    auth: 'none',
    summary: 'Export notes',
    operationId: 'exportNotes',
    query: z.object({
      format: z.enum(['csv', 'bad']).default('csv'),
      limit: z.coerce.number().int().min(1).max(100).default(20),
    }),
    responses: { 200: file('text/csv') },
    handle: ({ query }) => ({
      contentType: query.format === 'csv' ? 'text/csv; charset=utf-8' : 'text/html',
      content: `id\n${query.limit}\n`,
    }),
  }),
  route({
    ...facts,
    method: 'POST',
    path: '/notes',
    auth: 'none',
    summary: 'Write a note',
    operationId: 'writeNote',
    body: NewNote,
    headers: z.object({ 'idempotency-key': z.string().max(40).optional() }),
    responses: { 201: Note, 202: null },
    examples: { short: { text: 'hello' } },
    handle: ({ body, headers }) =>
      headers['idempotency-key'] === undefined
        ? reply(201, { id: ID, ...body }, { location: `/notes/${ID}` })
        : reply(202, null),
  }),
  route({
    ...facts,
    method: 'DELETE',
    path: '/notes/:id',
    auth: 'user',
    summary: 'Delete a note',
    operationId: 'deleteNote',
    params: z.object({ id: z.uuid() }),
    responses: { 204: null },
    handle: async () => {},
  }),
  route({
    ...facts,
    method: 'GET',
    path: '/me',
    auth: 'user',
    summary: 'Who am I',
    operationId: 'me',
    scope: 'openid',
    responses: { 200: z.object({ userId: z.string() }) },
    handle: ({ actor }) => ({ userId: actor.userId }),
  }),
  route({
    ...facts,
    method: 'GET',
    path: '/admin',
    auth: 'caller',
    permission: 'admin:read',
    summary: 'For administrators',
    operationId: 'admin',
    responses: { 204: null },
    handle: () => {},
  }),
  route({
    ...facts,
    method: 'GET',
    path: '/fresh',
    auth: 'user',
    stepUp: { acrValues: ['urn:gatehouse:acr:2fa'], maxAge: 300 },
    summary: 'Needs a strong and fresh sign-in',
    operationId: 'fresh',
    responses: { 204: null },
    handle: () => {},
  }),
  route({
    ...facts,
    method: 'GET',
    path: '/writes',
    auth: 'user',
    scope: 'notes:write',
    summary: 'Needs a scope',
    operationId: 'writes',
    responses: { 204: null },
    handle: () => {},
  }),
  route({
    ...facts,
    method: 'GET',
    path: '/internal',
    auth: 'internal',
    summary: 'For sister services',
    operationId: 'internal',
    responses: { 204: null },
    handle: () => {},
  }),
  route({
    ...facts,
    method: 'GET',
    path: '/limited',
    auth: 'user',
    limit: 'sensitive',
    summary: 'Has a budget',
    operationId: 'limited',
    responses: { 204: null },
    handle: () => {},
  }),
];
