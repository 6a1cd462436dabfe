import { authRoutes } from './features/auth/index.ts';
import { type UserRouteDeps, userRoutes } from './features/user/index.ts';
import type { Route } from './kernel/http/index.ts';

/** What the routes of the API are made of. */
export interface RouteDeps {
  auth: Parameters<typeof authRoutes>[0];
  me: UserRouteDeps;
}

/** The API's whole URL space, below /api/v1. */
export const apiRoutes = (deps: RouteDeps): Route[] => [
  ...authRoutes(deps.auth),
  ...userRoutes(deps.me),
];
