export {
  type DecryptOutcome,
  type DecryptResult,
  decryptMessage,
  decryptOpened,
  MAX_SKIPPED,
  type OpenedMessage,
  openMessage,
} from './decrypt.ts'
export {
  checkBodyFits,
  type EncryptOptions,
  encryptBody,
  encryptHeader,
  type MessageEncryptKey,
  messageEncryptKeyCodec,
  messageKeyCodec,
} from './encrypt.ts'
export {
  type EncryptedHeader,
  type EncryptedMessage,
  encryptedHeaderCodec,
  encryptedMessageCodec,
  type HeaderContext,
  type MessageHeader,
  messageHeaderCodec,
  paddedHeaderLength,
} from './header.ts'
export { initRcvRatchet, initSndRatchet, type RcvRatchetStart, type SndRatchetStart } from './init.ts'
export {
  E2E_VERSIONS,
  type E2eParams,
  type E2eParamsUri,
  e2eParamsCodec,
  e2eParamsOfVersion,
  e2eParamsUriCodec,
  e2eParamsUriOf,
  KEM_E2E_VERSION,
  type KemParams,
  kemParamsCodec,
  type PrivateKemParams,
  privateKemParamsCodec,
} from './params.ts'
export { type RatchetRandom, ratchetRandom } from './random.ts'
export { RatchetError, type RatchetErrorCode, type RatchetErrorReason } from './ratchet-error.ts'
export { parseRatchet, type RatchetJson, ratchetFromJson, ratchetToJson, serializeRatchet } from './ratchet-json.ts'
export {
  type MessageKey,
  NO_SKIPPED_KEYS_DIFF,
  type SkippedKey,
  SkippedKeyMap,
  type SkippedKeys,
  type SkippedKeysDiff,
} from './skipped-keys.ts'
export type { KemAccepted, Ratchet, RatchetKem, RatchetVersions, ReceivingChain, SendingChain } from './state.ts'
export {
  e2eParamsNeedKemKeyPair,
  e2eParamsOfKeys,
  type GeneratedE2eParams,
  type GenerateOptions,
  generateRcvE2eParams,
  generateSndE2eParams,
  type X3dhKeys,
  type X3dhResult,
  x3dhRcv,
  x3dhSnd,
} from './x3dh.ts'
