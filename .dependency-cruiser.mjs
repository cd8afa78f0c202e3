// "Imports go down only": core <- smp <- agent <- parley and core <- acn <- parley, no cycles, and protocol code does
// no I/O.

/** Folders whose files turn bytes into values and back, or state into state: no I/O of any kind. */
const PURE =
  '^packages/(smp/src/protocol|acn/src/(protocol|record)|agent/src/(ratchet|links|protocol)|parley/src/(card|channel/protocol))/'
const IO_MODULES =
  '^(node:)?(fs|fs/promises|net|tls|dgram|dns|dns/promises|http|http2|https|child_process|worker_threads|cluster|readline|process|timers|timers/promises)$'

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'A cycle of imports, types included, means that two files are one.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'core-is-the-ground',
      severity: 'error',
      from: { path: '^packages/core/' },
      to: { path: '^packages/(smp|acn|agent|parley)/' },
    },
    {
      name: 'smp-stands-on-core',
      severity: 'error',
      from: { path: '^packages/smp/' },
      to: { path: '^packages/(acn|agent|parley)/' },
    },
    {
      name: 'acn-stands-on-core',
      severity: 'error',
      from: { path: '^packages/acn/' },
      to: { path: '^packages/(smp|agent|parley)/' },
    },
    {
      name: 'agent-stands-on-smp',
      severity: 'error',
      from: { path: '^packages/agent/' },
      to: { path: '^packages/(acn|parley)/' },
    },
    {
      name: 'agent-does-not-know-the-router',
      severity: 'error',
      from: { path: '^packages/agent/src/' },
      to: { path: '^packages/smp/src/router/' },
    },
    {
      name: 'router-and-client-are-strangers',
      severity: 'error',
      comment: 'Both build on protocol/; neither knows the other.',
      from: { path: '^packages/smp/src/(router|client)/' },
      to: { path: '^packages/smp/src/(router|client)/', pathNot: '^packages/smp/src/$1/' },
    },
    {
      name: 'protocol-is-pure',
      severity: 'error',
      comment: 'host.ts and multiaddr.ts alone may import node:net, whose isIP is a pure reader of text.',
      from: { path: PURE, pathNot: '^packages/(smp/src/protocol/host|acn/src/protocol/multiaddr)\\.ts$' },
      to: { path: IO_MODULES },
    },
    {
      name: 'protocol-stays-below',
      severity: 'error',
      from: { path: '^packages/smp/src/protocol/' },
      to: { path: '^packages/smp/src/(client|router)/' },
    },
    {
      name: 'acn-protocol-stays-below',
      severity: 'error',
      from: { path: '^packages/acn/src/protocol/' },
      to: { path: '^packages/acn/src/', pathNot: '^packages/acn/src/protocol/' },
    },
    {
      name: 'acn-record-stays-below',
      severity: 'error',
      from: { path: '^packages/acn/src/record/' },
      to: { path: '^packages/acn/src/', pathNot: '^packages/acn/src/(protocol|record)/' },
    },
    {
      name: 'pure-agent-code-stays-below',
      severity: 'error',
      from: { path: '^packages/agent/src/(ratchet|links|protocol)/' },
      comment: 'The error type is pure too, and what is wrong with a link is said with it.',
      to: { path: '^packages/agent/src/', pathNot: '^packages/agent/src/((ratchet|links|protocol)/|agent-error)' },
    },
    {
      name: 'cards-stay-below',
      severity: 'error',
      from: { path: '^packages/parley/src/card/' },
      to: { path: '^packages/parley/src/', pathNot: '^packages/parley/src/card/' },
    },
    {
      name: 'packages-meet-at-their-exports',
      severity: 'error',
      comment: 'Another package is imported by name (@parley/core/crypto), never by a path into it.',
      from: { path: '^packages/([^/]+)/src/' },
      to: { path: '^packages/', pathNot: '^packages/$1/', dependencyTypes: ['local'] },
    },
    {
      name: 'source-does-not-know-tests',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: { path: '(^|/)test/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'declared',
      severity: 'error',
      comment: 'What a package uses at run time stands among its own dependencies.',
      from: { path: '^packages/[^/]+/src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'npm-optional'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['parley-source', 'import', 'node', 'default'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
  },
}
