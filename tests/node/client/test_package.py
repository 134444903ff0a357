"""The client library's front: every name that it offers is there when asked for."""

import pytest

from strongroom.node import client


@pytest.mark.parametrize("name", client.__all__)
def test_every_name_that_the_library_offers_is_where_it_says(name: str) -> None:
    assert getattr(client, name).__name__ == name


def test_a_name_that_it_does_not_offer_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        client.Nothing  # noqa: B018
