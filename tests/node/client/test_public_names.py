"""What `strongroom.node.client` gives its users, by name."""

import pytest

import strongroom.node.client


@pytest.mark.parametrize("name", strongroom.node.client.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(strongroom.node.client, name).__name__ == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nobody"):
        _ = strongroom.node.client.nobody
