// A receipt as a JSON file: exactly what `strongroom receipt` writes, no field more or less, and
// nothing in it trusted yet (enclave/outside/receipt.py). What it proves: receipt.js.

import { digestFromHex, fromBase64, textOf, utf8 } from "./bytes.js";
import { readCertificate } from "./certificate.js";
import { readEntry } from "./epochs.js";
import { readHeader } from "./header.js";
import { PATH_MAX } from "./history.js";
import { readJson } from "./json.js";
import { decode } from "./msgpack.js";
import { unsigned } from "./shapes.js";
import { cannotCheck, refuse } from "./verdicts.js";

export const JSON_BYTES_MAX = 16 * 1024 * 1024;
const EPOCHS_MAX = 4096;
const COUNT_MAX = 2 ** 32 - 1;
const FORMAT = "strongroom-receipt";
const VERSIONS = [1n, 2n];
const DIGESTS = [
  "id",
  "result_digest",
  "claim_digest",
  "block",
  "write_set_digest",
  "snapshot_root",
];
const FIELDS = [
  ...["format", "version", "height", "index", "count", "code", "status"],
  ...DIGESTS,
  ...["outcome_path", "history_path", "anchor", "certificate", "genesis"],
];

/** What became of a transaction, by its code. */
const STATUS = [
  "executed",
  "duplicate",
  "outside the window",
  "unknown session",
  "does not open",
  "wrong epoch",
  "malformed",
  "sessions full",
  "refused",
  "internal",
  "not admitted",
  "too many sessions",
  "no room",
  "lost",
];

/** Read a receipt's text, or its bytes. */
export async function readReceipt(given) {
  const text = typeof given === "string" ? given : textWithin(given);
  if (typeof given === "string" && utf8(given).length > JSON_BYTES_MAX) tooLong();
  const found = readJson(text);
  if (!(found instanceof Map)) refuse("not a receipt: not a JSON object");
  const version = found.get("version");
  if (found.get("format") !== FORMAT || typeof version !== "bigint") {
    refuse(`not a receipt: its format is not ${FORMAT}`);
  }
  if (!VERSIONS.includes(version)) {
    cannotCheck(`receipt of version ${version}: get a newer verifier`);
  }
  const expected = version === 2n ? [...FIELDS, "epochs"] : FIELDS;
  for (const name of expected) if (!found.has(name)) refuse(`not a receipt: no field '${name}'`);
  if (found.size !== expected.length) refuse("not a receipt: with further fields");
  return readFields(found, version);
}

function textWithin(bytes) {
  if (bytes.length > JSON_BYTES_MAX) tooLong();
  return textOf(bytes) ?? refuse("not a receipt: not UTF-8");
}

function tooLong() {
  refuse(`not a receipt: longer than ${JSON_BYTES_MAX} bytes`);
}

async function readFields(found, version) {
  const digests = DIGESTS.map((name) => [name, digest(found.get(name), name)]);
  const code = Number(unsigned(found.get("code"), "code", STATUS.length - 1));
  if (found.get("status") !== STATUS[code]) refuse("not a receipt: the status is of another code");
  const epochs = version === 2n ? list(found, "epochs") : [];
  if (version === 2n && epochs.length === 0) refuse("version 2 has epochs, and version 1 none");
  if (epochs.length > EPOCHS_MAX) refuse(`epochs: expected at most ${EPOCHS_MAX}`);
  const entries = [];
  for (const one of epochs) entries.push(await readEntry(decode(base64(one, "epochs"))));
  return {
    ...Object.fromEntries(digests),
    code,
    status: STATUS[code],
    index: unsigned(found.get("index"), "index", COUNT_MAX),
    count: unsigned(found.get("count"), "count", COUNT_MAX),
    height: unsigned(found.get("height"), "height"),
    outcomePath: path(found, "outcome_path"),
    historyPath: path(found, "history_path"),
    anchor: await readHeader(base64(found.get("anchor"), "anchor")),
    certificate: readCertificate(decode(base64(found.get("certificate"), "certificate"))),
    genesis: base64(found.get("genesis"), "genesis"),
    epochs: entries,
  };
}

function list(found, name) {
  const value = found.get(name);
  if (!Array.isArray(value)) refuse(`${name}: expected a list`);
  return value;
}

function path(found, name) {
  const hashes = list(found, name);
  if (hashes.length > PATH_MAX) refuse(`${name}: expected at most ${PATH_MAX} hashes`);
  return hashes.map((one) => digest(one, name));
}

function digest(value, name) {
  return digestFromHex(value) ?? refuse(`${name}: expected 64 lowercase hex digits`);
}

function base64(value, name) {
  return fromBase64(value) ?? refuse(`${name}: expected base64`);
}
