import {
  createHash,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';

/**
 * An authenticator in software (WebAuthn Level 3, 6), beside a browser that believes
 * whatever a test wants: it makes the answers that no real one would.
 */

type Cbor = number | string | Buffer | ReadonlyMap<number | string, Cbor>;

/** The head of a CBOR item (RFC 8949 3). */
function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 0x100) return Buffer.from([(major << 5) | 24, value]);
  return Buffer.from([(major << 5) | 25, value >> 8, value & 0xff]);
}

export function cbor(item: Cbor): Buffer {
  if (typeof item === 'number') return item < 0 ? head(1, -1 - item) : head(0, item);
  if (typeof item === 'string') {
    return Buffer.concat([head(3, Buffer.byteLength(item)), Buffer.from(item)]);
  }
  if (Buffer.isBuffer(item)) return Buffer.concat([head(2, item.length), item]);
  const members = [...item].flatMap(([key, value]) => [cbor(key), cbor(value)]);
  return Buffer.concat([head(5, item.size), ...members]);
}

const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();
const fromBase64url = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url');

export type Algorithm = 'ES256' | 'EdDSA' | 'RS256';

interface Key {
  privateKey: KeyObject;
  cose: ReadonlyMap<number, Cbor>;
}

function toCose(algorithm: Algorithm, jwk: JsonWebKey): ReadonlyMap<number, Cbor> {
  const [x, y, n, e] = [jwk.x, jwk.y, jwk.n, jwk.e].map(fromBase64url) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  if (algorithm === 'ES256')
    return new Map<number, Cbor>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, x],
      [-3, y],
    ]);
  if (algorithm === 'EdDSA')
    return new Map<number, Cbor>([
      [1, 1],
      [3, -8],
      [-1, 6],
      [-2, x],
    ]);
  return new Map<number, Cbor>([
    [1, 3],
    [3, -257],
    [-1, n],
    [-2, e],
  ]);
}

function generateKey(algorithm: Algorithm, modulusLength = 2_048): Key {
  const { privateKey, publicKey } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : algorithm === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength });
  return { privateKey, cose: toCose(algorithm, publicKey.export({ format: 'jwk' })) };
}

/** What an answer says otherwise than it should. */
export interface Lies {
  origin?: string;
  rpId?: string;
  challenge?: string;
  type?: string;
  crossOrigin?: boolean;
  topOrigin?: string;
  isPresent?: boolean;
  isVerified?: boolean;
  isSyncedType?: boolean;
  isBackedUp?: boolean;
  counter?: number;
  /** Base64url; null leaves it out. */
  userHandle?: string | null;
  aaguid?: Buffer;
  cose?: ReadonlyMap<number, Cbor>;
  format?: string;
  statement?: ReadonlyMap<string, Cbor>;
  transports?: string[];
}

interface CreationOptions {
  challenge: string;
  rp: { id: string };
  user: { id: string };
}

interface RequestOptions {
  challenge: string;
  rpId: string;
}

export interface AuthenticatorSettings {
  origin: string;
  algorithm?: Algorithm;
  /** 0: it has none, as those of platforms. */
  counter?: number;
  isSyncedType?: boolean;
  isBackedUp?: boolean;
  credentialId?: Buffer;
  /** Of RSA keys, in bits. */
  modulusLength?: number;
}

/** One credential; `create` makes it known, `get` signs with it. */
export function createAuthenticator(settings: AuthenticatorSettings) {
  const { algorithm = 'ES256' } = settings;
  const key = generateKey(algorithm, settings.modulusLength);
  const credentialId = settings.credentialId ?? randomBytes(32);
  const id = credentialId.toString('base64url');
  let counter = settings.counter ?? 0;
  let handle: string | null = null;

  function clientData(type: string, challenge: string, lies: Lies): Buffer {
    const { crossOrigin = false, topOrigin } = lies;
    return Buffer.from(
      JSON.stringify({
        type: lies.type ?? type,
        challenge: lies.challenge ?? challenge,
        origin: lies.origin ?? settings.origin,
        crossOrigin,
        ...(topOrigin === undefined ? {} : { topOrigin }),
      }),
    );
  }

  function authenticatorData(rpId: string, lies: Lies, attested?: Buffer): Buffer {
    const isSynced = lies.isSyncedType ?? settings.isSyncedType ?? false;
    const isBackedUp = lies.isBackedUp ?? settings.isBackedUp ?? false;
    const flags =
      ((lies.isPresent ?? true) ? 0x01 : 0) |
      ((lies.isVerified ?? true) ? 0x04 : 0) |
      (isSynced ? 0x08 : 0) |
      (isBackedUp ? 0x10 : 0) |
      (attested ? 0x40 : 0);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(lies.counter ?? counter);
    return Buffer.concat([
      sha256(lies.rpId ?? rpId),
      Buffer.from([flags]),
      count,
      attested ?? Buffer.alloc(0),
    ]);
  }

  const step = (): void => {
    if (counter > 0) counter += 1;
  };

  const makeSignature = (data: Buffer): Buffer =>
    sign(algorithm === 'EdDSA' ? null : 'sha256', data, key.privateKey);

  return {
    id,
    credentialId,
    get handle() {
      return handle;
    },

    /** Answers the options of a registration. */
    create(options: CreationOptions, lies: Lies = {}) {
      handle = options.user.id;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(credentialId.length);
      const attested = Buffer.concat([
        lies.aaguid ?? Buffer.alloc(16),
        length,
        credentialId,
        cbor(lies.cose ?? key.cose),
      ]);
      const data = authenticatorData(options.rp.id, lies, attested);
      step();
      const attestation = new Map<string, Cbor>([
        ['fmt', lies.format ?? 'none'],
        ['attStmt', lies.statement ?? new Map()],
        ['authData', data],
      ]);
      return {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: { credProps: { rk: true } },
        authenticatorAttachment: 'platform',
        response: {
          clientDataJSON: clientData('webauthn.create', options.challenge, lies).toString(
            'base64url',
          ),
          attestationObject: cbor(attestation).toString('base64url'),
          transports: lies.transports ?? ['internal'],
        },
      };
    },

    /** Answers the options of a sign-in. */
    get(options: RequestOptions, lies: Lies = {}) {
      const client = clientData('webauthn.get', options.challenge, lies);
      const data = authenticatorData(options.rpId, lies);
      step();
      const userHandle = lies.userHandle === undefined ? handle : lies.userHandle;
      return {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: client.toString('base64url'),
          authenticatorData: data.toString('base64url'),
          signature: makeSignature(Buffer.concat([data, sha256(client)])).toString('base64url'),
          ...(userHandle === null ? {} : { userHandle }),
        },
      };
    },
  };
}

export type SoftwareAuthenticator = ReturnType<typeof createAuthenticator>;
