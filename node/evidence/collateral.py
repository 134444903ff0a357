"""Intel's word on a platform, from a file and never from a network: TCB levels, quoting enclave,
revocation lists.

Owns the file's form and what dcap-qvl leaves open: one encoding per value, roots in the chains that
are the pinned one and no copy of it, validity of both documents and both lists. Signatures and
revocation dcap-qvl verifies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cryptography import x509

from strongroom.enclave.attestation.certificates import PARSER_ERRORS
from strongroom.node.evidence import chains
from strongroom.node.evidence.certificates import split_certificate
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.strict import decode_hex, decode_json, field, read_certificates

COLLATERAL_BYTES_MAX = 256 * 1024
CHAINS_MAX = 32
"""Chains checked once: collateral serves many quotes, and one signer signs both documents."""
_CHAINS = ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain")
_DOCUMENTS = ("tcb_info", "qe_identity")
_BYTES = ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature")
_DATE = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """One file, its form checked; nothing in it is verified yet."""

    texts: Mapping[str, str]
    """Chains and documents, exactly as they are signed."""
    binaries: Mapping[str, bytes]
    signers: tuple[x509.Certificate, ...]
    """Every certificate of the chains but the roots."""
    windows: tuple[tuple[int, int, str], ...]
    """When each document and list was issued, when the next one is due, and what it is; Unix
    seconds."""

    def check_time(self, demands: Demands) -> None:
        """Check both documents and both lists.

        Raises:
            AttestationError: ``not-yet-valid``, ``expired``.
        """
        for begin, end, what in self.windows:
            demands.check_window(begin, end, what)

    @property
    def common_moment(self) -> int:
        """The first second at which all of it is in force, if there is one."""
        begins = [begin for begin, _, _ in self.windows]
        return max(begins + [chains.window(signer)[0] for signer in self.signers])


def read_collateral(data: bytes, root: bytes) -> Collateral:
    """Read a file, whose chains must end in this root.

    Raises:
        AttestationError: ``too-large``, ``malformed``, ``encoding``, ``collateral``,
            ``certificate-form``, ``root-unknown``.
    """
    demand(
        len(data) <= COLLATERAL_BYTES_MAX,
        Reason.TOO_LARGE,
        f"collateral: over {COLLATERAL_BYTES_MAX} bytes",
    )
    document = decode_json(data, "collateral")
    names = {*_CHAINS, *_DOCUMENTS, *_BYTES}
    demand(
        type(document) is dict and set(document) == names,
        Reason.COLLATERAL,
        "collateral: other fields",
    )
    texts = {
        name: field(document, name, str, "collateral", Reason.COLLATERAL)
        for name in (*_CHAINS, *_DOCUMENTS)
    }
    binaries = {name: decode_hex(document[name], f"collateral's {name}") for name in _BYTES}
    signers = tuple(_signer(texts[name], root) for name in _CHAINS)
    lists = tuple(_revocations(binaries[name]) for name in ("root_ca_crl", "pck_crl"))
    windows = [_window(texts[name], name) for name in _DOCUMENTS]
    windows += [_list_window(revocations) for revocations in lists]
    return Collateral(texts=texts, binaries=binaries, signers=signers, windows=tuple(windows))


def same_root(certificate: bytes, root: bytes) -> bool:
    """Is this the pinned root: the same bytes, or another self-signed certificate over the same
    key?"""
    if certificate == root:
        return True
    loaded = chains.load(certificate)
    if chains.key_digest(loaded) != chains.key_digest(chains.load(root)):
        return False
    chains.check_issued(loaded, loaded)
    return True


@lru_cache(maxsize=CHAINS_MAX)
def _signer(chain: str, root: bytes) -> x509.Certificate:
    certificates = read_certificates(chain.encode("ascii", "replace"), gaps=False)
    demand(len(certificates) == 2, Reason.COLLATERAL, "collateral: a chain is not signer and root")
    demand(
        same_root(certificates[1], root),
        Reason.ROOT_UNKNOWN,
        "collateral: a chain ends in another root",
    )
    signer = chains.load(certificates[0])
    chains.check_issued(signer, chains.load(root))
    return signer


def _revocations(der: bytes) -> x509.CertificateRevocationList:
    split_certificate(der)
    try:
        found = x509.load_der_x509_crl(der)
        _ = (
            found.issuer,
            found.last_update_utc,
            found.next_update_utc,
            found.extensions,
            len(found),
        )
    except PARSER_ERRORS:
        refuse(Reason.COLLATERAL, "collateral: not a list of revoked certificates")
    return found


def _window(text: str, name: str) -> tuple[int, int, str]:
    document: Any = decode_json(text.encode("utf-8", "replace"), name)
    begin, end = (
        _seconds(field(document, key, str, name, Reason.COLLATERAL))
        for key in ("issueDate", "nextUpdate")
    )
    return begin, end, name


def _list_window(revocations: x509.CertificateRevocationList) -> tuple[int, int, str]:
    end = revocations.next_update_utc
    if end is None:
        refuse(Reason.COLLATERAL, "collateral: a list without end")
    return int(revocations.last_update_utc.timestamp()), int(end.timestamp()), "revocation list"


def _seconds(text: str) -> int:
    try:
        moment = datetime.strptime(text, _DATE).replace(tzinfo=UTC)
    except ValueError:
        refuse(Reason.COLLATERAL, f"collateral: {text!r} is no date")
    return int(moment.timestamp())
