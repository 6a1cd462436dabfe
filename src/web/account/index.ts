import type Router from '@koa/router';
import { createAccountArea, type FrameDeps } from './frame.ts';
import { overviewPage } from './overview.ts';
import { type SecurityDeps, securityPages } from './security/index.ts';

export type AccountAreaDeps = FrameDeps & SecurityDeps;

/** The account page with all its pages. */
export const createAccountPages = (deps: AccountAreaDeps): Router =>
  createAccountArea(deps, [overviewPage(), ...securityPages(deps)]);
