// Evidence of an enclave, judged under a policy: by what chip it was made, for which code, keys,
// node and operator. The same steps, in the same order, as enclave/attestation/verifier.py.

import { ascending, concat, equal, hex } from "./bytes.js";
import { checkReport, checkTime, readChain } from "./chain.js";
import { bound, label, labelledDigest, verifyEd25519 } from "./crypto.js";
import { checkHybrid } from "./hybrid.js";
import { decode } from "./msgpack.js";
import { readReport, tcbOf } from "./report.js";
import { fields, listed, named, sized, unsigned } from "./shapes.js";
import { refuse } from "./verdicts.js";

const EVIDENCE_BYTES_MAX = 32 * 1024;
const CLAIMS_BYTES_MAX = 8 * 1024;
const STATEMENT_BYTES_MAX = 1024;
const WRAP_KEYS_MAX = 4;
const EVIDENCE = "bytes text bytes bytes bytes bytes bytes bytes bytes";
const CLAIMS = "bytes text bytes bytes list bytes int bytes bytes int text text int";

/** Judge evidence: what it says of its enclave, or refused. `nonce` is the challenge that it must
 * answer, `chain` the chain that it must be for, `time` when it is judged (Unix ms). */
export async function judge(evidence, policy, { chain, nonce, time }) {
  const value = decode(evidence, EVIDENCE_BYTES_MAX);
  const [own, kind, data, vek, ask, ark, claimed, deployment, signature] = fields(
    value,
    EVIDENCE,
    "evidence",
  );
  if (!equal(own, label("evidence")) || kind !== "sev-snp") refuse("evidence: expected sev-snp");
  sized(signature, 64, "operator's signature");
  const report = readReport(data);
  const endorsed = await readChain(vek, ask, ark);
  await checkSilicon(report, endorsed, policy, time);
  checkFirmware(report, endorsed.product, policy);
  if (!policy.measurements.some((one) => equal(one, report.measurement))) {
    refuse("measurement: the policy does not allow this code");
  }
  const padded = concat(await labelledDigest("claims", claimed), new Uint8Array(32));
  if (!equal(report.reportData, padded)) refuse("claims-binding: made for other claims");
  const claims = readClaims(claimed);
  if (!equal(claims.nonce, nonce)) refuse("nonce: made for another challenge");
  if (!equal(claims.chain, chain)) refuse("chain: made for another chain");
  if (!policy.regions.includes(claims.region)) refuse(`region: ${claims.region} is not allowed`);
  await checkDeployment(deployment, report, claims);
  await checkOperator({ deployment, signature }, report, claims, policy);
  return { claims, chipId: report.chipId, simulated: endorsed.simulated };
}

async function checkSilicon(report, chain, policy, time) {
  if (!policy.roots.some((one) => hex(one) === chain.root)) {
    refuse(`root-unknown: root key ${chain.root} is not pinned`);
  }
  if (chain.loaded) refuse("signing-key: the certificate is of another kind of key");
  if (policy.revoked.some((one) => chain.keys.includes(hex(one)))) refuse("certificate-revoked");
  checkTime(chain, time);
  if (report.product !== undefined && report.product !== chain.product) {
    refuse("product: report and certificate are of two product lines");
  }
  await checkReport(chain, report);
  if (chain.simulated && !policy.allowSimulated) {
    refuse("simulated: the policy takes genuine silicon only");
  }
}

function checkFirmware(report, product, policy) {
  const floors = policy.floors.find((one) => one.product === product);
  if (floors === undefined) refuse(`product: the policy takes no chip of ${product}`);
  for (const kind of ["committed", "launch", "reported"]) {
    const own = tcbOf(product, report[`${kind}Tcb`]);
    if (own.some((part, at) => part < floors[kind][at])) refuse(`tcb-floor: ${kind} firmware`);
  }
}

function readClaims(data) {
  const value = fields(decode(data, CLAIMS_BYTES_MAX), CLAIMS, "claims");
  const [chain, node, nodeKey, voteKey, wraps, tlsKey, epoch, epochKey, nonce, height] = value;
  const [region, operator, boot] = value.slice(10);
  const sizes = { chain, nodeKey, voteKey, tlsKey, epochKey, nonce };
  for (const [name, one] of Object.entries(sizes)) sized(one, 32, name);
  for (const [name, one] of Object.entries({ node, region, operator })) named(one, name);
  const wrapKeys = listed(wraps, "wrap keys", WRAP_KEYS_MAX).map((one) => {
    const [of, key] = fields(one, "int bytes", "wrap key");
    checkHybrid(key);
    return [unsigned(of, "wrap key's epoch"), key];
  });
  if (!ascending(wrapKeys, ([one], [other]) => (one < other ? -1 : 1))) {
    refuse("wrap keys: expected in ascending order of epoch");
  }
  if (unsigned(boot, "boot") < 1n) refuse("boot: counts from 1");
  unsigned(epoch, "epoch");
  unsigned(height, "height");
  return { ...sizes, node, region, operator, wrapKeys, epoch, height };
}

async function checkDeployment(statement, report, claims) {
  if (!equal(report.hostData, await labelledDigest("deployment", statement))) {
    refuse("deployment-binding: launched under another deployment statement");
  }
  const [node, operator, chipId, measurement, region] = fields(
    decode(statement, STATEMENT_BYTES_MAX),
    "text text bytes bytes text",
    "deployment",
  );
  const same =
    node === claims.node &&
    operator === claims.operator &&
    region === claims.region &&
    equal(chipId, report.chipId) &&
    equal(measurement, report.measurement);
  if (!same) refuse("deployment-binding: the statement is about another enclave");
}

async function checkOperator({ deployment, signature }, report, claims, policy) {
  const found = policy.operators.find(([name]) => name === claims.operator);
  if (found === undefined) refuse(`operator-unknown: ${claims.operator}`);
  if (!(await verifyEd25519(found[1], signature, bound("deployment", null, deployment)))) {
    refuse("operator-signature: the operator did not sign this deployment");
  }
  const theirs = policy.chips.some(
    ([operator, chip]) => operator === claims.operator && equal(chip, report.chipId),
  );
  if (!theirs) refuse("chip-unknown: not a chip of this operator");
}
