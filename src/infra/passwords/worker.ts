import { hashSync, verifySync } from '@node-rs/argon2';
import type { Argon2Cost } from './index.ts';

export type HashTask =
  | { kind: 'hash'; password: string; cost: Argon2Cost }
  | { kind: 'verify'; password: string; encoded: string };

/** `Algorithm.Argon2id`: the package declares a const enum, which type stripping cannot read. */
const ARGON2ID = 2;

/** Bytes of salt; RFC 9106 3.1 asks for 16. */
const SALT_BYTES = 16;

/** Runs on a thread of its own, so the synchronous calls block nobody. */
export default function work(task: HashTask): string | boolean {
  if (task.kind === 'verify') return verifySync(task.encoded, task.password);
  return hashSync(task.password, {
    algorithm: ARGON2ID,
    ...task.cost,
    salt: crypto.getRandomValues(Buffer.alloc(SALT_BYTES)),
  });
}
