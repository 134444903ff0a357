"""People: who is in which region, by the word of an issuer whom members chose (VAULT §5)."""

from strongroom.enclave.programs.framework import Bearing
from strongroom.enclave.programs.people import presenting
from strongroom.enclave.programs.people.standings import bearer_of, region_of
from strongroom.enclave.programs.people.tables import people

people.bearing = Bearing(presents=presenting.present.__name__, standing=bearer_of)

__all__ = ["people", "presenting", "region_of"]
