import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  connectionRequestCodec,
  fixedLinkDataCodec,
  formatConnectionLink,
  formatConnectionRequest,
  formatE2eParamsUri,
  formatQueueUri,
  formatShortLink,
  linkUserDataCodec,
  parseConnectionLink,
  parseConnectionRequest,
  parseE2eParamsUri,
  parseQueueUri,
  parseShortLink,
  queueRefCodec,
  shortLinkCodec,
  smpQueueInfoCodec,
  smpQueueUriCodec,
} from '@parley/agent/links'
import { decode, encode } from '@parley/core/encoding'
import fc from 'fast-check'
import * as any from './arbitraries.ts'
import { checkCodec, checkText, sameValue } from './codec-checks.ts'

describe('binary forms', () => {
  it('queue info', () => checkCodec(smpQueueInfoCodec, any.queueInfo, undefined))
  it('queue uri', () => checkCodec(smpQueueUriCodec, any.queueUri, undefined))
  it('queue reference', () => checkCodec(queueRefCodec, any.queueRef, undefined))
  it('connection request', () => checkCodec(connectionRequestCodec, any.connectionRequest, undefined))
  it('short link', () => {
    const links = any.shortLink.map((link) => ({ ...link, scheme: 'https' as const }))
    checkCodec(shortLinkCodec, links, undefined)
  })
  it('user data', () => checkCodec(linkUserDataCodec, any.linkUserData, undefined))
  it('fixed data', () => {
    const values = fc
      .tuple(
        fc.record({
          agentVersions: any.versionRange,
          rootKey: any.publicKey('ed25519'),
          request: any.connectionRequest,
        }),
        fc.record({ linkEntityId: any.bytes(0, 40) }, { requiredKeys: [] }),
      )
      .map(([data, id]) => ({ ...data, ...id }))
    checkCodec(fixedLinkDataCodec, values, undefined)
  })

  it('of queues of every version are written again as they were', () => {
    fc.assert(
      fc.property(any.anyQueueInfo, any.anyQueueUri, (info, uri) => {
        const infoBytes = encode(smpQueueInfoCodec, info)
        assert.deepEqual(encode(smpQueueInfoCodec, decode(smpQueueInfoCodec, infoBytes)), infoBytes)
        const uriBytes = encode(smpQueueUriCodec, uri)
        assert.deepEqual(encode(smpQueueUriCodec, decode(smpQueueUriCodec, uriBytes)), uriBytes)
      }),
    )
  })
})

describe('text forms', () => {
  it('queue uri', () => checkText(any.queueUri, formatQueueUri, parseQueueUri))
  it('parameters', () => checkText(any.e2eParamsUri, formatE2eParamsUri, parseE2eParamsUri))
  it('connection request', () => checkText(any.connectionRequest, formatConnectionRequest, parseConnectionRequest))
  it('short link', () => checkText(any.shortLink, formatShortLink, parseShortLink))
  it('either link', () => {
    const links = fc.oneof(
      any.connectionRequest.map((request) => ({ type: 'full' as const, request })),
      any.shortLink.map((link) => ({ type: 'short' as const, link })),
    )
    checkText(links, formatConnectionLink, parseConnectionLink)
  })

  it('of queues of every range say the same when read and written again', () => {
    fc.assert(
      fc.property(any.anyQueueUri, (queue) => {
        fc.pre(queue.versions.max >= 2)
        sameValue(parseQueueUri(formatQueueUri(queue)), queue)
      }),
    )
  })
})
