export { fromBase64url, toBase64url, toBase64urlUnpadded } from './base64url.ts'
export { concatBytes, equalBytes, toHex, toLatin1 } from './bytes.ts'
export { type Codec, decode, encode } from './codec.ts'
export { DecodeError } from './decode-error.ts'
export { MAX_PADDED_CONTENT, PAD_OVERHEAD, pad, unpad } from './padding.ts'
export { ByteReader } from './reader.ts'
export {
  boolText,
  bytesText,
  int64Text,
  listText,
  optionalText,
  type TextCodec,
  utcTimeText,
  word16Text,
  word32Text,
} from './text.ts'
export { ByteWriter, EncodeError } from './writer.ts'
