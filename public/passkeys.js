// Passkeys on the hosted pages. Served as one file after the browser bundle of
// @simplewebauthn/browser (MIT, Copyright 2020 Matthew Miller), loaded with `defer`.
// What a page has to say:
//
//   <form method="post" action="…" data-passkey="get" data-options-url="…" data-conditional>
//     … hidden fields, such as the CSRF token …
//     <input type="hidden" name="response">
//     <button type="submit">…</button>
//     include('/partials/passkey-error')
//   </form>
//
// data-passkey        `get` asks for a passkey, `create` makes one. Submitting the form begins
//                     it; the answer goes into `response` as JSON and the form is posted.
// data-options-url    Asked by POST with the fields of the form, urlencoded; answers 200 with
//                     the options as JSON. Anything else shows the words of `data-failed`.
// data-conditional    Of a form with `get`: passkeys are also offered in the field of the page
//                     whose `autocomplete` ends in `webauthn`, such as `username webauthn`.
// data-passkey-error  Within the form: says what went wrong, `hidden` until then, by the words
//                     in data-cancelled, data-registered, data-unsupported and data-failed.
// data-passkey-only   Anywhere: `hidden` until it is known that this browser has passkeys.
// data-passkey-none   Anywhere: hidden once that is known; for those who cannot use them.
//
// Without JavaScript or WebAuthn nothing happens: what is `data-passkey-only` stays hidden.
(() => {
  const {
    browserSupportsWebAuthn,
    browserSupportsWebAuthnAutofill,
    startAuthentication,
    startRegistration,
  } = globalThis.SimpleWebAuthnBrowser;

  if (!browserSupportsWebAuthn()) return;

  // An offer in a field is renewed before its challenge has expired, as long as one can sit
  // in front of a page: the sign-in itself is over after an hour.
  const RENEWALS = 15;
  const RENEW_AFTER = 0.8;

  const CODES = {
    ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED: 'registered',
    ERROR_AUTHENTICATOR_MISSING_DISCOVERABLE_CREDENTIAL_SUPPORT: 'unsupported',
    ERROR_AUTHENTICATOR_MISSING_USER_VERIFICATION_SUPPORT: 'unsupported',
    ERROR_AUTHENTICATOR_NO_SUPPORTED_PUBKEYCREDPARAMS_ALG: 'unsupported',
  };

  function kindOf(error) {
    const name = error.cause?.name ?? error.name;
    if (error.code === 'ERROR_CEREMONY_ABORTED' || name === 'AbortError') return null;
    if (name === 'NotAllowedError') return 'cancelled';
    return CODES[error.code] ?? 'failed';
  }

  function say(form, kind) {
    const place = form.querySelector('[data-passkey-error]');
    if (!place) return;
    place.textContent = kind === null ? '' : (place.dataset[kind] ?? place.dataset.failed ?? '');
    place.hidden = kind === null;
  }

  async function askOptions(form) {
    const answer = await fetch(form.dataset.optionsUrl, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams(new FormData(form)),
      redirect: 'manual',
    });
    // The page is older than the sign-in that it needs: asked for again, it leads to one.
    if (answer.type === 'opaqueredirect') location.reload();
    if (!answer.ok) throw new Error(`options: ${answer.status}`);
    return answer.json();
  }

  function post(form, response) {
    form.elements.namedItem('response').value = JSON.stringify(response);
    HTMLFormElement.prototype.submit.call(form);
  }

  function setBusy(form, isBusy) {
    form.ariaBusy = String(isBusy);
    for (const button of form.querySelectorAll('button')) button.disabled = isBusy;
  }

  async function begin(form) {
    say(form, null);
    setBusy(form, true);
    try {
      const optionsJSON = await askOptions(form);
      const start = form.dataset.passkey === 'create' ? startRegistration : startAuthentication;
      post(form, await start({ optionsJSON }));
    } catch (error) {
      setBusy(form, false);
      say(form, kindOf(error));
      form.querySelector('button')?.focus();
      offer(form, RENEWALS);
    }
  }

  async function offer(form, times) {
    if (!form.hasAttribute('data-conditional') || times === 0) return;
    if (!(await browserSupportsWebAuthnAutofill())) return;
    let timer;
    try {
      const optionsJSON = await askOptions(form);
      // What the person has begun meanwhile must not be ended by an offer.
      if (form.ariaBusy === 'true') return;
      // The new offer ends the one before.
      timer = setTimeout(() => offer(form, times - 1), optionsJSON.timeout * RENEW_AFTER);
      post(form, await startAuthentication({ optionsJSON, useBrowserAutofill: true }));
    } catch {
      // Not reported: it was not the person who began it.
      clearTimeout(timer);
    }
  }

  for (const element of document.querySelectorAll('[data-passkey-only]')) element.hidden = false;
  for (const element of document.querySelectorAll('[data-passkey-none]')) element.hidden = true;
  for (const form of document.querySelectorAll('form[data-passkey]')) {
    // Back from where the form led to, by the browser's button.
    addEventListener('pageshow', () => setBusy(form, false));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (form.ariaBusy !== 'true') begin(form);
    });
    offer(form, RENEWALS);
  }
})();
