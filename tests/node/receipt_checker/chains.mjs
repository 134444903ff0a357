// Reads chains line by line, [chip key, intermediate, root] in hex: what they vouch for, or null.

import { createInterface } from "node:readline";
import { hex } from "../../../node/web/page/check/bytes.js";
import { readChain } from "../../../node/web/page/check/chain.js";

for await (const line of createInterface({ input: process.stdin })) {
  const ders = JSON.parse(line).map((one) => new Uint8Array(Buffer.from(one, "hex")));
  const said = await readChain(...ders).then(
    (one) => [one.product, one.root, hex(one.chipId), hex(one.tcb), one.loaded],
    () => null,
  );
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
