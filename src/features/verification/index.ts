/**
 * Addresses and numbers and who proved them to be theirs: at sign-up, later, and
 * for another one. Must not decide who may sign in.
 */
export { verificationConsumers } from './consumers.ts';
export { verificationEvents } from './events.ts';
export { linkingRoutes } from './link-routes.ts';
export { createLinkingService, type LinkingService } from './linking.ts';
export { createNotices } from './notices.ts';
export { claimOf, verificationRoutes } from './routes.ts';
export { codeRequested, sixDigits, tenantName } from './schema.ts';
export { createVerificationService, VERIFY_EMAIL, type VerificationService } from './service.ts';
