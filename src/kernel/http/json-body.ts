import type { IncomingMessage } from 'node:http';
import { MIMEType } from 'node:util';
import { AppError } from '../errors.ts';

export interface JsonBodyLimits {
  /** Longest body, bytes. */
  maxBytes: number;
  /** Deepest nesting of objects and arrays. */
  maxDepth: number;
}

export const JSON_BODY_LIMITS: JsonBodyLimits = { maxBytes: 65_536, maxDepth: 32 };

/** Members that reach a prototype when an object is copied carelessly. */
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

const utf8 = new TextDecoder('utf-8', { fatal: true });

const invalid = (path: string, message: string): AppError =>
  new AppError('IDENT_VALIDATION', { errors: [{ path: path.slice(0, 200), message }] });

/** Whether a request carries a body (RFC 9112 6.3). */
function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  return coding !== undefined || (length !== undefined && length !== '0');
}

function assertJson(request: IncomingMessage): void {
  const { 'content-type': type, 'content-encoding': coding } = request.headers;
  // Compressed bodies are refused: inflating what a stranger sends costs more than it saves.
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    throw new AppError('IDENT_UNSUPPORTED_MEDIA_TYPE', {
      detail: 'The body must not be content-encoded',
    });
  }
  let mime: MIMEType | undefined;
  try {
    mime = new MIMEType(type ?? '');
  } catch {
    // Falls through to the refusal.
  }
  const charset = mime?.params.get('charset')?.toLowerCase() ?? 'utf-8';
  if (mime?.essence !== 'application/json' || charset !== 'utf-8') {
    throw new AppError('IDENT_UNSUPPORTED_MEDIA_TYPE', {
      detail: 'The body must be application/json in UTF-8',
    });
  }
}

/**
 * Reads a request body whole. What lies beyond the bound is not read, and the
 * connection is left to the caller to answer on.
 * @throws AppError IDENT_PAYLOAD_TOO_LARGE, or IDENT_VALIDATION when it breaks off
 */
export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new AppError('IDENT_PAYLOAD_TOO_LARGE', { detail: `The body is limited to ${maxBytes} bytes` });
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (finish: () => void) => {
      request.off('data', onData).off('end', onEnd).off('close', onLost).off('error', onLost);
      finish();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else settle(() => reject(tooLarge()));
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks, size)));
    const onLost = () => settle(() => reject(invalid('body', 'The body is incomplete')));
    request.on('data', onData).on('end', onEnd).on('close', onLost).on('error', onLost);
  });
}

/**
 * Refuses what is well-formed JSON but harmful: nesting that overflows a stack
 * and names that reach a prototype (RFC 8259 9 allows such limits).
 */
function assertSafe(value: unknown, path: string, depthLeft: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depthLeft === 0) throw invalid(path, 'Nested too deeply');
  for (const [key, member] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (FORBIDDEN_KEYS.has(key)) throw invalid(at, 'Not allowed as a member name');
    assertSafe(member, at, depthLeft - 1);
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    const encoding = error instanceof TypeError;
    throw invalid('body', encoding ? 'Not valid UTF-8' : 'Not valid JSON');
  }
}

/**
 * Reads a request body as JSON (RFC 8259) into plain data.
 * @returns undefined when the request has no body
 * @throws AppError IDENT_UNSUPPORTED_MEDIA_TYPE, IDENT_PAYLOAD_TOO_LARGE or IDENT_VALIDATION
 */
export async function readJsonBody(
  request: IncomingMessage,
  limits: JsonBodyLimits = JSON_BODY_LIMITS,
): Promise<unknown> {
  if (!hasBody(request)) return undefined;
  assertJson(request);
  const value = parseJson(await readBytes(request, limits.maxBytes));
  assertSafe(value, '', limits.maxDepth);
  return value;
}
