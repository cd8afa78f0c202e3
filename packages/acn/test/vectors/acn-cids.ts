import assert from 'node:assert/strict'
import { agentCid, agentMultihash } from '@parley/acn/protocol'
import {
  each,
  expectKeys,
  hex,
  type JsonObject,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'

function checkCid(entry: JsonObject): void {
  expectKeys(entry, 'address', 'cidV0', 'multihashHex')
  const address = text(entry, 'address')
  assert.equal(agentCid(address), text(entry, 'cidV0'))
  sameBytes(agentMultihash(address), hex(entry, 'multihashHex'))
}

/** The keys of agents in the DHT. */
export const coverage: VectorFile[] = [
  { file: 'acn-cids.json', cases: (data) => sectionCases(data, { cids: each(checkCid) }) },
]
