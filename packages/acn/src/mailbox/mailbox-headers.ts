/**
 * Headers of HTTP by which Parley ends know each other at a mailbox; all others ignore them. What they mean is what the
 * extension of frames means.
 */
export const HEADER = {
  /** Of the mailbox's own API: the session of every request but the first. */
  session: 'session-id',
  /** `1` in a client's `/register` and in the answer. */
  parley: 'parley-version',
  /**
   * `offered` in a `/register` of a client that can sign. In the answer: 64 hexadecimal digits to be signed; the client
   * repeats the request with them and the signature.
   */
  challenge: 'parley-challenge',
  /** Signature in the ledger's own text form. */
  challengeAnswer: 'parley-challenge-answer',
  /** Of `/send_envelope`: the envelope's id. Of an answer to `/get_envelope`: the item's. */
  id: 'parley-id',
  /** In the answer to `/send_envelope`: the status code. */
  status: 'parley-status',
  /** In `/get_envelope` and `/unregister`: id of the item that the client got, a space, and its status code. */
  ack: 'parley-ack',
  /** In `/get_envelope`: seconds for which the client waits for an item. */
  wait: 'parley-wait',
  /** `report` in the answer to `/get_envelope` when the body is one. */
  kind: 'parley-kind',
  /** `1` in the answer to `/get_envelope` when the envelope came by the node's carrier. */
  carried: 'parley-carried',
} as const

/** Paths of the mailbox's API: `spec/acn.md §8`. */
export const PATH = {
  signature: '/ssl_signature',
  register: '/register',
  send: '/send_envelope',
  get: '/get_envelope',
  unregister: '/unregister',
} as const

/** Longest time for which a client may wait at `/get_envelope`, seconds. */
export const MAX_WAIT = 30
