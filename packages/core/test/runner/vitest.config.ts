// Vitest's own defaults, not those of this repository.
export default {};
