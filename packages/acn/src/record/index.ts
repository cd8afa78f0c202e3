export { type GoRecordStore, readGoRecordStore, writeGoRecordStore } from './go-record-store.ts'
export { LEDGERS, type Ledger, ledgerOf, readLedgerAddress } from './ledger.ts'
export { PeerKey, verifyPeerSignature } from './peer-key.ts'
export {
  isNewerRegistration,
  REGISTRATION_LIFETIME,
  REGISTRATION_SKEW,
  type RegistrationDates,
  type SignedRegistration,
  signRegistration,
  verifyRegistration,
} from './registration.ts'
export {
  createRecord,
  type Expectation,
  ProofCache,
  type RecordOptions,
  representationMessage,
  type VerifyOptions,
  verifyRepresentation,
} from './representation.ts'
export { SESSION_POINT_LENGTH, sessionPoint, signSessionPoint, verifySessionCertificate } from './session-key.ts'
export { isValidAt, startOfDay } from './validity.ts'
