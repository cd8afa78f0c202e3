import { bech32Ledger } from './bech32-ledger.ts'

/** Cosmos Hub: addresses `cosmos1…`. */
export const cosmos = bech32Ledger('cosmos', 'cosmos')
