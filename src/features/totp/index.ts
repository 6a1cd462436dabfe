/**
 * Authenticator apps (RFC 6238): their seeds, and codes that count once. Must not
 * decide when a second factor is due, nor what follows from a wrong code.
 */
export { createTotp, MOST_APPS, type TotpDeps } from './service.ts';
export { qrCode } from './uri.ts';
