// Fields of a config.json, which may come from anywhere: read by type, refused by name. Pure.

/** Reads one config.json. What a field cannot be is an error that names the file. */
export class Config {
  readonly #file: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(file: string, fields: Readonly<Record<string, unknown>>) {
    this.#file = file;
    this.#fields = fields;
  }

  /** Parses a file's text. */
  static parse(file: string, text: string): Config {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new Error(`${file} is no JSON: ${(cause as Error).message}`, { cause });
    }
    if (typeof value !== "object" || !value || Array.isArray(value)) throw new Error(`${file}: its JSON is no object`);
    return new Config(file, value as Record<string, unknown>);
  }

  /** The value of a field, whatever it is; undefined where it is absent or null. */
  field(name: string): unknown {
    return (Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined) ?? undefined;
  }

  /** An error that says what a field is, and why that cannot be. */
  wrong(name: string, why: string): Error {
    return new Error(`${this.#file}: ${name} is ${JSON.stringify(this.field(name))}: ${why}`);
  }

  /** A whole number; `otherwise` where the field is absent, which throws where there is none. */
  count(name: string, otherwise?: number): number {
    const value = this.field(name) ?? otherwise;
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
    throw this.wrong(name, "a whole number from 1 was expected");
  }

  /** A number above 0. */
  number(name: string, otherwise?: number): number {
    const value = this.field(name) ?? otherwise;
    if (typeof value === "number" && value > 0) return value;
    throw this.wrong(name, "a number above 0 was expected");
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.field(name) ?? otherwise;
    if (typeof value === "boolean") return value;
    throw this.wrong(name, "true or false was expected");
  }

  /** Throws where a field is there and is none of `known`. */
  only(name: string, known: readonly unknown[], otherwise: unknown = known[0]): void {
    if (known.includes(this.field(name) ?? otherwise)) return;
    const shown = known.map((value) => JSON.stringify(value)).join(" or ");
    throw this.wrong(name, `the model here is ${shown} in this`);
  }

  /** An object within; undefined where it is absent. */
  within(name: string): Config | undefined {
    const value = this.field(name);
    if (value === undefined) return undefined;
    if (typeof value === "object" && !Array.isArray(value))
      return new Config(`${this.#file}: ${name}`, value as Record<string, unknown>);
    throw this.wrong(name, "an object was expected");
  }
}
