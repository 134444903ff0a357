// Genesis: the constitution, the enclaves that begin, and the key that they share. Its SHA-256 is
// the chain, and the pin. The same checks as enclave/proofs/genesis.py.

import { ascending, compare, distinct, equal, isZero } from "./bytes.js";
import { bound, label, sha256, verifyEd25519 } from "./crypto.js";
import { genesisHeader } from "./header.js";
import { judge } from "./evidence.js";
import { HYBRID_SIZE } from "./hybrid.js";
import { decode, encode } from "./msgpack.js";
import { readConstitution } from "./policy.js";
import { fields, listed, sized } from "./shapes.js";
import { describe } from "./validators.js";
import { cannotCheck, refuse } from "./verdicts.js";

const GENESIS_BYTES_MAX = 8 * 1024 * 1024;
const EVIDENCE_BYTES_MAX = 32 * 1024;
const VALIDATORS_MAX = 256;
const NO_DIGEST = new Uint8Array(32);
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** The chain that a pin names, 32 bytes; `cannot check` where it is no pin. */
export function chainOf(pin) {
  if (!pin.startsWith("sr1-")) {
    cannotCheck("a pin begins with 'sr1-': copy it from service.json, or ask the operator");
  }
  if (!/^sr1-[a-z2-7]{52}$/.test(pin) || pin.length !== 56) {
    cannotCheck(
      "a pin is 'sr1-' and 52 characters of a-z and 2-7: this one was cut or mistyped",
    );
  }
  const bits = [...pin.slice(4)].reduce(
    (value, digit) => (value << 5n) | BigInt(BASE32.indexOf(digit)),
    0n,
  );
  if (bits & 15n) cannotCheck("the last character of the pin is mistyped");
  const digits = (bits >> 4n).toString(16).padStart(64, "0");
  return Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
}

/** Read and judge a genesis: constitution, enclaves in order of node key, description and header of
 * epoch 0. `chain` is its SHA-256. */
export async function verifyGenesis(data, chain) {
  const value = decode(data, GENESIS_BYTES_MAX);
  const [own, written, evidence, publicKey, signature] = fields(
    value,
    "bytes bytes list bytes bytes",
    "genesis",
  );
  if (!equal(own, label("genesis"))) refuse("genesis: another label");
  const constitution = readConstitution(written);
  for (const one of listed(evidence, "evidence", VALIDATORS_MAX)) {
    if (!(one instanceof Uint8Array) || one.length > EVIDENCE_BYTES_MAX) {
      refuse(`evidence: expected at most ${EVIDENCE_BYTES_MAX} bytes`);
    }
  }
  sized(publicKey, HYBRID_SIZE, "public key of epoch 0");
  sized(signature, 64, "founder's signature");
  const enclaves = await judgeAll(constitution, written, evidence);
  const founding = await sha256(encode([written, evidence, publicKey]));
  const founder = enclaves[0].claims.nodeKey;
  if (!(await verifyEd25519(founder, signature, bound("founding", null, founding)))) {
    refuse("founder: the first enclave did not sign this genesis with its attested key");
  }
  const description = await describe({
    epoch: 0n,
    validators: enclaves.map(({ claims }) => [claims.nodeKey, claims.voteKey]),
    keyDigest: await sha256(publicKey),
  });
  const header = await genesisHeader(chain, description.digest, constitution.createdMs);
  return { constitution, enclaves, description, header };
}

async function judgeAll(constitution, written, evidence) {
  const nonce = await sha256(written);
  const grounds = { chain: NO_DIGEST, nonce, time: constitution.createdMs };
  const enclaves = [];
  for (const one of evidence) enclaves.push(await judge(one, constitution.policy, grounds));
  if (enclaves.length === 0) refuse("genesis: no validators");
  for (const { claims } of enclaves) {
    if (claims.epoch !== 0n || claims.height !== 0n || !isZero(claims.epochKey)) {
      refuse(`genesis: node ${claims.node} claims an epoch before there is one`);
    }
    if (String(claims.wrapKeys.map(([epoch]) => epoch)) !== "0,1") {
      refuse(`genesis: node ${claims.node} names wrap keys of other epochs`);
    }
  }
  checkDistinct(enclaves);
  const keys = enclaves.map(({ claims }) => claims.nodeKey);
  if (!ascending(keys, compare)) refuse("genesis: the evidence is not in order of node key");
  return enclaves;
}

/** Check that no chip, name or key stands for two validators, or in two roles. */
function checkDistinct(enclaves) {
  const claims = enclaves.map((one) => one.claims);
  const sets = [
    enclaves.map(({ chipId }) => chipId),
    claims.map(({ tlsKey }) => tlsKey),
    claims.flatMap(({ nodeKey, voteKey }) => [nodeKey, voteKey]),
    claims.flatMap(({ wrapKeys }) => wrapKeys.map(([, key]) => key)),
  ];
  if (!sets.every(distinct) || new Set(claims.map(({ node }) => node)).size < claims.length) {
    refuse("genesis: a chip, name or key stands twice");
  }
}
