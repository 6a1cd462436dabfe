/**
 * What happened to an account, for its owner: sign-ins, failed ones, ends of
 * sessions, changes of what protects it. Reads the audit log and the history of
 * sign-ins; must not write either.
 */
export { activityRoutes } from './routes.ts';
export { type ActivityEntry, type ActivityKind, activityKinds } from './schema.ts';
export { type ActivityService, createActivityService } from './service.ts';
