// What a quorum of validators signed: a certificate, and that it makes a header final
// (consensus/statements.py).

import { bigEndian, concat, equal, isZero, toBigEndian } from "./bytes.js";
import { bound, verifyEd25519 } from "./crypto.js";
import { fields, sized, unsigned } from "./shapes.js";
import { VALIDATORS_MAX } from "./validators.js";
import { refuse } from "./verdicts.js";

const [NULLIFY, FINALIZE] = [2n, 3n];
const SIGNATURE_SIZE = 64;

/** A certificate from fields of the codec. */
export function readCertificate(value) {
  const shape = "int int int bytes bytes bytes";
  const [kind, epoch, view, digest, bitmap, joined] = fields(value, shape, "certificate");
  if (bitmap.length === 0 || bitmap[0] === 0 || bitmap.length > VALIDATORS_MAX / 8) {
    refuse("certificate: bitmap with a leading zero byte, empty or too long");
  }
  const bits = bigEndian(bitmap);
  const signers = [];
  for (let at = 0; at < 8 * bitmap.length; at += 1) if ((bits >> BigInt(at)) & 1n) signers.push(at);
  if (joined.length !== SIGNATURE_SIZE * signers.length) {
    refuse("certificate: signatures do not match the bitmap");
  }
  if (unsigned(kind, "kind", 3) === 0n) refuse("kind: expected 1..3");
  unsigned(epoch, "epoch");
  if (unsigned(view, "view") < 1n) refuse("statement: views count from 1");
  sized(digest, 32, "digest");
  if ((kind === NULLIFY) !== isZero(digest)) {
    refuse("statement: a digest is zero if and only if it is a NULLIFY");
  }
  const signatures = signers.map((_, at) =>
    joined.subarray(SIGNATURE_SIZE * at, SIGNATURE_SIZE * (at + 1)),
  );
  return { kind, epoch, view, digest, signers, signatures };
}

/** Check a FINALIZE certificate of this very header, by a quorum of these validators. */
export async function checkFinal(header, certificate, chain, description) {
  if (certificate.kind !== FINALIZE || !equal(certificate.digest, header.digest)) {
    refuse(`no FINALIZE certificate of block ${header.height}`);
  }
  if (!equal(header.chain, chain)) refuse(`block ${header.height} is of another chain`);
  if (header.epoch !== description.epoch) {
    refuse(`block ${header.height} is of epoch ${header.epoch}, expected ${description.epoch}`);
  }
  const terminal = !equal(header.nextEpoch, description.digest);
  if (certificate.view !== header.view && !(terminal && certificate.view > header.view)) {
    refuse(
      `block ${header.height} of view ${header.view}, certified in view ${certificate.view}`,
    );
  }
  await checkSigned(certificate, chain, description);
}

async function checkSigned(certificate, chain, { epoch, validators, quorum }) {
  const { kind, view, digest, signers, signatures } = certificate;
  if (certificate.epoch !== epoch) refuse(`certificate of epoch ${certificate.epoch}`);
  if (signers.length < quorum) {
    refuse(`certificate with ${signers.length} signers, a quorum is ${quorum}`);
  }
  if (signers[signers.length - 1] >= validators.length) {
    refuse("certificate: a signer is no member");
  }
  const numbers = [toBigEndian(kind, 1), toBigEndian(epoch, 8), toBigEndian(view, 8)];
  const message = bound("consensus", chain, concat(...numbers, digest));
  const verified = await Promise.all(
    signers.map((signer, at) => verifyEd25519(validators[signer][1], signatures[at], message)),
  );
  const wrong = verified.indexOf(false);
  if (wrong >= 0) refuse(`certificate: signature of signer ${signers[wrong]} does not verify`);
}
