import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  authorizeOwner,
  type ConnectionRequest,
  type ContactUserData,
  checkCanSign,
  checkOwners,
  contactLinkKeys,
  decryptLinkData,
  encryptFixedLinkData,
  encryptLinkUserData,
  fixedLinkDataCodec,
  type InvitationUserData,
  invitationLinkKey,
  type LinkUserData,
  linkDataKeys,
  linkQueueRequest,
  linkUserDataCodec,
  type OwnerAuth,
  ownerAuthCodec,
  prepareLink,
  resolveLinkData,
  senderIdOf,
  shortLinkOf,
  signFixedLinkData,
  signLinkUserData,
  updateLinkUserData,
} from '@parley/agent/links'
import { PrivateKey, sealBoxNoPad } from '@parley/core/crypto'
import { ByteWriter, concatBytes, decode, encode, toHex } from '@parley/core/encoding'
import fc from 'fast-check'
import { AgentError } from '../../src/agent-error.ts'
import * as any from './arbitraries.ts'
import { mutatedBytes, sameValue } from './codec-checks.ts'

const rootKey = PrivateKey.generate('ed25519')
const nonces = () => ({ fixed: randomBytes(24), user: randomBytes(24) })
const agentVersions = { min: 2, max: 7 }
const filled = (byte: number, length: number) => new Uint8Array(length).fill(byte)

const [contactRequest] = fc.sample(
  any.connectionRequest.filter(({ mode }) => mode === 'contact'),
  1,
)
const [invitationRequest] = fc.sample(any.invitationRequest, 1)

function requestOf(mode: LinkUserData['mode']): ConnectionRequest {
  const request = mode === 'contact' ? contactRequest : invitationRequest
  assert.ok(request)
  return request
}

const contactData: ContactUserData = {
  mode: 'contact',
  agentVersions,
  direct: true,
  owners: [],
  relays: [],
  userData: Buffer.from('contact'),
}
const invitationData: InvitationUserData = { mode: 'invitation', agentVersions, userData: Buffer.from('invitation') }

function linkError(detail: string) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof AgentError)
    assert.deepEqual(error.errorType, { type: 'AGENT', error: { type: 'A_LINK', detail } })
    return true
  }
}

function peerError(type: string) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof AgentError && error.errorType.type === 'AGENT')
    const { error: inner } = error.errorType
    assert.equal(inner.type === 'A_CRYPTO' ? inner.error.type : inner.type, type)
    return true
  }
}

describe('keys of links have the values of agent.md §2.5', () => {
  it('contact', () => {
    const { linkId, key } = contactLinkKeys(filled(7, 32))
    assert.equal(toHex(linkId), '2ab3f1e026d6059715198605804e70343c3898a10a0d5e94')
    assert.equal(toHex(key), '5b055b42ec088623ef1211a5a9c4bcf85848fbdd947592029ea3865455150bc2')
  })

  it('invitation', () => {
    const key = '02fc3b17c934a268f7244175f72c35d51855b300478acd8f4fec0dd92332d549'
    assert.equal(toHex(invitationLinkKey(filled(7, 32))), key)
  })

  it('sender id', () => {
    assert.equal(toHex(senderIdOf(filled(8, 24))), '774fac43f5dc275dd805b77a48f4047aa371196148454880')
  })
})

for (const user of [contactData, invitationData]) {
  describe(`a link to ${user.mode === 'contact' ? 'a contact address' : 'an invitation'}`, () => {
    const prepared = prepareLink({ rootKey, request: requestOf(user.mode), user }, nonces())
    const { key } = linkDataKeys(prepared.linkKey, user.mode)
    const read = (data = prepared.data, linkKey = prepared.linkKey) => decryptLinkData(linkKey, key, data, user.mode)

    it('has data of fixed sizes that only its key opens', () => {
      assert.equal(prepared.data.fixed.length, 2048)
      assert.equal(prepared.data.user.length, 13824)
      const { fixed, user: readUser } = read()
      assert.deepEqual(
        encode(fixedLinkDataCodec, fixed),
        encode(fixedLinkDataCodec, { agentVersions, rootKey: rootKey.publicKey, request: requestOf(user.mode) }),
      )
      sameValue(readUser, user)
      assert.throws(
        () => decryptLinkData(prepared.linkKey, filled(1, 32), prepared.data, user.mode),
        peerError('DECRYPT_CB'),
      )
    })

    it('is refused when its hash is another', () => {
      assert.throws(() => read(prepared.data, filled(1, 32)), linkError('link data hash'))
    })

    it('is refused when it is of the other kind', () => {
      const other = user.mode === 'contact' ? 'invitation' : 'contact'
      assert.throws(() => decryptLinkData(prepared.linkKey, key, prepared.data, other), peerError('A_MESSAGE'))
    })

    it('is refused when the root key did not sign the fixed data', () => {
      const fixedData = { agentVersions, rootKey: rootKey.publicKey, request: requestOf(user.mode) }
      const { signed, linkKey } = signFixedLinkData(PrivateKey.generate('ed25519'), fixedData)
      const own = linkDataKeys(linkKey, user.mode).key
      const data = {
        fixed: encryptFixedLinkData(own, signed, randomBytes(24)),
        user: encryptLinkUserData(own, signLinkUserData(rootKey, user), randomBytes(24)),
      }
      assert.throws(() => decryptLinkData(linkKey, own, data, user.mode), linkError('link data signature'))
    })

    it('is refused when somebody else signed the user data', () => {
      const other = updateLinkUserData(prepared.linkKey, PrivateKey.generate('ed25519'), user, randomBytes(24))
      assert.throws(() => read({ ...prepared.data, user: other }), linkError('user data signature'))
    })

    it('can be given new user data', () => {
      const changed = { ...user, userData: Buffer.from('changed') }
      const updated = updateLinkUserData(prepared.linkKey, rootKey, changed, randomBytes(24))
      assert.equal(updated.length, 13824)
      sameValue(read({ ...prepared.data, user: updated }).user, changed)
    })

    it('is refused with an AgentError whatever is in its boxes', () => {
      const contents = mutatedBytes(fc.constant(signLinkUserData(rootKey, user)))
      fc.assert(
        fc.property(fc.oneof(contents, fc.uint8Array({ maxLength: 200 })), (content) => {
          const data = { ...prepared.data, user: encryptLinkUserData(key, content, randomBytes(24)) }
          assert.throws(() => read(data), AgentError)
          assert.throws(() => read({ ...prepared.data, fixed: content }), AgentError)
        }),
        { numRuns: 50 },
      )
      const nonce = randomBytes(24)
      const unpadded = concatBytes(nonce, sealBoxNoPad(key, nonce, filled(0xff, 10)))
      assert.throws(() => read({ ...prepared.data, user: unpadded }), peerError('A_MESSAGE'))
    })

    it('does not fit when the user data is too long', () => {
      const long = { ...user, userData: new Uint8Array(13784) }
      assert.throws(
        () => updateLinkUserData(prepared.linkKey, rootKey, long, randomBytes(24)),
        (error) => error instanceof AgentError && error.errorType.type === 'CMD' && error.errorType.error === 'LARGE',
      )
    })

    it('leads to its queue at the server of the link', () => {
      const data = read()
      const [queue] = data.fixed.request.queues
      const server = { hosts: [queue.server.hosts[0]] as const, port: '443', keyHash: filled(9, 32) }
      const resolved = resolveLinkData({ server }, queue.senderId, data)
      sameValue(resolved.fixed.request.queues[0], { ...queue, server })
      sameValue(resolved.fixed.request.queues.slice(1), data.fixed.request.queues.slice(1))
      const different = linkError('different address')
      assert.throws(() => resolveLinkData({ server }, filled(1, 24), data), different)
      assert.throws(() => resolveLinkData({ server: { ...server, hosts: ['other'] } }, queue.senderId, data), different)
    })

    it('is asked for with NEW and named as a short link', () => {
      const senderId = filled(3, 24)
      const request = linkQueueRequest(prepared, senderId)
      assert.equal(request.mode, user.mode === 'contact' ? 'contact' : 'messaging')
      assert.deepEqual(request.data?.link, prepared.data)
      const { server } = requestOf(user.mode).queues[0]
      const target =
        user.mode === 'contact' ? ({ mode: 'contact' } as const) : { mode: user.mode, linkId: filled(4, 24) }
      const link = shortLinkOf(prepared, server, target)
      assert.equal(link.mode, user.mode)
      assert.equal(link.linkKey, prepared.linkKey)
    })
  })
}

describe('owners of a contact address', () => {
  const [ownerKey1, ownerKey2, stranger] = [1, 2, 3].map(() => PrivateKey.generate('ed25519')) as [
    PrivateKey<'ed25519'>,
    PrivateKey<'ed25519'>,
    PrivateKey<'ed25519'>,
  ]
  const id = (text: string) => Buffer.from(text)
  const owner1 = authorizeOwner(rootKey, id('1'), ownerKey1.publicKey)
  const owner2 = authorizeOwner(ownerKey1, id('2'), ownerKey2.publicKey)
  const prepared = prepareLink({ rootKey, request: requestOf('contact'), user: contactData }, nonces())
  const { key } = linkDataKeys(prepared.linkKey, 'contact')

  function readWith(owners: readonly OwnerAuth[], signer: PrivateKey<'ed25519'>): LinkUserData {
    const user = updateLinkUserData(prepared.linkKey, signer, { ...contactData, owners }, randomBytes(24))
    return decryptLinkData(prepared.linkKey, key, { ...prepared.data, user }, 'contact').user
  }

  it('may sign its user data', () => {
    sameValue(readWith([owner1], ownerKey1), { ...contactData, owners: [owner1] })
    for (const signer of [rootKey, ownerKey1, ownerKey2]) readWith([owner1, owner2], signer)
    assert.throws(() => readWith([owner1, owner2], stranger), linkError('user data signature'))
  })

  it('must be authorised by the root key or by an owner before them', () => {
    const invalid = linkError('invalid authorization of owner')
    assert.throws(() => readWith([owner2], rootKey), invalid)
    assert.throws(() => readWith([owner2, owner1], rootKey), invalid)
    assert.throws(() => readWith([authorizeOwner(stranger, id('1'), ownerKey1.publicKey)], rootKey), invalid)
    assert.throws(() => readWith([{ ...owner1, ownerId: id('other') }], rootKey), invalid)
    assert.throws(() => checkOwners(stranger.publicKey, [owner1]), invalid)
  })

  it('must differ from each other and from the root key', () => {
    const duplicate = linkError('duplicate owner key or ID')
    assert.throws(() => readWith([owner1, owner1], rootKey), duplicate)
    assert.throws(() => readWith([owner1, authorizeOwner(rootKey, id('1'), ownerKey2.publicKey)], rootKey), duplicate)
    assert.throws(() => readWith([owner1, authorizeOwner(rootKey, id('2'), ownerKey1.publicKey)], rootKey), duplicate)
    const root = authorizeOwner(rootKey, id('0'), rootKey.publicKey)
    assert.throws(() => readWith([root], rootKey), linkError('owner key matches root key'))
  })

  it('must hold whoever publishes new data', () => {
    checkCanSign(rootKey.publicKey, rootKey.publicKey, contactData)
    checkCanSign(ownerKey2.publicKey, rootKey.publicKey, { owners: [owner1, owner2] })
    assert.throws(
      () => checkCanSign(stranger.publicKey, rootKey.publicKey, { owners: [owner1] }),
      linkError('no current owner in link data'),
    )
  })
})

describe('link data of later versions', () => {
  it('may be longer', () => {
    const more = (bytes: Uint8Array) => concatBytes(bytes, Buffer.from('later'))
    const fixed = {
      agentVersions,
      rootKey: rootKey.publicKey,
      request: requestOf('contact'),
      linkEntityId: filled(1, 3),
    }
    sameValue(
      encode(fixedLinkDataCodec, decode(fixedLinkDataCodec, more(encode(fixedLinkDataCodec, fixed)))),
      encode(fixedLinkDataCodec, fixed),
    )
    for (const user of [contactData, invitationData]) {
      sameValue(decode(linkUserDataCodec, more(encode(linkUserDataCodec, user))), user)
    }
    const owner = authorizeOwner(rootKey, filled(1, 4), rootKey.publicKey)
    const content = encode(ownerAuthCodec, owner).subarray(1)
    sameValue(decode(ownerAuthCodec, new ByteWriter().shortString(more(content)).finish()), owner)
  })
})
