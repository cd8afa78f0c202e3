// dependency-cruiser reads TypeScript through the compiler's JavaScript API, which TypeScript 7 no longer has.
// Loaded with --import, this hands it the compiler that are-the-types-wrong carries for the same reason.
// (A second `typescript` among our own dependencies would fight with the first one over node_modules/.bin/tsc.)
import { createRequire, registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'

const cli = createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json')
const { resolve } = createRequire(createRequire(cli).resolve('@arethetypeswrong/core'))

registerHooks({
  resolve(specifier, context, nextResolve) {
    const wanted = /^typescript(\/|$)/.test(specifier) && context.parentURL?.includes('/dependency-cruiser/')
    if (!wanted) return nextResolve(specifier, context)
    const path = resolve(specifier)
    return nextResolve(context.conditions.includes('require') ? path : pathToFileURL(path).href, context)
  },
})
