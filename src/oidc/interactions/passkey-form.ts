import type { Form } from '../../web/forms.ts';

/** What the script put into the form: the browser's answer; undefined where it is none. */
export function readAnswer(form: Form): unknown {
  try {
    return JSON.parse(form.get('response') ?? '') as unknown;
  } catch {
    return undefined;
  }
}
