import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { Fault } from '../../core/fault.js';
import { readSecretFile } from '../secret-file.js';
import type { KeyProvider } from '../tenant.js';
import { checkKeyName, keyExists, missingKey, notWrappedHere } from './key-name.js';
import { CK, CKR, type Pkcs11, type Pkcs11Library } from './pkcs11-library.js';

export interface Pkcs11Settings {
  /** The vendor's library, such as `/usr/lib/softhsm/libsofthsm2.so`. */
  readonly module: string;
  /** Label of the token. */
  readonly token: string;
  /** File with the user's PIN, mode 0600. */
  readonly pinFile: string;
  /** Where the package `pkcs11js` is, when it is not installed beside Cenote. */
  readonly driver?: string;
}

/** First byte of what `wrap` returns; then the nonce, then ciphertext and tag. */
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** A library may be initialised once in a process. */
const loaded = new Map<string, Pkcs11>();

/**
 * Customer keys in a hardware security module behind PKCS#11: AES-256 keys that never leave it, found by their label
 * `cenote-<name>`. The calls are synchronous, as PKCS#11 is; they happen when a tenant is opened, not per request.
 * Its driver `pkcs11js` is native code and is loaded only when this provider is chosen; it is no dependency of ours.
 */
export function openPkcs11(settings: Pkcs11Settings): KeyProvider {
  const hsm = load(settings);
  const place = `the token ${settings.token}`;
  let session: Buffer | undefined;

  function connect(): Buffer {
    const slot = hsm.C_GetSlotList(true).find((s) => hsm.C_GetTokenInfo(s).label.trim() === settings.token);
    if (!slot) throw unavailable(`There is no token labelled ${settings.token}.`);
    const opened = hsm.C_OpenSession(slot, CK.RW_SESSION | CK.SERIAL_SESSION);
    try {
      hsm.C_Login(opened, CK.USER, readSecretFile(settings.pinFile).toString('utf8').trim());
    } catch (error) {
      if (codeOf(error) !== CKR.USER_ALREADY_LOGGED_IN) {
        hsm.C_CloseSession(opened);
        throw error;
      }
    }
    return opened;
  }

  /** Runs `work` in a session, once more in a new one where the old one was lost. */
  function inSession<T>(work: (session: Buffer) => T): T {
    for (let attempt = 0; ; attempt++) {
      try {
        session ??= connect();
        return work(session);
      } catch (error) {
        if (error instanceof Fault) throw error;
        const code = codeOf(error);
        if (attempt === 0 && LOST.has(code)) {
          session = undefined;
          continue;
        }
        throw unavailable(WHY.get(code) ?? 'The hardware security module refuses.', error);
      }
    }
  }

  function find(opened: Buffer, ref: string): Buffer[] {
    hsm.C_FindObjectsInit(opened, [
      { type: CK.CLASS, value: CK.SECRET_KEY },
      { type: CK.LABEL, value: labelOf(ref) },
    ]);
    try {
      return hsm.C_FindObjects(opened, 4);
    } finally {
      hsm.C_FindObjectsFinal(opened);
    }
  }

  function keyOf(opened: Buffer, ref: string): Buffer {
    const [key] = find(opened, ref);
    if (!key) throw missingKey(ref, place);
    return key;
  }

  const gcm = (nonce: Buffer, aad: Buffer) => ({
    mechanism: CK.AES_GCM,
    parameter: { type: CK.PARAMS_AES_GCM, iv: nonce, ivBits: NONCE_BYTES * 8, aad, tagBits: TAG_BYTES * 8 },
  });

  function encrypt(opened: Buffer, key: Buffer, plain: Uint8Array, nonce: Buffer, aad: Buffer): Buffer {
    hsm.C_EncryptInit(opened, gcm(nonce, aad), key);
    return hsm.C_Encrypt(opened, Buffer.from(plain), Buffer.alloc(plain.length + TAG_BYTES));
  }

  function decrypt(opened: Buffer, key: Buffer, sealed: Buffer, nonce: Buffer, aad: Buffer): Buffer {
    hsm.C_DecryptInit(opened, gcm(nonce, aad), key);
    return hsm.C_Decrypt(opened, sealed, Buffer.alloc(sealed.length));
  }

  return {
    kind: 'pkcs11',

    async hasKey(ref) {
      checkKeyName(ref);
      return inSession((opened) => find(opened, ref).length > 0);
    },

    async createKey(ref) {
      checkKeyName(ref);
      inSession((opened) => {
        if (find(opened, ref).length > 0) throw keyExists(ref);
        const made = hsm.C_GenerateKey(opened, { mechanism: CK.AES_KEY_GEN }, [
          { type: CK.CLASS, value: CK.SECRET_KEY },
          { type: CK.KEY_TYPE, value: CK.AES },
          { type: CK.VALUE_LEN, value: KEY_BYTES },
          { type: CK.TOKEN, value: true },
          { type: CK.PRIVATE, value: true },
          { type: CK.SENSITIVE, value: true },
          { type: CK.EXTRACTABLE, value: false },
          { type: CK.ENCRYPT, value: true },
          { type: CK.DECRYPT, value: true },
          { type: CK.LABEL, value: labelOf(ref) },
          { type: CK.ID, value: randomBytes(16) },
        ]);
        // PKCS#11 has no unique labels: where another process made one at this moment, ours wraps nothing yet and goes.
        if (find(opened, ref).length > 1) {
          hsm.C_DestroyObject(opened, made);
          throw keyExists(ref);
        }
      });
    },

    async wrap(ref, plain, context) {
      checkKeyName(ref);
      return inSession((opened) => {
        const nonce = randomBytes(NONCE_BYTES);
        const sealed = encrypt(opened, keyOf(opened, ref), plain, nonce, associated(ref, context));
        return Buffer.concat([Buffer.of(FORMAT), nonce, sealed]);
      });
    },

    async unwrap(ref, wrapped, context) {
      checkKeyName(ref);
      const bytes = Buffer.from(wrapped);
      return inSession((opened) => {
        const key = keyOf(opened, ref);
        if (bytes[0] !== FORMAT || bytes.length < 1 + NONCE_BYTES + TAG_BYTES) throw notWrappedHere();
        const aad = associated(ref, context);
        try {
          return decrypt(
            opened,
            key,
            bytes.subarray(1 + NONCE_BYTES),
            bytes.subarray(1, 1 + NONCE_BYTES),
            aad,
          );
        } catch (error) {
          if (!NOT_THEIRS.has(codeOf(error))) throw error;
          // Modules answer a wrong tag with a general error, as they answer their own troubles: a piece of our own
          // that opens tells the one from the other.
          const nonce = randomBytes(NONCE_BYTES);
          const probe = randomBytes(KEY_BYTES);
          if (decrypt(opened, key, encrypt(opened, key, probe, nonce, aad), nonce, aad).equals(probe))
            throw notWrappedHere();
          throw error;
        }
      });
    },

    async destroyKey(ref) {
      checkKeyName(ref);
      inSession((opened) => hsm.C_DestroyObject(opened, keyOf(opened, ref)));
    },
  };
}

function load(settings: Pkcs11Settings): Pkcs11 {
  const known = loaded.get(settings.module);
  if (known) return known;
  let library: Pkcs11Library;
  try {
    library = createRequire(import.meta.url)(settings.driver ?? 'pkcs11js') as Pkcs11Library;
  } catch (cause) {
    throw new Fault('unavailable', 'The driver for PKCS#11 is not installed.', {
      remedy: 'Run: npm install pkcs11js@2 (it compiles native code), or choose another CENOTE_KEY_PROVIDER.',
      cause,
    });
  }
  const hsm = new library.PKCS11();
  try {
    hsm.load(settings.module);
    hsm.C_Initialize();
  } catch (error) {
    if (codeOf(error) !== CKR.CRYPTOKI_ALREADY_INITIALIZED)
      throw unavailable('The PKCS#11 library cannot be loaded.', error);
  }
  loaded.set(settings.module, hsm);
  return hsm;
}

const labelOf = (ref: string): string => `cenote-${ref}`;

function associated(ref: string, context: string): Buffer {
  return Buffer.from(`cenote pkcs11 1|${ref.length}:${ref}|${context}`, 'utf8');
}

/** The return value a call failed with (PKCS#11 2.40, section 5.1). */
function codeOf(error: unknown): number {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code : -1;
}

const LOST: ReadonlySet<number> = new Set([
  CKR.SESSION_HANDLE_INVALID,
  CKR.SESSION_CLOSED,
  CKR.DEVICE_REMOVED,
  CKR.DEVICE_ERROR,
  CKR.TOKEN_NOT_PRESENT,
  CKR.USER_NOT_LOGGED_IN,
  CKR.KEY_HANDLE_INVALID,
  CKR.OBJECT_HANDLE_INVALID,
]);
const NOT_THEIRS: ReadonlySet<number> = new Set([
  CKR.GENERAL_ERROR,
  CKR.FUNCTION_FAILED,
  CKR.ENCRYPTED_DATA_INVALID,
  CKR.ENCRYPTED_DATA_LEN_RANGE,
  CKR.AEAD_DECRYPT_FAILED,
]);
const WHY: ReadonlyMap<number, string> = new Map([
  [CKR.PIN_INCORRECT, 'The hardware security module does not accept the PIN.'],
  [CKR.PIN_LOCKED, 'The PIN of the token is locked.'],
  [CKR.TOKEN_NOT_PRESENT, 'The token is not present.'],
  [CKR.DEVICE_REMOVED, 'The token was removed.'],
]);

function unavailable(message: string, cause?: unknown): Fault {
  return new Fault('unavailable', message, {
    remedy: 'Check CENOTE_PKCS11_MODULE, CENOTE_PKCS11_TOKEN and CENOTE_PKCS11_PIN_FILE.',
    log: cause instanceof Error ? cause.message : undefined,
    cause,
  });
}
