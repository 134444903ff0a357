// Judges receipts line by line: {"receipt": base64, "pin": text or null} in, a verdict out.

import { createInterface } from "node:readline";
import { checkReceipt } from "../../../node/web/page/check/receipt.js";

for await (const line of createInterface({ input: process.stdin })) {
  const { receipt, pin } = JSON.parse(line);
  const receiptText = new Uint8Array(Buffer.from(receipt, "base64"));
  const { verdict, sentence, steps } = await checkReceipt({ receiptText, pin });
  const said = { verdict, sentence, steps: steps.map(({ ok }) => ok) };
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
