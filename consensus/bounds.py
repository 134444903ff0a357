"""Bounds of what passes between hosts and enclaves, which both sides hold each other to."""

ENVELOPE_BYTES_MAX = 128 * 1024
"""Bytes of one submitted transaction."""
EVIDENCE_BYTES_MAX = 32 * 1024
"""Bytes of the attestation evidence with which secrets are asked for."""
