// Filled by the parts of the package as they come.
export {}
