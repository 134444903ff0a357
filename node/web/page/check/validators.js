// An epoch's description: its validators in order, and the digest of its key
// (consensus/validators.py).

import { ascending, compare, distinct } from "./bytes.js";
import { labelledDigest } from "./crypto.js";
import { decode, encode } from "./msgpack.js";
import { fields, listed, sized, unsigned } from "./shapes.js";
import { refuse } from "./verdicts.js";

export const VALIDATORS_MAX = 256;

/** A description from its bytes. */
export async function readDescription(data) {
  const [epoch, members, keyDigest] = fields(decode(data), "int list bytes", "epoch description");
  const validators = listed(members, "validators", VALIDATORS_MAX).map((one) => {
    const [nodeKey, voteKey] = fields(one, "bytes bytes", "validator");
    return [sized(nodeKey, 32, "node key"), sized(voteKey, 32, "vote key")];
  });
  return describe({
    epoch: unsigned(epoch, "epoch"),
    validators,
    keyDigest: sized(keyDigest, 32, "public key digest"),
  });
}

/** A description of these validators, (node key, vote key) each, with its bytes and digest. */
export async function describe({ epoch, validators, keyDigest }) {
  const nodes = validators.map(([nodeKey]) => nodeKey);
  if (nodes.length === 0 || nodes.length > VALIDATORS_MAX || !ascending(nodes, compare)) {
    refuse(`validators: expected 1..${VALIDATORS_MAX} distinct ones in order of node key`);
  }
  if (!distinct(validators.map(([, voteKey]) => voteKey))) {
    refuse("validators: a vote key stands twice");
  }
  const encoded = encode([epoch, validators, keyDigest]);
  const digest = await labelledDigest("epoch-description", encoded);
  return { epoch, validators, keyDigest, encoded, digest, quorum: quorumOf(validators.length) };
}

/** How many of n must sign: two quorums share an honest member. */
export function quorumOf(members) {
  return Math.floor((members + Math.floor((members - 1) / 3)) / 2) + 1;
}
