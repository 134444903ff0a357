"""The simulated manufacturer and chip: their files, and what a chip gives to whom."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from tests.enclave.attestation.forging import bench
from tests.enclave.fixtures import MEASUREMENT, manufacturer

from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.enclave.attestation.policy import SIMULATED_TCB
from strongroom.enclave.attestation.report import REPORT_SIZE, Product, Report
from strongroom.enclave.outside.manufacturer import MANUFACTURER_FILE, Manufacturer
from strongroom.enclave.platform.chip import CHIP_FILE, SimulatedChip


def test_a_chip_comes_back_from_its_folder_as_the_same_chip(tmp_path: Path) -> None:
    older = replace(SIMULATED_TCB, snp=3)
    chip = manufacturer().make_chip(SIMULATED_TCB, committed=older, launch=older)
    chip.save(tmp_path / "chip")
    again = SimulatedChip.load(tmp_path / "chip")
    assert (again.chip_id, again.endorsements, again.firmware) == (
        chip.chip_id,
        chip.endorsements,
        chip.firmware,
    )
    assert again.sealing_secret(MEASUREMENT).reveal() == chip.sealing_secret(MEASUREMENT).reveal()
    report = Report.parse(again.attest(bytes(64), measurement=MEASUREMENT, host_data=bytes(32)))
    assert report.committed_tcb == older.version(Product.SIMULATED)


def test_files_of_the_platform_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """T10: they stand for fuses."""
    manufacturer().save(tmp_path)
    manufacturer().make_chip().save(tmp_path)
    for name in (CHIP_FILE, MANUFACTURER_FILE):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [CHIP_FILE, MANUFACTURER_FILE]
    )


def test_a_manufacturer_comes_back_from_its_folder_and_its_chips_are_believed(
    tmp_path: Path,
) -> None:
    manufacturer().save(tmp_path)
    again = Manufacturer.load(tmp_path)
    assert again.root_digest == manufacturer().root_digest
    assert again.make_chip().endorsements.ark == bench().first.chip.endorsements.ark


@pytest.mark.parametrize("damage", [b"", b"\x90", b"junk"])
def test_damaged_and_missing_files_say_what_to_do(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(OperatorFault, match="make the simulated platform"):
        SimulatedChip.load(tmp_path)
    (tmp_path / CHIP_FILE).write_bytes(damage)
    (tmp_path / MANUFACTURER_FILE).write_bytes(damage)
    with pytest.raises(OperatorFault, match="damaged"):
        SimulatedChip.load(tmp_path)
    with pytest.raises(OperatorFault, match="damaged"):
        Manufacturer.load(tmp_path)


def test_a_report_has_the_size_and_the_words_of_its_caller() -> None:
    data = bench().first.chip.attest(
        bytes(range(64)), measurement=MEASUREMENT, host_data=bytes(range(32))
    )
    report = Report.parse(data)
    assert len(data) == REPORT_SIZE
    assert (report.report_data, report.measurement, report.host_data) == (
        bytes(range(64)),
        MEASUREMENT,
        bytes(range(32)),
    )
    with pytest.raises(NotCanonical):
        bench().first.chip.attest(bytes(63), measurement=MEASUREMENT, host_data=bytes(32))


def test_each_chip_and_each_measurement_has_its_own_sealing_secret() -> None:
    """T24: other code on this chip, or this code on another chip, gets another secret."""
    first, second = bench().first.chip, bench().second.chip
    secrets = {
        chip.sealing_secret(code).reveal()
        for chip in (first, second)
        for code in (MEASUREMENT, bytes(48))
    }
    assert len(secrets) == 4


def test_neither_chip_nor_manufacturer_prints_a_secret() -> None:
    """T10."""
    for thing in (
        bench().first.chip,
        bench().first.chip._key,
        manufacturer(),
        manufacturer()._root,
    ):
        assert len(repr(thing)) < 80
