import type { Codec } from './encoding/index.ts'
import { DecodeError } from './encoding/index.ts'

/** Versions from `min` to `max`, both supported; `min <= max`. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** Makes a range; throws RangeError when `min > max`. */
export function versionRange(min: number, max: number): VersionRange {
  if (min > max) throw new RangeError(`version range ${min}-${max}`)
  return { min, max }
}

/** The versions that both support, or undefined when there are none. */
export function intersectVersions(a: VersionRange, b: VersionRange): VersionRange | undefined {
  const min = Math.max(a.min, b.min)
  const max = Math.min(a.max, b.max)
  return min <= max ? { min, max } : undefined
}

/** The highest version that both support, or undefined: what is agreed in every handshake of the family. */
export function agreeVersion(a: VersionRange, b: VersionRange): number | undefined {
  return intersectVersions(a, b)?.max
}

/** True when `version` lies in the range. */
export function isCompatible(version: number, range: VersionRange): boolean {
  return version >= range.min && version <= range.max
}

/** Two Word16, smallest first: `spec/smp.md §1`. */
export const versionRangeCodec: Codec<VersionRange> = {
  encode(writer, { min, max }) {
    writer.word16(min).word16(max)
  },
  decode(reader) {
    const at = reader.offset
    const min = reader.word16()
    const max = reader.word16()
    if (min > max) reader.fail('version range with min above max', at)
    return { min, max }
  },
}

/** `a-b`, or `a` when both are equal: `spec/smp.md §1`. */
export function versionRangeToText({ min, max }: VersionRange): string {
  return min === max ? `${min}` : `${min}-${max}`
}

/**
 * Reads `a`, `a-b` or `a-a`.
 * @param offset position of the text in a larger input, for the error
 * @throws DecodeError
 */
export function versionRangeFromText(text: string, offset = 0): VersionRange {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  if (!match) throw new DecodeError('not a version range', offset)
  const min = Number(match[1])
  const max = match[2] === undefined ? min : Number(match[2])
  if (min > max || max > 0xffff) throw new DecodeError('version range out of order', offset)
  return { min, max }
}
