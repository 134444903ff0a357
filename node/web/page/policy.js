// What code, chips and firmware members allow: the attestation policy as a card of GOVERN.

import { card, el, facts, id, name, shown } from "./dom.js";
import { span } from "./words.js";

/** The policy as `service_policy` gives it. */
export function policyCard(policy) {
  const list = (values, make) =>
    values.length
      ? el(
          "ul.plain",
          null,
          values.slice(0, 64).map((one) => el("li", null, make(one))),
        )
      : "none";
  return card(
    "Attestation policy",
    facts([
      [
        "platform",
        policy.allow_simulated
          ? el(
              "span",
              null,
              el("span.badge.amber", null, "SIMULATED"),
              " is allowed: a root user of a machine reads its enclave",
            )
          : "genuine silicon only",
      ],
      ["code", list(policy.measurements, (one) => id(one, { what: "measurement", digits: 24 }))],
      ["roots", list(policy.roots, (one) => id(one, { what: "root", digits: 24 }))],
      [
        "firmware",
        list(policy.floors, (one) => `${shown(one.product)}: at least ${shown(one.committed, 80)}`),
      ],
      ["evidence", `at most ${span(policy.max_age_ms)} old`],
      [
        "regions",
        policy.countries.length
          ? policy.countries
              .slice(0, 64)
              .map((one) => `${shown(one.region)} (${shown(one.country)})`)
              .join(", ")
          : policy.regions.map((one) => shown(one)).join(", ") || "any",
      ],
      [
        "operators",
        list(policy.operators, (one) =>
          el("span", null, name(one.name), " ", id(one.key, { digits: 8 })),
        ),
      ],
      ["revoked", list(policy.revoked, (one) => id(one))],
    ]),
  );
}
