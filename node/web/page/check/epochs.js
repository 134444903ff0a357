// The succession of epochs, checked link by link from genesis on (consensus/epochs.py).

import { equal } from "./bytes.js";
import { checkFinal, readCertificate } from "./certificate.js";
import { sha256 } from "./crypto.js";
import { readHeader } from "./header.js";
import { HYBRID_SIZE } from "./hybrid.js";
import { RECOVERY_KIND, checkRecovery, readRecovery } from "./recovery.js";
import { fields, sized } from "./shapes.js";
import { readDescription } from "./validators.js";
import { refuse } from "./verdicts.js";

/** What opens an epoch, from fields of the codec. Existing says nothing of its truth. */
export async function readEntry(value) {
  const shape = "bytes list bytes bytes";
  const [header, certificate, description, publicKey] = fields(value, shape, "epoch entry");
  return {
    header: await readHeader(header),
    certificate:
      certificate[0] === RECOVERY_KIND
        ? await readRecovery(certificate)
        : readCertificate(certificate),
    description: await readDescription(description),
    publicKey: sized(publicKey, HYBRID_SIZE, "epoch public key"),
  };
}

/** Walk from an epoch and the header that opened it through what opened each later one: the newest
 * epoch's description and header. */
export async function followEpochs(chain, first, anchor, entries) {
  let [newest, opened] = [first, anchor];
  for (const entry of entries) {
    await checkEntry(entry, chain, newest, opened);
    [newest, opened] = [entry.description, entry.header];
  }
  return { newest, anchor: opened };
}

async function checkEntry(entry, chain, ending, anchor) {
  const { header, description, certificate, publicKey } = entry;
  if (description.epoch !== ending.epoch + 1n) {
    refuse(`epoch ${description.epoch} does not follow epoch ${ending.epoch}`);
  }
  if (equal(header.nextEpoch, ending.digest)) {
    refuse(`block ${header.height} does not end epoch ${ending.epoch}`);
  }
  if (header.height <= anchor.height) {
    refuse(`block ${header.height} is not above its epoch's anchor`);
  }
  if (!equal(description.digest, header.nextEpoch)) {
    refuse(`epoch ${description.epoch} is not the one that block ${header.height} names`);
  }
  if (!equal(await sha256(publicKey), description.keyDigest)) {
    refuse(`epoch ${description.epoch}: its public key is not the one that it names`);
  }
  if (!certificate.recovery) {
    await checkFinal(header, certificate, chain, ending);
    return;
  }
  if (!equal(certificate.opening.encoded, header.encoded)) {
    refuse(`recovery: its members agreed to another block than ${header.height}`);
  }
  await checkRecovery(certificate, chain, ending, anchor);
  const same =
    equal(certificate.description.encoded, description.encoded) &&
    equal(certificate.publicKey, publicKey);
  if (!same) refuse(`epoch ${description.epoch} is not the one that members agreed to`);
}
