// Merkle trees of RFC 6962 §2.1, and the leaf of a height in the history that headers anchor
// (consensus/history.py).

import { bigEndian, concat, equal, toBigEndian } from "./bytes.js";
import { label, labelledDigest, sha256 } from "./crypto.js";
import { refuse } from "./verdicts.js";
import { sized } from "./shapes.js";

export const PATH_MAX = 68;

/** SHA-256(0x00 ‖ data). */
export async function leafHash(...data) {
  return sha256(concat(Uint8Array.of(0), ...data));
}

/** The root that an inclusion proof leads to (RFC 9162 §2.1.3.2); index and size are BigInts. */
export async function rootFromPath(leaf, index, size, path) {
  if (index < 0n || index >= size) refuse(`inclusion proof: no leaf ${index} in a tree of ${size}`);
  let [node, last, position] = [leaf, size - 1n, index];
  for (const sibling of path) {
    if (last === 0n) refuse("inclusion proof: too long");
    if (position % 2n === 1n || position === last) {
      node = await nodeHash(sibling, node);
      while (position % 2n === 0n && position > 0n) [position, last] = [position >> 1n, last >> 1n];
    } else node = await nodeHash(node, sibling);
    [position, last] = [position >> 1n, last >> 1n];
  }
  if (last !== 0n) refuse("inclusion proof: too short");
  return node;
}

async function nodeHash(left, right) {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** The leaf hash of a height: {height, block, outcomeRoot, writeSetDigest, snapshotRoot}. */
export async function historyHash({ height, block, outcomeRoot, writeSetDigest, snapshotRoot }) {
  const head = concat(label("history"), Uint8Array.of(0), toBigEndian(height, 8));
  return leafHash(head, block, outcomeRoot, writeSetDigest, snapshotRoot);
}

/** A history leaf from its bytes. */
export function readHistoryLeaf(data) {
  const head = concat(label("history"), Uint8Array.of(0));
  sized(data, head.length + 8 + 4 * 32, "history leaf");
  if (!equal(data.subarray(0, head.length), head)) refuse("history leaf: another label");
  const rest = data.subarray(head.length);
  const digest = (at) => rest.subarray(8 + 32 * at, 40 + 32 * at);
  return {
    height: bigEndian(rest.subarray(0, 8)),
    block: digest(0),
    outcomeRoot: digest(1),
    writeSetDigest: digest(2),
    snapshotRoot: digest(3),
  };
}

/** A leaf's record digest where recovery rules stand. */
export async function withRules(record, rules) {
  return labelledDigest("height-with-rules", record, rules);
}
