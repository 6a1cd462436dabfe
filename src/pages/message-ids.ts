import { accountSections } from './account-area-models.ts';
import type { Locale, Pages, ScopeLine } from './types.ts';

/** Error pages there are words for: `error.<kind>.title` and `error.<kind>.detail`. */
export const errorKinds = [
  'expired',
  'cookies',
  'invalid-request',
  'unknown-client',
  'redirect-uri',
  'access-denied',
  'rate-limited',
  'locked',
  'csrf',
  'unavailable',
  'server-error',
] as const;

export type ErrorKind = (typeof errorKinds)[number];

/** Labels for the way on from an error page. */
export const onwardLabels = [
  'error.onward.account',
  'error.onward.restart',
  'error.onward.retry',
  'error.onward.back',
  'error.onward.home',
] as const;

/** What can be wrong with a sign-in as a whole. `rate-limited` and `locked` take `minutes`. */
export const signInErrors = [
  'sign-in.error.invalid-credentials',
  'sign-in.error.invalid-or-unproved',
  'sign-in.error.passkey',
  'sign-in.error.rate-limited',
  'sign-in.error.locked',
  'sign-in.error.busy',
  'sign-in.error.unavailable',
] as const;

/** What the sign-in page may have to say before somebody signs in. */
export const signInNotices = ['sign-in.notice.signed-up', 'sign-in.notice.verified'] as const;

/** What can be wrong with one field of the sign-in form. */
export const signInFieldErrors = [
  'sign-in.field.identifier-required',
  'sign-in.field.identifier-too-long',
  'sign-in.field.password-required',
  'sign-in.field.password-too-long',
] as const;

/** What can be wrong with any form about an account. Two take `minutes`. */
export const stepErrors = [
  'sign-in.error.rate-limited',
  'sign-in.error.locked',
  'sign-in.error.busy',
  'step.error.unavailable',
] as const;

/** What else can be wrong with signing up. */
export const signUpErrors = ['sign-up.error.closed'] as const;

/** What can be wrong with an identifier that a person gives. */
export const identifierFieldErrors = [
  'sign-up.field.email',
  'sign-up.field.phone',
  'sign-up.field.username',
  'sign-up.field.identifier',
  'sign-up.field.taken',
  'sign-up.field.name',
] as const;

/** What can be wrong with a code from a message. `wait` takes `seconds`. */
export const codeErrors = ['code.error.required', 'code.error.wrong', 'code.error.wait'] as const;

/** What can be wrong with a new password. `short` takes `min`. */
export const passwordErrors = [
  'password.error.required',
  'password.error.short',
  'password.error.long',
  'password.error.easy',
  'password.error.breached',
  'password.error.personal',
] as const;

/** What can be wrong with a second factor, or with setting one up. Most take `tries`. */
export const factorErrors = [
  'second-factor.error.required',
  'second-factor.error.wrong',
  'second-factor.error.passkey',
  'second-factor.error.passkey-cancelled',
  'set-up.error.code',
  'set-up.error.passkey',
  'set-up.error.passkey-limit',
] as const;

/** Labels for the way on from where something about an account has ended. */
export const accountEndOnward = [
  'account-end.onward.sign-in',
  'account-end.onward.continue',
  'account-end.onward.home',
  'account-end.onward.restart',
] as const;

/** Names of the rooms of the account page, and of what they belong to. */
export const accountNames = Object.entries(accountSections).flatMap(([section, { group }]) => [
  `account.nav.${section}`,
  ...(group === null ? [] : [group]),
]);

/** What a page of the account page tells of the form before it. */
export const accountNotices = [
  'account.notice.saved',
  'account.notice.app-added',
  'account.notice.passkey-added',
  'account.notice.renamed',
  'account.notice.factor-removed',
  'account.notice.session-ended',
  /** Takes `count`. */
  'account.notice.sessions-ended',
  /** Takes `app`. */
  'account.notice.disconnected',
  'account.notice.email',
  'account.notice.phone',
  'account.notice.password',
  'account.notice.password-mail',
  'code.resent',
] as const;

/** What can be wrong with a form about factors, and what a person is warned of. */
export const factorMessages = [
  'account.error.name',
  'account.app.name-default',
  'account.app.wrong-code',
  'account.passkey.error',
  'account.security.apps-most',
  'account.security.passkeys-most',
  'account.security.warning.last',
  'account.security.warning.few-codes',
  'account.security.warning.no-codes',
  'account.recovery.file',
] as const;

/** Ways to prove who one is (RFC 8176), and devices, where they are told beside other things. */
export const factWords = [
  'amr.fed',
  'amr.kba',
  'amr.otp',
  'amr.pwd',
  'amr.sms',
  'amr.unknown',
  'amr.webauthn',
  'device.both',
  'device.unknown',
] as const;

/** What the history of an account tells, and why it happened. */
export const historyMessages = [
  'account.history.account-created',
  'account.history.account-locked',
  'account.history.account-reactivated',
  'account.history.account-suspended',
  'account.history.application-removed',
  'account.history.by.administrator',
  'account.history.by.system',
  'account.history.email-verified',
  'account.history.factor-added',
  'account.history.factor-removed',
  'account.history.factors-reset',
  'account.history.password-changed',
  'account.history.phone-verified',
  'account.history.profile-changed',
  'account.history.reason.ended_by_administrator',
  'account.history.reason.ended_by_user',
  'account.history.reason.logout',
  'account.history.reason.logout_all',
  'account.history.reason.mfa_changed',
  'account.history.reason.password_changed',
  'account.history.reason.password_reset',
  'account.history.reason.refresh_replay',
  'account.history.reason.user_deactivated',
  'account.history.reason.user_suspended',
  'account.history.recovery-code-used',
  'account.history.recovery-codes-made',
  'account.history.second-factor-failed',
  'account.history.session-ended',
  'account.history.sign-in-failed',
  'account.history.signed-in',
  'account.history.tokens-stolen',
] as const;

/** What can be wrong with what is typed on the account page. Two take `min` and `max`. */
export const accountErrors = [
  'account.address.same',
  'account.address.taken',
  'account.delete.mismatch',
  'account.error.stale',
  'account.field.invalid',
  'account.field.length',
  'account.field.name',
  'account.field.number',
  'account.field.range',
  'account.field.required',
  'account.password.current-required',
  'account.password.current-wrong',
] as const;

/** What can be wrong with a code that was typed. `too-many` takes `minutes`. */
export const deviceErrors = [
  'device.error.required',
  'device.error.unknown',
  'device.error.expired',
  'device.error.used',
  'device.error.again',
  'device.error.too-many',
  'device.error.unavailable',
] as const;

/** Labels for links to documentation on the front page. */
export const docsLabels = [
  'landing.docs.guide',
  'landing.docs.api',
  'landing.docs.operations',
] as const;

/** Scopes there are words for. */
export const knownScopes = [
  'openid',
  'profile',
  'email',
  'phone',
  'address',
  'offline_access',
] as const;

/** Title and detail of an error page. `rate-limited` takes `seconds`, `locked` `minutes`. */
export function errorMessageIds(kind: ErrorKind): { titleId: string; detailId: string } {
  return { titleId: `error.${kind}.title`, detailId: `error.${kind}.detail` };
}

/** A scope in words; one we do not know is shown as it is. */
export function scopeLine(pages: Pages, locale: Locale, scope: string): ScopeLine {
  if (!knownScopes.some((known) => known === scope)) {
    return { scope, title: scope, description: null };
  }
  return {
    scope,
    title: pages.text(locale, `scope.${scope}.title`),
    description: pages.text(locale, `scope.${scope}.description`),
  };
}
