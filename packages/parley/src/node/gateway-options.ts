import type { RequestPolicy } from '../channel/index.ts'
import type { PrivateSettings } from './private-settings.ts'

/** Who may open channels, as the configuration says it. */
export function requestPolicyOf({ policy, allow }: Pick<PrivateSettings, 'policy' | 'allow'>): RequestPolicy {
  const addresses = new Set(allow)
  switch (policy) {
    case 'everyone':
      return { mode: 'everyone' }
    case 'allow':
      return { mode: 'allow-list', addresses }
    case 'ask':
      return { mode: 'ask', addresses }
  }
}
