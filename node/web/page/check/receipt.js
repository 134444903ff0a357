// Receipts: that a transaction was executed, at which place, with which sealed result; for anyone
// who has the pin. The same checks, in the same order, with the same verdicts as
// `strongroom verify receipt` (enclave/outside/receipts.py); tests compare the two.
//
// Nothing is fetched or sent. Touches no page: check_view.js shows what this finds.

import { concat, equal, hex, toBigEndian } from "./bytes.js";
import { checkFinal } from "./certificate.js";
import { checkAbilities, label, labelledDigest, sha256 } from "./crypto.js";
import { followEpochs } from "./epochs.js";
import { readReceipt } from "./form.js";
import { chainOf, verifyGenesis } from "./genesis.js";
import { historyHash, leafHash, rootFromPath } from "./history.js";
import { Refused, cannotCheck, refuse } from "./verdicts.js";

export const COMMAND = "strongroom verify receipt FILE --service PIN";

/** The steps, in their order, with the names that people read. */
export const STEPS = {
  form: "the file is a receipt",
  pin: "genesis is the pinned one",
  enclaves: "the enclaves of genesis meet its policy",
  transaction: "the transaction is in its block",
  history: "a later block anchors that block",
  epochs: "each epoch was opened by the one before",
  quorum: "a quorum signed the anchoring block",
};

/**
 * Check a receipt against the pinned service identity.
 *
 * @param receiptText the file: its bytes (Uint8Array), or its text.
 * @param pin the service's pin, `sr1-…`; empty or missing: there is no verdict.
 * @returns `{verdict, steps, sentence, facts}`, and never throws. `verdict` is "valid", "forged",
 *   "incomplete" (the file ends too early) or "cannot check"; each step is `{name, ok, detail}`,
 *   with `ok` null where it was not reached; `facts` are texts and numbers, null unless valid.
 */
export async function checkReceipt({ receiptText, pin }) {
  const steps = new Steps();
  try {
    if (typeof pin !== "string" || pin === "") {
      cannotCheck("no pin: give the service's, from somebody you trust");
    }
    await checkAbilities();
    const facts = await check(receiptText, pin, steps);
    return { verdict: "valid", steps: steps.listed, sentence: sentenceOf(facts), facts };
  } catch (error) {
    const refused = error instanceof Refused ? error : broken(error);
    steps.failed(refused);
    const sentence = `${refused.verdict}: ${refused.message}`;
    return { verdict: refused.verdict, steps: steps.listed, sentence, facts: null };
  }
}

/** An error that nothing foresaw is a bug of this page, or a browser's: it says nothing of the
 * receipt. */
function broken(error) {
  const detail = `this page failed (${error?.name ?? "error"}): use ${COMMAND}`;
  return new Refused(detail, "cannot check");
}

class Steps {
  constructor() {
    this.listed = Object.values(STEPS).map((name) => ({ name, ok: null, detail: "" }));
    this.at = 0;
  }

  passed(name, detail) {
    Object.assign(this.listed[this.at], { name, ok: true, detail });
    this.at += 1;
  }

  /** The step that was being taken is the one that failed, where there is a verdict. */
  failed(refused) {
    const ok = refused.verdict === "cannot check" ? null : false;
    if (this.at < this.listed.length) {
      Object.assign(this.listed[this.at], { ok, detail: refused.message });
    }
  }
}

async function check(given, pin, steps) {
  const receipt = await readReceipt(given);
  steps.passed(STEPS.form, `version ${receipt.epochs.length > 0 ? 2 : 1}`);
  const chain = chainOf(pin);
  if (!equal(await sha256(receipt.genesis), chain)) {
    refuse("the receipt is of another service than the pinned one");
  }
  steps.passed(STEPS.pin, pin);
  const genesis = await founded(receipt, chain);
  const simulated = genesis.enclaves.some((one) => one.simulated);
  const { length } = genesis.enclaves;
  const chips = simulated ? "SIMULATED platform" : "genuine silicon";
  steps.passed(`${length} enclaves of genesis meet its policy`, chips);
  const { anchor } = receipt;
  const outcomeRoot = await rootOfOutcome(receipt);
  const place = `${receipt.index} of ${receipt.count} in block ${receipt.height}`;
  steps.passed(STEPS.transaction, place);
  await checkHistory(receipt, outcomeRoot);
  steps.passed(STEPS.history, `block ${anchor.height} anchors block ${receipt.height}`);
  const first = genesis.description;
  const epochs = await followEpochs(chain, first, genesis.header, receipt.epochs);
  const recoveries = receipt.epochs.map((one) => one.certificate).filter((one) => one.recovery);
  steps.passed(STEPS.epochs, wordsOfEpochs(receipt.epochs.length, recoveries));
  await checkAnchor(receipt, chain, epochs);
  const { signers } = receipt.certificate;
  const of = `${signers.length} of ${epochs.newest.validators.length} of epoch ${anchor.epoch}`;
  steps.passed(STEPS.quorum, `${of} signed block ${anchor.height}`);
  return factsOf(receipt, genesis, { pin, simulated, recoveries });
}

async function founded(receipt, chain) {
  try {
    return await verifyGenesis(receipt.genesis, chain);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const detail = `the evidence of the service's enclaves does not verify: ${error.message}`;
    throw new Refused(detail, error.verdict);
  }
}

/** The digest of the block's outcome, which the transaction's leaf leads to. */
async function rootOfOutcome(receipt) {
  const leaf = await leafHash(
    concat(label("leaf"), Uint8Array.of(0)),
    concat(receipt.id, Uint8Array.of(receipt.code), receipt.result_digest, receipt.claim_digest),
  );
  const tree = await rootFromPath(leaf, receipt.index, receipt.count, receipt.outcomePath);
  return labelledDigest("outcome", toBigEndian(receipt.count, 4), tree);
}

async function checkHistory(receipt, outcomeRoot) {
  const { anchor } = receipt;
  const leaf = await historyHash({
    height: receipt.height,
    block: receipt.block,
    outcomeRoot,
    writeSetDigest: receipt.write_set_digest,
    snapshotRoot: receipt.snapshot_root,
  });
  const size = anchor.anchorHeight + 1n;
  const root = await rootFromPath(leaf, receipt.height, size, receipt.historyPath);
  if (!equal(root, anchor.anchorRoot)) {
    refuse(`the transaction is not in the history that block ${anchor.height} anchors`);
  }
}

async function checkAnchor({ anchor, certificate }, chain, { newest, anchor: opened }) {
  if (anchor.height <= opened.height) {
    refuse(`block ${anchor.height} is not above the anchor of epoch ${newest.epoch}`);
  }
  await checkFinal(anchor, certificate, chain, newest);
}

function wordsOfEpochs(count, recoveries) {
  if (count === 0) return "epoch 0: that of genesis";
  const words = recoveries.map((one) => `recovered at ${one.head.header.height} by members`);
  return [`${count} after that of genesis`, ...words].join("; ");
}

function factsOf(receipt, genesis, { pin, simulated, recoveries }) {
  const { anchor } = receipt;
  return {
    id: hex(receipt.id),
    height: String(receipt.height),
    index: Number(receipt.index),
    count: Number(receipt.count),
    status: receipt.status,
    result_digest: hex(receipt.result_digest),
    claim_digest: hex(receipt.claim_digest),
    anchor_height: String(anchor.height),
    epoch: String(anchor.epoch),
    time_ms: String(anchor.timeMs),
    service: genesis.constitution.name,
    pin,
    simulated,
    recoveries: recoveries.map((one) => ({
      height: String(one.head.header.height),
      epoch: String(one.description.epoch),
      generation: String(one.rules.generation),
      threshold: one.rules.threshold,
      members: membersOf(one),
    })),
  };
}

function membersOf({ agreements, rules }) {
  const names = agreements.map(
    ([member]) => rules.members.find(([, key]) => equal(key, member))?.[0] ?? "?",
  );
  return names.sort();
}

function sentenceOf(facts) {
  const chips = facts.simulated ? ", on a SIMULATED platform" : "";
  const words = facts.recoveries.map(
    (one) => `; recovered at ${one.height} by ${one.members.join(", ")}`,
  );
  return `valid: a quorum of ${facts.service} certified it${chips}${words.join("")}`;
}
