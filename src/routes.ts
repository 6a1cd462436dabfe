import { userRoutes } from './features/user/index.ts';
import type { Route } from './kernel/http/index.ts';

/** What the routes of the API are made of. */
export interface RouteDeps {
  users: Parameters<typeof userRoutes>[0];
}

/** The API's whole URL space, below /api/v1. */
export const apiRoutes = (deps: RouteDeps): Route[] => [...userRoutes(deps.users)];
