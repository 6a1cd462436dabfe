/**
 * Links that people are sent and that open one thing once: an address is
 * verified, a password set. Must not know what a purpose means.
 */
export type { LinkPurpose, NewLink, OpenedLink } from './schema.ts';
export { createOneTimeLinks, type OneTimeLinks } from './service.ts';
