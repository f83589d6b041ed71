// Checks what pages say without running it: messages in troubleshooting.md are in the code, diffs lead from one example to the next, links lead
// to files and headings that are there, and package READMEs have absolute links only, since a registry shows them.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const wrong: string[] = [];
const read = (path: string) => readFileSync(path, "utf8");
const pages = globSync(["*.md", "docs/**/*.md", "packages/*/README.md"]).sort();

/** Source with strings that were cut over lines made whole: `"a " +` and `"b"` read as `a b`. */
const sources = globSync(["packages/*/src/**/*.ts", "packages/*/bin/*.js"]).map((path) =>
  read(path).replace(/["'`]\s*\+\s*["'`]/g, ""),
);

/** Whether one file has the message's fixed pieces, one after the other, within a message's length. */
function isSaid(message: string): boolean {
  const pieces = message
    .split("...")
    .map((piece) => piece.trim())
    .filter(Boolean);
  const pattern = new RegExp(
    pieces.map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("[\\s\\S]{1,200}?"),
  );
  return sources.some((source) => pattern.test(source));
}

function checkMessages(): number {
  const messages = [...read("docs/troubleshooting.md").matchAll(/^### `(.*)`$/gm)].map(([, message]) => message!);
  for (const message of messages) if (!isSaid(message)) wrong.push(`docs/troubleshooting.md: no code says ${message}`);
  return messages.length;
}

/** Checks that lines of a diff with - are in the first file alone, with + in the second. */
function checkDiffs(): number {
  const diffs = [...read("docs/to-a-cluster.md").matchAll(/```diff\n--- (\S+)\n\+\+\+ (\S+)\n(.*?)```/gs)];
  for (const [, from, to, lines] of diffs) {
    const [before, after] = [read(from!).split("\n"), read(to!).split("\n")];
    for (const line of lines!.trimEnd().split("\n")) {
      const [sign, text] = [line[0], line.slice(1)];
      const [was, is] = [before.includes(text), after.includes(text)];
      if (was !== (sign !== "+") || is !== (sign !== "-"))
        wrong.push(`docs/to-a-cluster.md: ${from} to ${to}: ${line}`);
    }
  }
  return diffs.length;
}

/** GitHub's name for a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");

/** Where the repository is: links there are checked as files here. */
const repository = (JSON.parse(read("package.json")) as { repository: { url: string } }).repository.url
  .replace(/^git\+/, "")
  .replace(/\.git$/, "");

function checkLink(page: string, link: string): void {
  const here = link.startsWith(`${repository}/`)
    ? link.slice(repository.length).replace(/^\/(blob|tree)\/main\//, "")
    : undefined;
  if (!here && /^(https?|mailto):/.test(link)) return;
  const [path = "", anchor] = (here ?? link).split("#");
  const target = here ? path : path ? normalize(join(dirname(page), path)) : page;
  if (!existsSync(target)) wrong.push(`${page}: ${link}: there is no ${target}`);
  else if (anchor && ![...read(target).matchAll(/^#+ (.*)$/gm)].some(([, heading]) => anchorOf(heading!) === anchor))
    wrong.push(`${page}: ${link}: no heading has this name`);
}

function checkLinks(): number {
  const prose = (page: string) => read(page).replace(/```.*?```/gs, "");
  const links = pages.flatMap((page) =>
    [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => ({ page, link: link! })),
  );
  for (const { page, link } of links) {
    checkLink(page, link);
    if (page.startsWith("packages/") && !/^(https:|#)/.test(link))
      wrong.push(`${page}: ${link} is relative: a registry cannot follow it`);
  }
  return links.length;
}

const count = { messages: checkMessages(), diffs: checkDiffs(), links: checkLinks() };
for (const line of wrong) console.error(line);
console.log(`${count.messages} messages, ${count.diffs} diffs, ${count.links} links; ${wrong.length} wrong`);
process.exitCode = wrong.length ? 1 : 0;
