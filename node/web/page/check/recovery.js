// How an epoch ends whose enclaves are all lost: k of the members open the next one
// (consensus/recovery.py and its kin). Who the members are, the lost quorum has said.

import { ascending, compare, compareTexts, distinct, equal, utf8 } from "./bytes.js";
import { checkFinal, readCertificate } from "./certificate.js";
import { bound, labelledDigest, sha256, verifyEd25519 } from "./crypto.js";
import { readHeader } from "./header.js";
import { PATH_MAX, historyHash, readHistoryLeaf, rootFromPath, withRules } from "./history.js";
import { HYBRID_SIZE } from "./hybrid.js";
import { encode } from "./msgpack.js";
import { digests, fields, listed, sized, unsigned } from "./shapes.js";
import { VALIDATORS_MAX, readDescription } from "./validators.js";
import { refuse } from "./verdicts.js";

export const RECOVERY_KIND = 4n;
const MEMBERS_MAX = 255;
const NAME_BYTES_MAX = 255;
const EVIDENCE_BYTES_MAX = 64 * 1024;

/** A recovery certificate from fields of the codec. */
export async function readRecovery(value) {
  const shape = "int bytes list list list bytes bytes list";
  const read = fields(value, shape, "recovery certificate");
  const [kind, opening, head, rules, evidence, description, publicKey, agreements] = read;
  if (kind !== RECOVERY_KIND) refuse(`recovery certificate: kind ${kind}`);
  const agreed = listed(agreements, "agreements", MEMBERS_MAX).map((one) => {
    const [member, signature] = fields(one, "bytes bytes", "agreement");
    return [sized(member, 32, "member"), sized(signature, 64, "signature")];
  });
  if (!ascending(agreed.map(([member]) => member), compare)) {
    refuse("recovery certificate: members must be distinct and in order");
  }
  for (const one of listed(evidence, "evidence", VALIDATORS_MAX)) {
    if (!(one instanceof Uint8Array) || one.length > EVIDENCE_BYTES_MAX) {
      refuse(`evidence: expected at most ${EVIDENCE_BYTES_MAX} bytes each`);
    }
  }
  return {
    recovery: true,
    opening: await readHeader(opening),
    head: await readHead(head),
    rules: await readRules(rules),
    evidence: await Promise.all(evidence.map((one) => (one.length === 32 ? one : sha256(one)))),
    description: await readDescription(description),
    publicKey: sized(publicKey, HYBRID_SIZE, "epoch public key"),
    agreements: agreed,
  };
}

async function readHead(value) {
  if (value.length !== 4 || !(value[2] instanceof Uint8Array)) {
    refuse("head of a recovery: expected 4 fields");
  }
  const [header, certificate, leaf, path] = value;
  return {
    header: await readHeader(header),
    certificate: certificate === null ? null : readCertificate(certificate),
    leaf: readHistoryLeaf(leaf),
    path: digests(path, "path", PATH_MAX),
  };
}

async function readRules(value) {
  const read = fields(value, "int int list bytes bytes", "recovery rules");
  const [generation, threshold, members, shares, policy] = read;
  unsigned(generation, "generation");
  unsigned(threshold, "threshold");
  for (const one of listed(members, "members", MEMBERS_MAX)) {
    const [name, key] = fields(one, "text bytes", "member");
    const size = utf8(name).length;
    if (size === 0 || size > NAME_BYTES_MAX) refuse("member: a name has 1..255 bytes");
    sized(key, 32, "member's key");
  }
  sized(shares, 32, "shares");
  sized(policy, 32, "policy");
  if (members.length === 0 || !ascending(members.map(([name]) => name), compareTexts)) {
    refuse("recovery rules: expected members, ascending by name");
  }
  if (!distinct(members.map(([, key]) => key))) refuse("recovery rules: two members have one key");
  if (threshold < 1n || threshold > BigInt(members.length)) {
    refuse(`recovery rules: ${threshold} of ${members.length} members`);
  }
  const digest = await labelledDigest("rules-of-recovery", encode(read));
  return { generation, threshold: Number(threshold), members, digest };
}

/** Check everything, given the validators of the lost epoch and the header that opened it. */
export async function checkRecovery(certificate, chain, lost, anchor) {
  const { head, rules, opening, description, agreements } = certificate;
  await checkHead(head, chain, lost, anchor);
  await checkRules(head, rules);
  checkOpening(opening, head.header, chain, lost, anchor);
  if (description.epoch !== lost.epoch + 1n || !equal(description.digest, opening.nextEpoch)) {
    refuse("recovery: the header opens another epoch than the one described");
  }
  if (certificate.evidence.length !== description.validators.length) {
    refuse("recovery: not as many pieces of evidence as validators");
  }
  const message = bound("recovery-agreement", chain, encode(statementOf(certificate)));
  const held = rules.members.map(([, key]) => key);
  for (const [member, signature] of agreements) {
    if (!held.some((key) => equal(key, member))) refuse("recovery: an agreement by no member");
    if (!(await verifyEd25519(member, signature, message))) {
      refuse("recovery: a member did not sign this agreement: it is over something else");
    }
  }
  if (agreements.length < rules.threshold) {
    refuse(`recovery: ${agreements.length} of ${rules.threshold} needed members agreed`);
  }
}

/** What a member agrees to, as fields of the codec. */
function statementOf({ opening, head, rules, evidence }) {
  const { height, digest } = head.header;
  const goesOn = [opening.anchorHeight, opening.anchorRoot];
  return [rules.generation, rules.digest, height, digest, ...goesOn, opening.digest, evidence];
}

async function checkHead({ header, certificate }, chain, lost, anchor) {
  if (!equal(header.chain, chain)) refuse("recovery: its head is of another chain");
  if (certificate === null) {
    if (!equal(header.digest, anchor.digest)) {
      refuse(`recovery: nothing shows that block ${header.height} is final`);
    }
    return;
  }
  if (header.epoch === lost.epoch && !equal(header.nextEpoch, lost.digest)) {
    refuse(`recovery: block ${header.height} ended epoch ${lost.epoch} itself`);
  }
  await checkFinal(header, certificate, chain, lost);
}

async function checkRules({ header, leaf, path }, rules) {
  const writeSetDigest = await withRules(leaf.writeSetDigest, rules.digest);
  const hash = await historyHash({ ...leaf, writeSetDigest });
  const root = await rootFromPath(hash, leaf.height, header.anchorHeight + 1n, path);
  if (leaf.height !== header.anchorHeight || !equal(root, header.anchorRoot)) {
    refuse(`recovery: these are not the rules at height ${header.anchorHeight}`);
  }
}

function checkOpening(opening, head, chain, lost, anchor) {
  const begins = equal(head.digest, anchor.digest);
  const cut = begins ? lost.validators.map(() => [0n, head.digest]) : head.cut;
  const follows =
    equal(opening.chain, chain) &&
    opening.epoch === lost.epoch &&
    opening.height === head.height + 1n &&
    equal(opening.parent, head.digest) &&
    opening.timeMs > head.timeMs &&
    opening.view > (begins ? 0n : head.view);
  const empty =
    opening.batchCount === 0n &&
    opening.batchBytes === 0n &&
    equal(encode(opening.cut), encode(cut));
  if (!follows || !empty || equal(opening.nextEpoch, lost.digest)) {
    refuse(`recovery: block ${opening.height} is not the empty one that ends epoch ${lost.epoch}`);
  }
  const [executed, certified] = [opening.anchorHeight, head.anchorHeight];
  const other = executed === certified && !equal(opening.anchorRoot, head.anchorRoot);
  if (executed < certified || executed > head.height || other) {
    refuse(`recovery: block ${opening.height} goes on from another execution`);
  }
}
