// The manufacturer's certificates: root, intermediate and chip key, each signed by the one above,
// and what they vouch for. The same rules as enclave/attestation/certificates.py.
//
// A root's key decides the profile that everything below it must match: the roots of AMD are
// constants here, and every other root is a simulated one.

import { equal, hex, textOf } from "./bytes.js";
import { sha256, verifyP384, verifyPss } from "./crypto.js";
import { refuse } from "./verdicts.js";
import {
  BASIC_CONSTRAINTS,
  COMMON_NAME,
  KEY_USAGE,
  ORGANISATION_NAME,
  attribute,
  readCertificate,
} from "./x509.js";

export const SIMULATED = "SIMULATED";
const ORGANISATION = "Advanced Micro Devices";
const SIMULATED_ORGANISATION = "SIMULATED manufacturer (no silicon)";
const NAME_SHOWN_MAX = 64;
const RSA_BYTES = 512;
const RSA_EXPONENT = "010001";

/** SHA-256 of the SubjectPublicKeyInfo of AMD's roots. */
const AMD_ROOTS = {
  "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9": "Milan",
  "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831": "Genoa",
  "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08": "Turin",
};
const AMD_EXTENSIONS = "1.3.6.1.4.1.3704.1.";
/** Which component of the firmware is which byte of a TCB_VERSION. */
const TCB_ORDER = [1, 2, 4, 5, 6, 7, 3, 8];
const TCB_ORDER_TURIN = [9, 1, 2, 3, 5, 6, 7, 8];
const CHIP_ID_SIZE = 64;

/** Read three certificates, chip key first, and check that each is signed by the next. */
export async function readChain(vek, ask, ark) {
  const [leaf, intermediate, root] = [vek, ask, ark].map(readCertificate);
  for (const one of [root, intermediate]) checkIssuerKey(one);
  if (leaf.key.kind !== "p384") refuse("certificate-algorithm: chip key: not on P-384");
  const rootKey = hex(await sha256(root.key.spki));
  const product = Object.hasOwn(AMD_ROOTS, rootKey) ? AMD_ROOTS[rootKey] : SIMULATED;
  const loaded = checkNames(product, root, intermediate, leaf);
  checkUsage(root, null);
  checkUsage(intermediate, 0);
  for (const [one, issuer] of [[root, root], [intermediate, root], [leaf, intermediate]]) {
    if (!equal(one.issuer, issuer.subject)) refuse("certificate-issuer: issued by another");
    if (!(await verifyPss(issuer.key, one.signature, one.signed))) {
      refuse("certificate-signature: not signed by its issuer's key");
    }
  }
  const chain = [leaf, intermediate, root];
  const keys = await Promise.all(chain.map((one) => sha256(one.key.spki)));
  return {
    root: rootKey,
    product,
    loaded,
    simulated: product === SIMULATED,
    keys: keys.map(hex),
    validities: chain.map((one) => [one.notBefore, one.notAfter]),
    point: leaf.key.point,
    ...readChip(leaf, product, loaded),
  };
}

/** Check every validity at a given time, Unix milliseconds. */
export function checkTime(chain, time) {
  for (const [begin, end] of chain.validities) {
    if (time < begin) refuse("certificate-not-yet-valid");
    if (time > end) refuse("certificate-expired");
  }
}

/** Check that a chain's key is the one that signed a report. */
export async function checkReport(chain, report) {
  if (!chain.loaded && !equal(chain.chipId, report.chipId)) refuse("chip-mismatch");
  if (!equal(chain.tcb, report.reportedTcb)) refuse("tcb-mismatch");
  if (!(await verifyP384(chain.point, report.r, report.s, report.signed))) {
    refuse("report-signature: the chip key did not sign this report");
  }
}

function checkIssuerKey({ key }) {
  const fits =
    key.kind === "rsa" &&
    key.modulus.length === RSA_BYTES &&
    key.modulus[0] >= 0x80 &&
    hex(key.exponent) === RSA_EXPONENT;
  if (!fits) refuse("certificate-algorithm: not an RSA key of 4096 bits with exponent 65537");
}

/** Check organisation and common names; is the leaf a loaded key, which names no chip? */
function checkNames(product, root, intermediate, leaf) {
  const simulated = product === SIMULATED;
  const loaded = !simulated && attribute(leaf, COMMON_NAME) === "SEV-VLEK";
  const names = simulated
    ? ["ARK-SIMULATED", "SEV-SIMULATED", "SEV-VCEK-SIMULATED"]
    : loaded
      ? [`ARK-${product}`, `SEV-VLEK-${product}`, "SEV-VLEK"]
      : [`ARK-${product}`, `SEV-${product}`, "SEV-VCEK"];
  const organisation = simulated ? SIMULATED_ORGANISATION : ORGANISATION;
  [root, intermediate, leaf].forEach((one, at) => {
    const own = [attribute(one, ORGANISATION_NAME), attribute(one, COMMON_NAME)];
    if (own[0] !== organisation || own[1] !== names[at]) {
      const said = JSON.stringify(own.map((text) => text.slice(0, NAME_SHOWN_MAX)));
      refuse(`certificate-name: ${said}, expected ${organisation}, ${names[at]}`);
    }
  });
  return loaded;
}

function checkUsage(certificate, pathLength) {
  const constraints = certificate.extensions.get(BASIC_CONSTRAINTS);
  const usage = certificate.extensions.get(KEY_USAGE);
  if (!constraints?.authority || constraints.pathLength !== pathLength) {
    refuse("certificate-extension: no authority, or one of another path length");
  }
  if (!usage?.maySignCertificates) refuse("certificate-extension: may not sign certificates");
}

/** Chip id (64 bytes) and TCB_VERSION (8 bytes) of a chip key's certificate. */
function readChip(leaf, product, loaded) {
  if (leaf.extensions.get(BASIC_CONSTRAINTS)?.authority) {
    refuse("certificate-extension: chip key: is an authority");
  }
  const raw = (suffix) => {
    const found = leaf.extensions.get(AMD_EXTENSIONS + suffix);
    return found?.raw ? found.value : new Uint8Array(0);
  };
  const named = raw("2");
  if (named.length < 2 || named[0] !== 0x16 || named[1] !== named.length - 2) {
    refuse("certificate-extension: chip key: no product name");
  }
  const dash = named.indexOf(0x2d, 2);
  if (textOf(named.subarray(2, dash < 0 ? named.length : dash)) !== product) {
    refuse(`product: a chip key of another product under the root of ${product}`);
  }
  const order = product === "Turin" ? TCB_ORDER_TURIN : TCB_ORDER;
  const tcb = Uint8Array.from(order, (component) => smallInteger(raw(`3.${component}`)));
  const chipId = new Uint8Array(CHIP_ID_SIZE);
  if (loaded) return { chipId, tcb };
  const id = raw("4");
  if (id.length !== (product === "Turin" ? 8 : CHIP_ID_SIZE)) {
    refuse("certificate-extension: chip key: a chip id of another size");
  }
  chipId.set(id);
  return { chipId, tcb };
}

function smallInteger(der) {
  const [tag, size, first, second] = der;
  if (der.length === 3 && tag === 2 && size === 1 && first < 0x80) return first;
  if (der.length === 4 && tag === 2 && size === 2 && first === 0 && second >= 0x80) return second;
  return refuse("certificate-extension: chip key: a TCB component is missing or none of 0..255");
}
