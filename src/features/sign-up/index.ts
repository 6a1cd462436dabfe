/**
 * Sign-up: people make accounts for themselves, where a tenant lets them. Must not
 * tell whether an address or number has an account, nor sign anybody in.
 */
export { signUpConsumers } from './notice.ts';
export { signUpRoutes } from './routes.ts';
export { type Registration, registration } from './schema.ts';
export { createSignUpService, type SignUpResult, type SignUpService } from './service.ts';
