export { takeLock } from './lock-file.ts'
export {
  changeKey,
  isEncrypted,
  keyToOpen,
  PassphraseError,
  passphraseErrorOf,
  removeHalfMade,
  saltPath,
} from './passphrase.ts'
export { makePrivate } from './private-file.ts'
