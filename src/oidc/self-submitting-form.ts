/** What the engine wants the browser to post, and where to. */
export interface SelfSubmittingForm {
  action: string;
  inputs: { name: string; value: string }[];
}

/** What tells the engine's page from ours: no value on a page can hold a tag. */
const MARK = '<title>Submitting Callback</title>';

const BEFORE = '</head>\n<body>\n  <form method="post" action="';
const BETWEEN = '">\n    ';
const AFTER = `
    <noscript>
      Your browser does not support JavaScript or you've disabled it.<br/>
      <button autofocus type="submit">Continue</button>
    </noscript>
  </form>
</body>
</html>`;

const INPUT = /^<input type="hidden" name="([\w-]+)" value="([^"'<>]*)"\/>$/;

/** The escapes of the engine's html_safe.js, and no others. */
const ESCAPES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  '#39': "'",
};

const changed = (): Error => new Error('oidc-provider changed its self-submitting form');

/** In one pass, so that what was text before the engine escaped it is text again. */
function decode(escaped: string): string {
  return escaped.replace(/&(?:(amp|lt|gt|quot|#39);)?/g, (_, name: string | undefined) => {
    const character = name && ESCAPES[name];
    if (!character) throw changed();
    return character;
  });
}

function parseInput(tag: string): { name: string; value: string } {
  const [, name, value] = INPUT.exec(tag) ?? [];
  if (name === undefined || value === undefined) throw changed();
  return { name, value: decode(value) };
}

/**
 * Reads the page that the engine answers with where a browser is to post
 * something on (its response_modes/form_post.js). The values come from anybody,
 * so whatever is not exactly the engine's markup is refused, not guessed at.
 * @returns undefined for any other page
 * @throws when it is that page, but not as we know it
 */
export function parseSelfSubmittingForm(html: string): SelfSubmittingForm | undefined {
  if (!html.includes(MARK)) return undefined;
  const start = html.indexOf(BEFORE);
  if (start === -1 || !html.endsWith(AFTER)) throw changed();
  const form = html.slice(start + BEFORE.length, -AFTER.length);
  const end = form.indexOf(BETWEEN);
  const action = form.slice(0, Math.max(end, 0));
  if (action === '' || /["'<>]/.test(action)) throw changed();
  const tags = form.slice(end + BETWEEN.length).split(/(?<=\/>)\n/);
  return { action: decode(action), inputs: tags.map(parseInput) };
}
