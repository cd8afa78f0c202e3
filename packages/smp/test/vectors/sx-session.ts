import assert from 'node:assert/strict'
import { DecodeError } from '@parley/core/encoding'
import { formatSmpServer, parseSmpServer, type SessionContext } from '@parley/smp/protocol'
import {
  failing,
  isObject,
  type JsonObject,
  object,
  type SectionCheck,
  sectionCases,
  text,
  type VectorCase,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'
import { CutValues } from './cut-values.ts'
import { type BlockPlace, checkBlock, followConnections } from './session-blocks.ts'
import {
  checkBox,
  checkForwarded,
  checkForwardedResponse,
  checkProxied,
  checkProxiedResponse,
  proxiedSession,
} from './session-boxes.ts'
import { SessionKeys } from './session-keys.ts'

/** Entries of the layers above this package: the double ratchet. */
const OTHER_LAYERS = new Set(['ratchetEncrypt', 'ratchetDecrypt', 'ratchetDecrypted'])

/** What the entries of a file tell of each other. */
class Session {
  readonly values: CutValues
  readonly keys = new SessionKeys()
  readonly #places = new Map<JsonObject, BlockPlace>()
  /** Relay sessions by the secret that a command and its answer share. */
  readonly #relays = new Map<unknown, SessionContext>()

  constructor(file: JsonObject, parties: readonly string[]) {
    this.values = new CutValues(file)
    for (const party of parties) {
      const section = file[party]
      if (!Array.isArray(section)) continue
      const entries = section.filter(isObject)
      for (const [entry, place] of followConnections(entries)) this.#places.set(entry, place)
      for (const entry of entries) this.#learn(entry)
    }
  }

  place(entry: JsonObject): BlockPlace | undefined {
    return this.#places.get(entry)
  }

  relay(entry: JsonObject): SessionContext | undefined {
    return this.#relays.get(entry.secret)
  }

  /** Entries that cannot be read are reported by their own checks. */
  #learn(entry: JsonObject): void {
    try {
      if (entry.kind === 'proxyClientRequest') {
        const session = proxiedSession(entry)
        this.#relays.set(entry.secret, session)
        const content = this.values.find(entry, 'plain')
        if (content) this.keys.learnCommands(content, session)
      }
      const place = this.place(entry)
      const content = place && 'session' in place ? this.values.find(entry, 'data') : undefined
      if (!content || !place || !('session' in place)) return
      if (place.type === 'commands') this.keys.learnCommands(content, place.session)
      else this.keys.learnMessages(content, place.session)
    } catch (error) {
      if (!(error instanceof DecodeError) && !(error instanceof assert.AssertionError)) throw error
    }
  }
}

/** What one program saw: its blocks, and what it sealed and opened. */
function* partyCases(section: unknown, name: string, session: Session): Iterable<VectorCase> {
  if (!Array.isArray(section)) {
    yield failing(name, 'not a list')
    return
  }
  const { values, keys } = session
  for (const [i, item] of section.entries()) {
    const entry = object(item)
    const kind = text(entry, 'kind')
    const at = `${name}[${i}] ${kind}`
    const checks: Readonly<Record<string, () => void>> = {
      block: () => checkBlock(entry, values, keys, session.place(entry)),
      cbEncrypt: () => checkBox(entry, values),
      cbDecrypt: () => checkBox(entry, values),
      proxyClientRequest: () => checkProxied(entry, values, keys),
      proxyClientResponse: () => checkProxiedResponse(entry, values, session.relay(entry)),
      proxyForward: () => checkForwarded(entry, values),
      proxyForwardResponse: () => checkForwardedResponse(entry, values),
    }
    const run = Object.hasOwn(checks, kind) ? checks[kind] : undefined
    if (run) yield { name: at, run }
    else if (OTHER_LAYERS.has(kind)) yield { ...failing(at, 'no check understands this entry'), unknownSection: kind }
    else yield failing(at, 'no check understands this kind of entry')
  }
}

function checkServer(address: string): void {
  const { server, password } = parseSmpServer(address)
  assert.equal(formatSmpServer(server, password), address)
  assert.equal(server.keyHash.length, 32)
}

const servers: SectionCheck = function* (section, name) {
  const addresses = Array.isArray(section) ? section : [section]
  for (const address of addresses) yield { name, run: () => checkServer(String(address)) }
}

/** Sections that list what agents reported; they belong to the layer above this package. */
function isEvents(section: unknown): boolean {
  return Array.isArray(section) && section.every((item) => isObject(item) && !('kind' in item) && 'what' in item)
}

function cases(data: unknown): Iterable<VectorCase> {
  const file = object(data)
  const parties = Object.keys(file).filter(
    (name) => !['meta', 'note', 'smpServer', 'servers'].includes(name) && !isEvents(file[name]),
  )
  const session = new Session(file, parties)
  const party: SectionCheck = (section, name) => partyCases(section, name, session)
  return sectionCases(file, {
    smpServer: servers,
    servers,
    ...Object.fromEntries(parties.map((name) => [name, party])),
  })
}

/** Real sessions of agents and routers, through one router and through two as proxies of each other. */
export const coverage: VectorFile[] = [
  { file: 'sx-session.json', cases },
  { file: 'sx-proxy-session.json', cases },
]
