import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { chooseHost, NetworkError, usesSocks } from '@parley/core/transport'

const ONION = 'beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion'
const BOTH = ['smp8.example.org', ONION] as const

suite('host choice', () => {
  const cases = [
    { hosts: BOTH, viaSocks: false, hostMode: undefined, chosen: 'smp8.example.org' },
    { hosts: BOTH, viaSocks: true, hostMode: undefined, chosen: ONION },
    { hosts: BOTH, viaSocks: false, hostMode: 'onion', chosen: ONION },
    { hosts: BOTH, viaSocks: true, hostMode: 'public', chosen: 'smp8.example.org' },
    { hosts: ['a.org', 'b.org'], viaSocks: true, hostMode: 'onion', chosen: 'a.org' },
    { hosts: [ONION], viaSocks: false, hostMode: 'public', chosen: ONION },
  ] as const
  for (const { hosts, viaSocks, hostMode, chosen } of cases) {
    test(`${hostMode ?? 'default mode'}, ${viaSocks ? 'with' : 'without'} proxy, of ${hosts.join()}`, () => {
      assert.equal(chooseHost(hosts, { viaSocks, hostMode }), chosen)
    })
  }

  test('a required kind of host that is missing is an error', () => {
    const isHostError = (error: unknown) => error instanceof NetworkError && error.code === 'HOST'
    assert.throws(() => chooseHost(['a.org'], { viaSocks: true, requiredHostMode: true }), isHostError)
    assert.throws(() => chooseHost([ONION], { viaSocks: false, requiredHostMode: true }), isHostError)
    assert.equal(chooseHost(BOTH, { viaSocks: true, requiredHostMode: true }), ONION)
  })

  test('the proxy is used for every host, or for onion hosts only', () => {
    assert.equal(usesSocks('a.org'), true)
    assert.equal(usesSocks('a.org', 'onion'), false)
    assert.equal(usesSocks(ONION, 'onion'), true)
  })
})
