/** The largest frame body that a peer, a delegate or a pipe takes, in bytes: `spec/acn.md §3`. */
export const MAX_FRAME_LENGTH = 3 * 1024 * 1024

/** Bytes of the length before a frame's body. */
export const FRAME_HEADER_LENGTH = 4

/**
 * The largest frame, header included, that a delegate of a Go node may send: that node reads each body with one read
 * from TLS, so a frame must fit into one record and be written at once. `spec/acn.md §13`.
 */
export const SAFE_DELEGATE_FRAME = 16_380

/** The largest frame, header included, that a Go node reads whole from its agent's pipe: `spec/acn.md §13`. */
export const SAFE_PIPE_FRAME = 64 * 1024

/**
 * The largest body of the first frame of a delegate, which says who it is: far above any record (about 400 bytes),
 * so that those who have not proven anything cannot make the node hold megabytes.
 */
export const MAX_REGISTER_LENGTH = 16 * 1024

/** Lengths, in characters, of the fields of a record beyond which it is refused before anything is computed. */
export const MAX_RECORD_FIELD = 256
