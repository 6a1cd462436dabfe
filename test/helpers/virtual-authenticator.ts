import type { CDPSession, Page } from 'playwright-core';

/** A credential as the browser's virtual authenticator has it. */
export interface VirtualCredential {
  credentialId: string;
  isResidentCredential: boolean;
  rpId?: string;
  privateKey: string;
  userHandle?: string;
  signCount: number;
}

/** An authenticator that the browser pretends to have, driven by the DevTools protocol. */
export interface VirtualAuthenticator {
  credentials(): Promise<VirtualCredential[]>;
  /** Puts a credential of another authenticator in: a clone. */
  add(credential: VirtualCredential): Promise<void>;
  /** Whether the next person in front of it is the one it knows. */
  setVerified(isVerified: boolean): Promise<void>;
  remove(): Promise<void>;
}

const sessions = new WeakMap<Page, CDPSession>();

async function sessionOf(page: Page): Promise<CDPSession> {
  const known = sessions.get(page);
  if (known) return known;
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable', { enableUI: false });
  sessions.set(page, session);
  return session;
}

/** A platform authenticator with a fingerprint reader; somebody is always there by default. */
export async function addAuthenticator(
  page: Page,
  options: { isSynced?: boolean } = {},
): Promise<VirtualAuthenticator> {
  const session = await sessionOf(page);
  const { isSynced = false } = options;
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      defaultBackupEligibility: isSynced,
      defaultBackupState: isSynced,
    },
  });
  return {
    async credentials() {
      const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId });
      return credentials;
    },
    async add(credential) {
      await session.send('WebAuthn.addCredential', { authenticatorId, credential });
    },
    async setVerified(isUserVerified) {
      await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
    },
    async remove() {
      await session.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
    },
  };
}
