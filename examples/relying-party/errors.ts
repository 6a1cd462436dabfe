import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'openid-client';
import { ProviderUnavailable } from './oidc-client.ts';

/** An error as a person should see it. */
export interface ErrorView {
  status: number;
  title: string;
  detail: string;
  /** What to look up or to tell the developers. */
  technical?: string;
}

/** What the error codes of OAuth and OpenID Connect mean to the person in front of the page. */
const MEANINGS = new Map<string, [status: number, title: string, detail: string]>([
  [
    'access_denied',
    [403, 'Sign-in was not completed', 'You cancelled it, or access was not allowed.'],
  ],
  ['login_required', [403, 'Please sign in', 'The provider wants you to sign in again.']],
  ['consent_required', [403, 'Permission is needed', 'The provider wants to ask you first.']],
  ['interaction_required', [403, 'One more step is needed', 'The provider wants to ask you.']],
  [
    'temporarily_unavailable',
    [503, 'The provider is busy', 'Please try again in a moment; nothing is lost.'],
  ],
  ['server_error', [502, 'The provider has a problem', 'Please try again in a moment.']],
  [
    'invalid_client',
    [502, 'The provider does not know this application', 'Its client id or secret is wrong.'],
  ],
  [
    'invalid_token',
    [401, 'The access token is not accepted', 'It is over. Refresh the tokens, or sign in again.'],
  ],
  [
    'invalid_grant',
    [400, 'This sign-in is over', 'It has expired, was used before, or was ended elsewhere.'],
  ],
]);

function describeCode(code: string, description: string | undefined): ErrorView {
  const [status, title, detail] = MEANINGS.get(code) ?? [
    502,
    'The provider refused',
    'It did not accept the request of this application.',
  ];
  return { status, title, detail, technical: [code, description].filter(Boolean).join(': ') };
}

/** How to tell a person what went wrong; private details of the server stay out of it. */
export function describeError(error: unknown): ErrorView {
  if (error instanceof ProviderUnavailable) {
    return {
      status: 503,
      title: 'The provider cannot be reached',
      detail: 'It may still be starting. Please try again in a moment.',
      technical: error.message,
    };
  }
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
    return describeCode(error.error, error.error_description);
  }
  if (error instanceof WWWAuthenticateChallengeError) {
    const parameters = error.cause[0]?.parameters;
    return describeCode(parameters?.error ?? 'invalid_client', parameters?.error_description);
  }
  if (error instanceof ClientError) {
    return {
      status: 502,
      title: 'The answer of the provider was not accepted',
      detail: 'It failed a check that keeps sign-ins safe. Please start again.',
      technical: [error.code, error.message].filter(Boolean).join(': '),
    };
  }
  return {
    status: 500,
    title: 'Something went wrong here',
    detail: 'Please start again. The log of this application says more.',
  };
}
