export { type ConnectionLink, formatConnectionLink, parseConnectionLink } from './connection-link.ts'
export {
  type ConnectionRequest,
  type ConnectionRequestData,
  type ContactRequest,
  connectionRequestCodec,
  type InvitationRequest,
  isInvitationParams,
  sameContactAddress,
} from './connection-request.ts'
export { formatConnectionRequest, parseConnectionRequest } from './connection-request-text.ts'
export { formatE2eParamsUri, parseE2eParamsUri } from './e2e-params-text.ts'
export {
  authorizeOwner,
  checkCanSign,
  checkOwners,
  decryptLinkData,
  encryptFixedLinkData,
  encryptLinkUserData,
  type LinkData,
  PADDED_FIXED_DATA_LENGTH,
  PADDED_USER_DATA_LENGTH,
  signFixedLinkData,
  signLinkUserData,
} from './link-crypto.ts'
export {
  type ContactUserData,
  type FixedLinkData,
  fixedLinkDataCodec,
  type InvitationUserData,
  type LinkUserData,
  linkUserDataCodec,
  type OwnerAuth,
  ownerAuthCodec,
} from './link-data.ts'
export { contactLinkKeys, invitationLinkKey, linkKeyOf, senderIdOf } from './link-keys.ts'
export {
  type LinkContent,
  type LinkNonces,
  linkDataKeys,
  linkQueueRequest,
  type PreparedLink,
  prepareLink,
  resolveLinkData,
  shortLinkOf,
  updateLinkUserData,
} from './link-prepare.ts'
export {
  CLIENT_GATES,
  type QueueAddress,
  type QueueRef,
  queueRefCodec,
  SMP_CLIENT_VERSIONS,
  type SmpQueueInfo,
  type SmpQueueUri,
  sameQueue,
  sameServerAddress,
  smpQueueInfoCodec,
  smpQueueInfoOf,
  smpQueueUriCodec,
  smpQueueUriOf,
  withOnionAlias,
} from './queue-address.ts'
export { formatQueueUri, parseQueueUri } from './queue-uri-text.ts'
export {
  type ContactLinkType,
  type ContactShortLink,
  type InvitationShortLink,
  isHostOnly,
  restoreShortLink,
  type ShortLink,
  type ShortLinkScheme,
  sameContactLink,
  shortenShortLink,
  shortLinkCodec,
} from './short-link.ts'
export { formatShortLink, parseShortLink } from './short-link-text.ts'
export { formatSimplexName, parseSimplexName, type SimplexName, type SimplexNameType } from './simplex-name.ts'
