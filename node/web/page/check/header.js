// A block's header (consensus/blocks.py): its fields, its bytes and their digest.

import { labelledDigest } from "./crypto.js";
import { decode, encode } from "./msgpack.js";
import { fields, listed, sized, unsigned } from "./shapes.js";
import { VALIDATORS_MAX } from "./validators.js";
import { refuse } from "./verdicts.js";

const FORMAT_VERSION = 1n;
const HEADER_BYTES_MAX = 64 * 1024;
const HEADER = "int bytes int int int bytes int int list int int int bytes bytes";
const NO_DIGEST = new Uint8Array(32);

/** A header from its bytes. */
export async function readHeader(data) {
  if (!(data instanceof Uint8Array)) refuse("header: expected bytes");
  const value = fields(decode(data, HEADER_BYTES_MAX), HEADER, "header");
  const [version, chain, epoch, view, height, parent, proposer, timeMs, cut] = value;
  const [batchCount, batchBytes, anchorHeight, anchorRoot, nextEpoch] = value.slice(9);
  if (version !== FORMAT_VERSION) refuse(`header: version ${version}`);
  const digests = { chain, parent, anchorRoot, nextEpoch };
  for (const [name, one] of Object.entries(digests)) sized(one, 32, name);
  const numbers = { epoch, view, height, timeMs, batchCount, batchBytes, anchorHeight };
  for (const [name, one] of Object.entries(numbers)) unsigned(one, name);
  unsigned(proposer, "proposer", VALIDATORS_MAX - 1);
  const tips = listed(cut, "cut", VALIDATORS_MAX).map((tip) => {
    const [length, digest] = fields(tip, "int bytes", "lane tip");
    return [unsigned(length, "length"), sized(digest, 32, "lane digest")];
  });
  return {
    ...digests,
    ...numbers,
    cut: tips,
    encoded: data,
    digest: await labelledDigest("header", data),
  };
}

/** The header at height 0, which is final by definition. */
export async function genesisHeader(chain, description, timeMs) {
  const begins = [FORMAT_VERSION, chain, 0n, 0n, 0n, NO_DIGEST, 0n, timeMs, [], 0n, 0n];
  return readHeader(encode([...begins, 0n, NO_DIGEST, description]));
}
