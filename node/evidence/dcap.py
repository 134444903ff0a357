"""Intel SGX and TDX quotes, through dcap-qvl (extra `dcap`): our own checks around a library not
trusted alone.

What it accepts is taken only if its status is on our list; what it refuses is bad, and its words
only choose the code.

| step | reasons, in order |
|---|---|
| form | too-large, length, version, algorithm, platform-identity, trailing-bytes, encoding |
| guest, in code | debug, migration, attributes, platform-identity |
| root | certificate-form, root-unknown, simulated |
| collateral | too-large, malformed, encoding, collateral, root-unknown, certificate-chain |
| time | not-yet-valid, expired |
| dcap-qvl | revoked, certificate-chain, collateral, signature, firmware, … |
| demands | measurement, report-data |
| status | good: UpToDate; conditional: the other known ones; else status-unknown |

dcap-qvl judges chains, revocation lists, collateral documents and levels.
"""

from types import ModuleType
from typing import Any

from strongroom.consensus.types import Digest
from strongroom.node.evidence import chains
from strongroom.node.evidence.collateral import Collateral, read_collateral, same_root
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.quote import SGX, Quote
from strongroom.node.evidence.reasons import CannotJudge, Reason, Unjudged, demand, refuse
from strongroom.node.evidence.strict import read_certificates
from strongroom.node.evidence.verdict import Fact, Verdict, settle

KIND = "dcap"
INTEL_ROOT = Digest(
    bytes.fromhex("a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e")
)
"""SHA-256 of the SubjectPublicKeyInfo of Intel's SGX Root CA; any other root is a simulated one."""
FINE = "UpToDate"
CONDITIONAL = frozenset(
    {
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "TDRelaunchAdvised",
        "TDRelaunchAdvisedConfigurationNeeded",
    }
)
_WORDS: tuple[tuple[str, Reason], ...] = (
    ("Revoked", Reason.REVOKED),
    ("CertNotValidYet", Reason.NOT_YET_VALID),
    ("CertExpired", Reason.EXPIRED),
    ("CrlExpired", Reason.EXPIRED),
    ("in the future", Reason.NOT_YET_VALID),
    ("expired", Reason.EXPIRED),
    ("root CA CRL", Reason.ROOT_UNKNOWN),
    ("in quote_collateral", Reason.COLLATERAL_SIGNATURE),
    ("Fmspc", Reason.COLLATERAL),
    ("QE Identity id", Reason.COLLATERAL),
    ("TCB level", Reason.FIRMWARE),
    ("QE ISVSVN", Reason.FIRMWARE),
    ("QE report hash", Reason.SIGNATURE),
    ("ignature", Reason.SIGNATURE),
    ("certificate chain", Reason.CERTIFICATE_CHAIN),
    ("CRL", Reason.COLLATERAL),
    ("MRSIGNER", Reason.PLATFORM_IDENTITY),
    ("decode", Reason.MALFORMED),
)
"""Which code tells of a refusal, by what dcap-qvl 0.7 says; the first that fits."""


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for a quote (`quote`, `collateral`; `root` unless it is Intel's)."""
    return judge_quote(piece.file("quote"), piece, demands)


def judge_quote(data: bytes, piece: Piece, demands: Demands) -> Verdict:
    """Judge a quote with the collateral and root of a piece.

    Raises:
        AttestationError: see the module's table.
        CannotJudge: no collateral, or dcap-qvl is not installed.
    """
    quote = Quote.parse(data)
    quote.check_guest()
    root = _root(quote, piece, demands)
    collateral = read_collateral(piece.file("collateral"), root)
    collateral.check_time(demands)
    moment = _moment(quote, collateral) if demands.time is None else demands.time
    report = _ask_library(data, collateral, root, moment)
    demands.check_code(quote.measurement, quote.report_data)
    return settle(
        report.status, demands, _facts(quote, root, report), fine=FINE, conditional=CONDITIONAL
    )


def _root(quote: Quote, piece: Piece, demands: Demands) -> bytes:
    """The pinned root, DER: the one that the policy names, or Intel's; the quote's chain must end
    in it."""
    demand(
        len(quote.certificates) == 3,
        Reason.CERTIFICATE_CHAIN,
        "the quote's chain is not platform, authority, root",
    )
    own = quote.certificates[2]
    if "root" in piece.files:
        given = read_certificates(piece.files["root"])
        demand(len(given) == 1, Reason.ROOT_UNKNOWN, "the root is one certificate")
        root = given[0]
    else:
        root = own
        pinned = chains.key_digest(chains.load(own)) == INTEL_ROOT
        demand(
            pinned, Reason.ROOT_UNKNOWN, "the quote's root is not Intel's, and no other was named"
        )
    loaded = chains.load(root)
    chains.check_issued(loaded, loaded)
    demand(same_root(own, root), Reason.ROOT_UNKNOWN, "the quote's chain ends in another root")
    demands.check_simulated(chains.key_digest(loaded) != INTEL_ROOT)
    return root


def _moment(quote: Quote, collateral: Collateral) -> int:
    """Without a clock: the first second at which everything is in force, if there is one."""
    begins = [chains.window(chains.load(certificate))[0] for certificate in quote.certificates]
    return max(collateral.common_moment, *begins)


def _ask_library(data: bytes, collateral: Collateral, root: bytes, moment: int) -> Any:
    """What dcap-qvl finds; it raises ValueError for every refusal."""
    library = load_library()
    try:
        given = library.QuoteCollateralV3(**collateral.texts, **collateral.binaries)
        return library.verify_with_root_ca(data, given, root, moment)
    except (ValueError, OverflowError, TypeError) as error:
        words = " ".join(str(error).split())
        reason = next((code for part, code in _WORDS if part in words), Reason.LIBRARY)
        refuse(reason, words.removeprefix("Verification failed: "))


def load_library() -> ModuleType:
    """dcap-qvl.

    Raises:
        CannotJudge: it is not installed.
    """
    try:
        import dcap_qvl
    except ImportError:
        hint = "dcap-qvl is not installed: pip install 'strongroom[dcap]'"
        raise CannotJudge(Unjudged.NO_LIBRARY, hint) from None
    library: ModuleType = dcap_qvl
    return library


def _facts(quote: Quote, root: bytes, report: Any) -> dict[str, Fact]:
    return {
        "tee": "SGX" if quote.tee == SGX else "TDX",
        "quote_version": quote.version,
        "simulated": chains.key_digest(chains.load(root)) != INTEL_ROOT,
        "measurement": quote.measurement.hex(),
        "report_data": quote.report_data.hex(),
        "attributes": f"{quote.attributes:#x}",
        "status": report.status,
        "advisories": list(report.advisory_ids),
        "platform": report.ppid.hex(),
        "replay_key": quote.replay_key.hex(),
    }
