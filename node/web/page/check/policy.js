// The constitution and the policy in it, as bytes: what members agreed on before anything ran.
//
// Owns their forms (enclave/proofs/constitution.py, enclave/attestation/policy.py): every list is
// ascending and without doubles, so that one constitution has one encoding. Judges no evidence.

import { ascending, compare, compareTexts, compareTuples, distinct, equal, hex } from "./bytes.js";
import { label } from "./crypto.js";
import { decode } from "./msgpack.js";
import { fields, listed, named, sized, unsigned } from "./shapes.js";
import { refuse } from "./verdicts.js";

const CONSTITUTION_BYTES_MAX = 1024 * 1024;
const ENTRIES_MAX = 1024;
const PRODUCTS = ["Milan", "Genoa", "Turin", "SIMULATED"];
const CONSTITUTION = "bytes text bytes int list list list list list";
const CONSTITUTION_FIELDS = 9;
const POLICY = "list list bool list list list list int list";
const POLICY_FIELDS = 9;

/** Read a constitution. */
export function readConstitution(data) {
  const value = decode(data, CONSTITUTION_BYTES_MAX);
  if (!Array.isArray(value)) refuse("constitution: expected a sequence");
  const [own, name, salt, created, policy, members, roles, programs, limits] = fields(
    value.slice(0, CONSTITUTION_FIELDS),
    CONSTITUTION,
    "constitution",
  );
  if (!equal(own, label("constitution"))) refuse("constitution: another label");
  named(name, "service");
  sized(salt, 32, "salt");
  const read = {
    name,
    createdMs: unsigned(created, "created"),
    policy: readPolicy(policy),
    members: entries(members, "members", (one) => namedBytes(one, 32, "member")),
    affiliations: readAffiliations(value.slice(CONSTITUTION_FIELDS)),
  };
  const firsts = (pairs) => pairs.map(([first]) => first);
  inOrder(firsts(read.members), compareTexts, "members");
  inOrder(entries(roles, "roles", readRole), compareTuples, "roles");
  const programNames = entries(programs, "programs", (one) => named(one, "program"));
  inOrder(programNames, compareTexts, "programs");
  inOrder(firsts(entries(limits, "limits", readLimit)), compareTexts, "limits");
  inOrder(firsts(read.affiliations), compare, "affiliations");
  const keys = read.members.map(([, key]) => key);
  if (!distinct(keys)) refuse("constitution: two members have one key");
  const known = new Set(keys.map(hex));
  if (!read.affiliations.every(([key]) => known.has(hex(key)))) {
    refuse("constitution: who acts for an operator must be a member");
  }
  return read;
}

function readAffiliations(later) {
  if (later.length === 0) return [];
  const [parts] = fields(later, "list", "constitution");
  const [part] = fields(parts, "list", "constitution's later part");
  const [word, found] = fields(part, "text list", "constitution's later part");
  if (word !== "affiliations" || found.length === 0) {
    refuse("constitution: something that this version does not know");
  }
  return entries(found, "affiliations", (one) => {
    const [key, operator] = fields(one, "bytes text", "affiliation");
    return [sized(key, 32, "member's key"), named(operator, "operator")];
  });
}

function readRole(value) {
  const [program, role, identity] = fields(value, "text text bytes", "role");
  return [named(program, "program"), named(role, "role"), sized(identity, 32, "identity")];
}

function readLimit(value) {
  const [name, most] = fields(value, "text int", "limit");
  return [named(name, "limit"), unsigned(most, "limit's value")];
}

function readPolicy(value) {
  const placed = value.length > POLICY_FIELDS;
  const read = fields(value, placed ? `${POLICY} list` : POLICY, "policy");
  const [measurements, roots, simulated, floors, chips, operators, regions, age, revoked] = read;
  if (placed && read[9].length === 0) refuse("policy: an empty list of countries is left out");
  unsigned(age, "maximum age");
  const digest = (name) => (one) => sized(one, 32, name);
  const policy = {
    measurements: entries(measurements, "measurements", (one) => sized(one, 48, "measurement")),
    roots: entries(roots, "roots", digest("root")),
    allowSimulated: simulated,
    floors: entries(floors, "floors", readFloors),
    chips: entries(chips, "chips", (one) => namedBytes(one, 64, "chip")),
    operators: entries(operators, "operators", (one) => namedBytes(one, 32, "operator")),
    regions: entries(regions, "regions", (one) => named(one, "region")),
    revoked: entries(revoked, "revoked keys", digest("revoked key")),
  };
  const countries = placed ? entries(read[9], "countries", readCountry) : [];
  inOrder(policy.measurements, compare, "measurements");
  inOrder(policy.roots, compare, "roots");
  inOrder(policy.floors.map(({ product }) => product), compareTexts, "floors");
  inOrder(policy.chips, compareTuples, "chips");
  inOrder(policy.operators.map(([name]) => name), compareTexts, "operators");
  inOrder(policy.regions, compareTexts, "regions");
  inOrder(policy.revoked, compare, "revoked keys");
  inOrder(countries, compareTexts, "countries");
  return policy;
}

function readFloors(value) {
  const [product, ...parts] = fields(value, "text list list list", "floors");
  if (!PRODUCTS.includes(product)) refuse(`floors: no product ${product}`);
  const [committed, launch, reported] = parts.map((part) =>
    fields(part, "int int int int int", "TCB").map((one) => unsigned(one, "TCB component", 255)),
  );
  return { product, committed, launch, reported };
}

function readCountry(value) {
  const [region, country] = fields(value, "text text", "country");
  if (!/^[A-Z]{2}$/.test(country)) refuse("policy: a country is two capital letters");
  return named(region, "region");
}

function namedBytes(value, size, name) {
  const [owner, data] = fields(value, "text bytes", name);
  return [named(owner, name), sized(data, size, name)];
}

function entries(value, name, read) {
  return listed(value, name, ENTRIES_MAX).map(read);
}

function inOrder(items, order, name) {
  if (!ascending(items, order)) refuse(`${name} must be ascending and distinct`);
}
