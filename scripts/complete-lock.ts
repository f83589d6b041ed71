// Completes package-lock.json with the binaries of other platforms, where the registry in use did not carry them:
// without an entry `npm ci` of npm 11 stops with "Missing: NAME@ from lock file". Run it after `npm install`.
// The entries name version and platform; npm takes the integrity from the registry that has the package.
import { readFileSync, writeFileSync } from "node:fs";

interface Entry {
  version?: string;
  optional?: boolean;
  dev?: boolean;
  optionalDependencies?: Record<string, string>;
  os?: string[];
  cpu?: string[];
  libc?: string[];
}

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64", "arm"];
const aliases: [RegExp, string][] = [
  [/windows/, "win32"],
  [/aarch64/, "arm64"],
  [/-64$/, "-x64"],
];
const libcs = { gnu: "glibc", glibc: "glibc", musl: "musl" };

/** Reads what npm matches against a machine off a name: `@scope/tool-linux-x64-musl` is for linux, x64, musl. */
function platformOf(name: string): Pick<Entry, "os" | "cpu" | "libc"> | undefined {
  const plain = aliases.reduce((text, [from, to]) => text.replace(from, to), name);
  const os = systems.find((word) => plain.includes(word));
  const cpu = processors.find((word) => plain.includes(word));
  const libc = Object.entries(libcs).find(([word]) => plain.endsWith(`-${word}`))?.[1];
  return os && cpu ? { os: [os], cpu: [cpu], ...(os === "linux" && libc ? { libc: [libc] } : {}) } : undefined;
}

const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, Entry> };
const added: string[] = [];
for (const { dev, optionalDependencies = {} } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const platform = platformOf(name);
    if (lock.packages[`node_modules/${name}`] || !platform || !/^\d/.test(version)) continue;
    lock.packages[`node_modules/${name}`] = { version, ...(dev ? { dev } : {}), optional: true, ...platform };
    added.push(`${name}@${version}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")));
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length ? `added ${added.join("\n      ")}` : "package-lock.json is complete");
