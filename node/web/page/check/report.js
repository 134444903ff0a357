// AMD SEV-SNP attestation reports: 1184 bytes become fields, or are refused (AMD 56860).
//
// Owns the layout, and what no policy may allow: a guest that may be debugged or moved, a reserved
// bit, another length, version or algorithm. The same rules as enclave/attestation/report.py.

import { isZero, littleEndian } from "./bytes.js";
import { refuse } from "./verdicts.js";

const REPORT_SIZE = 1184;
const SIGNED_SIZE = 0x2a0;
const COORDINATE_SIZE = 72;
const [VERSION_MIN, VERSION_MAX, CPUID_SINCE] = [2n, 5n, 3n];
const ECDSA_P384_SHA384 = 1n;
const CHIP_MASKED = 1n << 1n;
const RESERVED_ONE = 1n << 17n;
const MIGRATION = 1n << 18n;
const DEBUG = 1n << 19n;
const POLICY_BITS_MAX = 26n;
const CHIP_KEY = 0n;

/** Read a report that an enclave's own chip key signs, in the form that an enclave's must have. */
export function readReport(data) {
  if (data.length !== REPORT_SIZE) refuse(`length: ${data.length} bytes`);
  const integer = (begin, end) => littleEndian(data.subarray(begin, end));
  const version = integer(0, 4);
  if (version < VERSION_MIN || version > VERSION_MAX) refuse(`version: ${version}`);
  if (integer(0x34, 0x38) !== ECDSA_P384_SHA384) refuse("signature-algorithm");
  const s = SIGNED_SIZE + COORDINATE_SIZE;
  if (!isZero(data.subarray(s + COORDINATE_SIZE))) refuse("signature-form");
  checkGuest(integer(0x08, 0x10), integer(0x30, 0x34));
  const flags = integer(0x48, 0x4c);
  if (((flags >> 2n) & 7n) !== CHIP_KEY || (flags & CHIP_MASKED) !== 0n) {
    refuse("signing-key: not signed by the chip's own key, or the host hides the chip's id");
  }
  return {
    reportData: data.subarray(0x50, 0x90),
    measurement: data.subarray(0x90, 0xc0),
    hostData: data.subarray(0xc0, 0xe0),
    reportedTcb: data.subarray(0x180, 0x188),
    committedTcb: data.subarray(0x1e0, 0x1e8),
    launchTcb: data.subarray(0x1f0, 0x1f8),
    product: version >= CPUID_SINCE ? productOf(data[0x188], data[0x189]) : undefined,
    chipId: data.subarray(0x1a0, 0x1e0),
    signed: data.subarray(0, SIGNED_SIZE),
    r: integer(SIGNED_SIZE, s),
    s: integer(s, s + COORDINATE_SIZE),
  };
}

function checkGuest(policy, privilegeLevel) {
  if (policy & DEBUG) refuse("debug-allowed: the host may read this guest's memory");
  if (policy & MIGRATION) refuse("migration-allowed: a migration agent may move this guest");
  if (policy >> POLICY_BITS_MAX || !(policy & RESERVED_ONE)) refuse("guest-policy");
  if (privilegeLevel > 0n) refuse(`vmpl: asked for at VMPL ${privilegeLevel}`);
}

/** The product line of a processor's family and model; null: none that is known. */
function productOf(family, model) {
  if (family === 0x19 && model <= 0x0f) return "Milan";
  if (family === 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf))) {
    return "Genoa";
  }
  if (family === 0x1a && model <= 0x1f) return "Turin";
  return family === 0 && model === 0 ? "SIMULATED" : null;
}

/** Bootloader, tee, snp, microcode and fmc of a TCB_VERSION of 8 bytes. */
export function tcbOf(product, version) {
  const places = product === "Turin" ? [1, 2, 3, 7, 0] : [0, 1, 6, 7, null];
  return places.map((at) => (at === null ? 0n : BigInt(version[at])));
}
