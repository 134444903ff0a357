"""People: who is in which region, by the word of an issuer whom members chose (VAULT §5)."""

from strongroom.enclave.programs.people import presenting
from strongroom.enclave.programs.people.standings import region_of
from strongroom.enclave.programs.people.tables import people

__all__ = ["people", "presenting", "region_of"]
