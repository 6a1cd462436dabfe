/** A browser without JavaScript: cookies, forms, redirects by hand. */
export interface UserAgent {
  cookies: Map<string, string>;
  /** Fetches without following redirects; keeps and sends cookies as a browser would. */
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
  /** Follows redirects until one leaves `origin` or a page is shown. */
  follow(
    url: string | URL,
    init?: RequestInit,
  ): Promise<{ response: Response; url: URL; html: string }>;
  /** Submits the form whose action ends in `suffix`, with its hidden fields and `fields`. */
  submit(
    page: { url: URL; html: string },
    suffix: string,
    fields: Record<string, string>,
  ): Promise<{ response: Response; url: URL; html: string }>;
}

interface StoredCookie {
  value: string;
  path: string;
}

const ENTITIES: Record<string, string> = {
  '&amp;': '&',
  '&quot;': '"',
  '&#39;': "'",
  '&lt;': '<',
  '&gt;': '>',
};

/** Decodes in one pass, so that `&amp;lt;` stays `&lt;`. */
const unescapeHtml = (text: string): string =>
  text.replace(/&(?:amp|quot|#39|lt|gt);/g, (entity) => ENTITIES[entity] ?? entity);

const attribute = (tag: string, name: string): string | undefined => {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  return value === undefined ? undefined : unescapeHtml(value);
};

/** The form of a page whose action ends in `suffix`, with its hidden fields. */
export function findForm(
  page: { url: URL; html: string },
  suffix: string,
): { action: URL; fields: Record<string, string> } {
  for (const [form] of page.html.matchAll(/<form[\s\S]*?<\/form>/g)) {
    const action = attribute(form, 'action');
    if (!action?.endsWith(suffix)) continue;
    const fields: Record<string, string> = {};
    for (const [input] of form.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      const name = attribute(input, 'name');
      if (name) fields[name] = attribute(input, 'value') ?? '';
    }
    return { action: new URL(action, page.url), fields };
  }
  throw new Error(`no form ends in ${suffix} on ${page.url}:\n${page.html.slice(0, 2_000)}`);
}

export function createUserAgent(origin: string, headers: Record<string, string> = {}): UserAgent {
  const jar = new Map<string, StoredCookie>();
  const cookies = new Map<string, string>();

  function keep(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
      const name = pair.slice(0, pair.indexOf('='));
      const value = pair.slice(pair.indexOf('=') + 1);
      const path = attributes.find((a) => /^path=/i.test(a))?.slice(5) ?? '/';
      const expires = attributes.find((a) => /^expires=/i.test(a))?.slice(8);
      const isGone = value === '' || (expires && Date.parse(expires) < Date.now());
      if (isGone) jar.delete(`${name} ${path}`);
      else jar.set(`${name} ${path}`, { value, path });
    }
    cookies.clear();
    for (const [key, { value }] of jar) cookies.set(key.split(' ')[0] ?? '', value);
  }

  function cookieHeader(url: URL): string {
    return [...jar]
      .filter(
        ([, { path }]) =>
          url.pathname === path || url.pathname.startsWith(path === '/' ? '/' : `${path}/`),
      )
      .map(([key, { value }]) => `${key.split(' ')[0]}=${value}`)
      .join('; ');
  }

  async function doFetch(target: string | URL, init: RequestInit = {}): Promise<Response> {
    const url = new URL(target, origin);
    const cookie = cookieHeader(url);
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: {
        accept: 'text/html',
        ...headers,
        ...(cookie ? { cookie } : {}),
        ...(init.headers as Record<string, string> | undefined),
      },
    });
    keep(response);
    return response;
  }

  async function follow(target: string | URL, init: RequestInit = {}) {
    let url = new URL(target, origin);
    let response = await doFetch(url, init);
    for (let hops = 0; hops < 10; hops += 1) {
      const location = response.headers.get('location');
      if (!location) break;
      url = new URL(location, url);
      if (url.origin !== new URL(origin).origin) return { response, url, html: '' };
      response = await doFetch(url);
    }
    return { response, url, html: await response.text() };
  }

  return {
    cookies,
    fetch: doFetch,
    follow,
    submit(page, suffix, fields) {
      const form = findForm(page, suffix);
      return follow(form.action, {
        method: 'POST',
        body: new URLSearchParams({ ...form.fields, ...fields }),
      });
    },
  };
}
