// A peer: sharp, one thread, no cache. Started as: node sharp.mjs LIST --warm LIST --out FOLDER --effort N, in the
// folder where sharp is installed.
import { createRequire } from "node:module";
import { readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";

const sharp = createRequire(join(process.cwd(), "package.json"))("sharp");
sharp.concurrency(1);
sharp.cache(false);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { warm: { type: "string" }, out: { type: "string" }, effort: { type: "string" } },
});
const paths = (list) => readFileSync(list, "utf8").split("\n").filter(Boolean);

async function preview(path, out) {
  await sharp(path)
    .rotate()
    .resize(300, 300, { fit: "inside", withoutEnlargement: true })
    .webp({ quality: 85, effort: Number(values.effort) })
    .toFile(out);
}

const costs = [];
for (const path of paths(values.warm)) await preview(path, join(values.out, `warm-${basename(path)}.webp`));
for (const path of paths(positionals[0])) {
  const out = join(values.out, `${basename(path)}.webp`);
  const started = process.hrtime.bigint();
  const before = process.cpuUsage();
  let bytes = 0;
  try {
    await preview(path, out);
    bytes = statSync(out).size;
  } catch {
    // No preview: a file of 0 bytes in the answer.
  }
  const used = process.cpuUsage(before);
  costs.push({
    name: basename(path),
    cpu_seconds: (used.user + used.system) / 1e6,
    wall_seconds: Number(process.hrtime.bigint() - started) / 1e9,
    output_bytes: bytes,
  });
}
console.log(JSON.stringify(costs));
