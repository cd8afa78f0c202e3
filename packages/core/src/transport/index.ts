export { BlockCipher, type BlockSeal, MAX_ENCRYPTED_BLOCK_CONTENT, paddedBlocks } from './block-cipher.ts'
export { BLOCK_SIZE, type BlockConnection, MAX_PADDED_BLOCK_CONTENT } from './block-connection.ts'
export { type ConnectTlsOptions, connectTls } from './connect.ts'
export {
  type HandshakeErrorCode,
  NetworkError,
  type NetworkErrorCode,
  TransportError,
  type TransportErrorCode,
} from './errors.ts'
export { chooseHost, type HostChoice, type HostMode, isOnionHost, type SocksMode, usesSocks } from './hosts.ts'
export { type ListenTlsOptions, listenTls, type ServerCertificates, type TlsListener } from './listen.ts'
export {
  formatSocksProxy,
  isolationCredentials,
  parseSocksProxy,
  type SocksCredentials,
  type SocksIsolation,
  type SocksProxy,
  type SocksRoute,
  socksCredentials,
} from './socks.ts'
export { KEEP_ALIVE_IDLE, ROUTER_ALPN, SMP_ALPN, TLS_SETUP_TIMEOUT, type TlsCredentials } from './tls-parameters.ts'
