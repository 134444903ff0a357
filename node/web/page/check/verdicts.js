// The ways in which a check ends without "valid", as the command line names them.

/** A receipt does not prove what it says. */
export class Refused extends Error {
  constructor(detail, verdict = "forged") {
    super(detail);
    this.verdict = verdict;
  }
}

/** Refuse: forged. */
export function refuse(detail) {
  throw new Refused(detail);
}

/** Give no verdict on the receipt. */
export function cannotCheck(detail) {
  throw new Refused(detail, "cannot check");
}
