import { bech32Ledger } from './bech32-ledger.ts'

/** Fetch.ai: addresses `fetch1…`. */
export const fetchai = bech32Ledger('fetchai', 'fetch')
