import type { Secret } from '../kernel/crypto.ts';
import { DeliveryError } from './post.ts';
import type { Sms, SmsExchange } from './sms.ts';

/** VNPAY's SMS gateway for brand names, by HTTP with JSON. */
export interface VnpaySmsProvider {
  kind: 'vnpay';
  url: string;
  /** The brand name that was registered, which people see as the sender. */
  sender: string;
  keyword: string;
  partnerCode: string;
  secretKey: Secret;
  /** The gateway's number of the kind of message; 0 unless the contract names another. */
  type: number;
  /** Whether to send without marks on letters: what the gateway takes unless it was agreed otherwise. */
  isPlain: boolean;
}

const TAKEN = '00';

/**
 * Statuses that another try may change: the way to the operator is gone (05), a
 * timeout (08). Wrong numbers, lengths, kinds and credentials stay wrong.
 */
const PASSING = new Set(['05', '08']);
const FINAL = new Set(['01', '02', '03', '04', '06', '07', '11', '12', '80']);

/** Vietnamese numbers as they are dialled at home, others as digits. */
const destination = (to: string): string =>
  to.startsWith('+84') ? `0${to.slice(3)}` : to.slice(1);

function statusOf(body: string): string | undefined {
  try {
    const { status } = JSON.parse(body) as { status?: unknown };
    return typeof status === 'string' && /^-?\w{1,10}$/.test(status) ? status : undefined;
  } catch {
    return undefined;
  }
}

/** @param now milliseconds since the epoch */
export function vnpaySms(provider: VnpaySmsProvider, sms: Sms, now: number): SmsExchange {
  const { url, sender, keyword, partnerCode, secretKey, type } = provider;
  return {
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      messageId: sms.id,
      destination: destination(sms.to),
      sender,
      keyword,
      shortMessage: sms.text,
      encryptMessage: '',
      isEncrypt: 0,
      type,
      requestTime: Math.floor(now / 1_000),
      partnerCode,
      // Spelt as the gateway does.
      sercretKey: secretKey.reveal(),
    }),
    judge(httpStatus, body) {
      const status = statusOf(body);
      if (status === TAKEN && httpStatus < 300) return;
      const isFinal =
        status === undefined
          ? httpStatus >= 400 && httpStatus < 500 && httpStatus !== 429
          : FINAL.has(status) && !PASSING.has(status);
      throw new DeliveryError(`VNPAY answered ${httpStatus}, status ${status ?? 'unknown'}`, {
        isFinal,
        facts: { httpStatus, status },
      });
    },
  };
}
