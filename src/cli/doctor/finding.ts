/** `info`: worth knowing, neither good nor bad. */
export type Status = 'ok' | 'info' | 'warn' | 'fail';

/** One line of the doctor's report. */
export interface Finding {
  check: string;
  status: Status;
  /** What was found. */
  found: string;
  /** What to do about it; nothing when all is well. */
  advice: string | null;
}

type Tell = (found: string, advice?: string) => Finding;

/** Makes the findings of one check. */
export function about(check: string): Record<Status, Tell> {
  const tell =
    (status: Status): Tell =>
    (found, advice) => ({ check, status, found, advice: advice ?? null });
  return { ok: tell('ok'), info: tell('info'), warn: tell('warn'), fail: tell('fail') };
}
