/**
 * The error catalogue: every code that Gatehouse's own API answers, with its
 * HTTP status and public title. RFC 9457 `type` is derived from the code.
 * What happened inside belongs in `cause` and `log`, never in the answer.
 */
export const ERRORS = {
  IDENT_VALIDATION: { status: 400, title: 'The request is not valid' },
  IDENT_WEAK_PASSWORD: { status: 400, title: 'The password is too weak' },
  IDENT_BREACHED_PASSWORD: { status: 400, title: 'The password is known from a breach' },
  IDENT_INVALID_CREDENTIALS: { status: 401, title: 'The credentials are not right' },
  IDENT_UNAUTHENTICATED: { status: 401, title: 'Authentication is required' },
  IDENT_MFA_REQUIRED: { status: 401, title: 'A second factor is required' },
  IDENT_MFA_FAILED: { status: 401, title: 'The second factor failed' },
  IDENT_REFRESH_REPLAY: { status: 401, title: 'The refresh token was used before' },
  IDENT_FORBIDDEN: { status: 403, title: 'Not allowed' },
  IDENT_CROSS_TENANT: { status: 403, title: 'This belongs to another tenant' },
  IDENT_NOT_FOUND: { status: 404, title: 'Not found' },
  IDENT_METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not allowed here' },
  IDENT_EMAIL_DUPLICATE: { status: 409, title: 'The e-mail address is taken' },
  IDENT_PHONE_DUPLICATE: { status: 409, title: 'The phone number is taken' },
  IDENT_USERNAME_DUPLICATE: { status: 409, title: 'The username is taken' },
  IDENT_EXT_IDENTITY_MISMATCH: { status: 409, title: 'The external identity is linked elsewhere' },
  IDENT_STALE_VERSION: { status: 412, title: 'The resource has changed since it was read' },
  IDENT_PAYLOAD_TOO_LARGE: { status: 413, title: 'The request body is too large' },
  IDENT_UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The media type is not supported' },
  IDENT_MISDIRECTED: { status: 421, title: 'This host is not served here' },
  IDENT_TOKEN_SPENT: { status: 422, title: 'The token is expired, used or unknown' },
  IDENT_INVALID_TRANSITION: { status: 422, title: 'Not possible in the present state' },
  IDENT_DEVICE_NOT_TRUSTED: { status: 422, title: 'The device is not trusted' },
  IDENT_WEBAUTHN_LIMIT: { status: 422, title: 'No more passkeys can be added' },
  IDENT_LIC_ALWAYS_ON_IMMUTABLE: { status: 422, title: 'The module is always on' },
  IDENT_LIC_DEPENDENCY_NOT_LICENSED: { status: 422, title: 'A required module is not licensed' },
  IDENT_LIC_TERMINATED: { status: 422, title: 'The assignment is terminated' },
  IDENT_LIC_TRIAL_NEEDS_END: { status: 422, title: 'A trial needs an end date' },
  IDENT_LOCKED: { status: 423, title: 'Locked after too many attempts' },
  IDENT_RATE_LIMITED: { status: 429, title: 'Too many requests' },
  IDENT_INTERNAL: { status: 500, title: 'Something went wrong on our side' },
  IDENT_HASH_BUSY: { status: 503, title: 'Too many sign-ins at the moment' },
  IDENT_FEDERATION_UNAVAILABLE: { status: 503, title: 'The identity provider is unavailable' },
  IDENT_UNAVAILABLE: { status: 503, title: 'The service is unavailable at the moment' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** One invalid input field: where it is, as a dotted path, and what is wrong with it. */
export interface FieldError {
  path: string;
  message: string;
}

export interface AppErrorOptions {
  /** Public text for the `detail` member. */
  detail?: string;
  /** Invalid fields, for the `errors` member. */
  errors?: FieldError[];
  /** Seconds until a retry makes sense; becomes `Retry-After`. */
  retryAfter?: number;
  /** Further headers of the answer, such as RateLimit-*. */
  headers?: Readonly<Record<string, string>>;
  /** Extension members of the problem document, such as `challengeId`. */
  extensions?: Record<string, unknown>;
  /** Private facts for the log. */
  log?: Record<string, unknown>;
  cause?: unknown;
}

/** An error with a public face from the catalogue and a private cause for the log. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly options: AppErrorOptions;

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(options.detail ?? ERRORS[code].title, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = ERRORS[code].status;
    this.options = options;
  }
}

/** An RFC 9457 problem document in the shape of the contract. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  instance?: string;
  code: ErrorCode;
  requestId: string;
  errors?: FieldError[];
  [extension: string]: unknown;
}

/**
 * Turns an error into the public problem document.
 * @param error the error; only its catalogue entry and public options are shown
 * @param context `instance` is the request path, `requestId` ties it to the log
 */
export function toProblem(
  error: AppError,
  context: { instance: string; requestId: string },
): Problem {
  const { detail, errors, extensions } = error.options;
  return {
    ...extensions,
    type: `urn:gatehouse:error:${error.code}`,
    title: ERRORS[error.code].title,
    status: error.status,
    ...(detail === undefined ? {} : { detail }),
    instance: context.instance,
    code: error.code,
    requestId: context.requestId,
    ...(errors === undefined ? {} : { errors }),
  };
}
