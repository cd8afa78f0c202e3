/**
 * The parts of a bench that were asked for.
 * @param only names, with commas between them
 * @throws Error for a name that is none
 */
export function sectionsOf<T>(only: string, sections: Readonly<Record<string, T>>): T[] {
  return only.split(',').map((name) => {
    const section = sections[name]
    if (!section) throw new Error(`no such part: ${name}`)
    return section
  })
}
