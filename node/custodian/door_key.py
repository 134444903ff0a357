"""The custodian's TLS certificate, and how its address names it.

Owns the two files beside `custodian.toml`, and the form `https://HOST:PORT#sha256=HEX`: the digest
is that of the certificate, in DER, and stands on the ledger with the address. A room's host that
knows it takes no other certificate; no authority has a say.
"""

import re
import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from strongroom.consensus.errors import ClientFault
from strongroom.node import tls

CERTIFICATE, KEY = "door.crt", "door.key"
_URL = re.compile(r"https?://[^/?#@\\\s]+/?")
_PINNED = re.compile(r"(?P<url>https://[^#]+)#sha256=(?P<digest>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class DoorKey:
    """The certificate of one custodian's folder, and its key."""

    certificate: Path
    key: Path

    @classmethod
    def load_or_make(cls, folder: Path) -> "DoorKey":
        """That of a folder; made where there is none yet.

        Raises:
            CertificateInvalid: one of the two files alone is there.
        """
        made = cls(folder / CERTIFICATE, folder / KEY)
        if not made.certificate.exists():
            identity = tls.make_certificate("custodian")
            tls.write_identity(identity, certificate=made.certificate, key=made.key)
        return made

    @property
    def digest(self) -> str:
        """SHA-256 of the certificate, in hex."""
        try:
            der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text("ascii"))
        except (OSError, ValueError):
            raise tls.CertificateInvalid(
                f"cannot read {self.certificate}: restore it, or remove it and {self.key} and "
                "announce the custodian anew"
            ) from None
        return sha256(der).hexdigest()

    def context(self) -> ssl.SSLContext:
        """For the accepting end.

        Raises:
            CertificateInvalid: the files are not as they must be.
        """
        return tls.server_context(self.certificate, self.key)

    def pinned(self, url: str) -> str:
        """An address that names this certificate.

        Args:
            url: ``https://HOST:PORT``; one that names a certificate already, ``http://…`` and
                nothing are left as they are.
        """
        if not url.startswith("https://") or "#" in url:
            return url
        return f"{url.rstrip('/')}#sha256={self.digest}"


def read_address(address: str) -> tuple[str, bytes | None]:
    """(URL, digest of the one certificate that may answer there, if it names one).

    A host and a port, no more: whoever announces himself a custodian would otherwise say what a
    plant's host asks of other services within its walls.

    Raises:
        ClientFault: it names one in another form, or more than where a custodian is.
    """
    url, digest = address, None
    if "#" in address:
        found = _PINNED.fullmatch(address)
        if found is None:
            raise ClientFault(
                "its address names no certificate as https://HOST:PORT#sha256=HEX does"
            )
        url, digest = found["url"], bytes.fromhex(found["digest"])
    if url and not _URL.fullmatch(url):
        raise ClientFault("its address is not http://HOST:PORT or https://HOST:PORT, without more")
    return url, digest
