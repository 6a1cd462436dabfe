/**
 * Applications as the people see them who use them: what each was allowed, and
 * taking it back. Must not decide what an application gets; the engine does, with
 * the person's consent.
 */
export { connectedApplicationRoutes } from './routes.ts';
export type { ConnectedApplication, ScopeWords } from './schema.ts';
export {
  applicationIdOf,
  type ConnectedApplicationService,
  createConnectedApplicationService,
} from './service.ts';
