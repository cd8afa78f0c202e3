/** Why a look-up has no result, not even that there is no card. */
export type DirectoryErrorCode =
  /** Privacy is required, and no two Parley peers answered. */
  | 'NO_PRIVATE_WAY'
  /** There is a card, but what stands behind its link could not be read. */
  | 'LINK_UNREACHABLE'

/** A look-up that came to nothing. */
export class DirectoryError extends Error {
  readonly code: DirectoryErrorCode

  constructor(code: DirectoryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DirectoryError'
    this.code = code
  }
}
