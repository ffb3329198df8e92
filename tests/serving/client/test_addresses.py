"""What a list of servers' addresses means, without a server."""

import pytest

from components.common.errors import UserError
from serving.client.addresses import addresses_of


def test_each_server_is_named_once() -> None:
    assert addresses_of("127.0.0.1:8500, [::1]:8500,127.0.0.1:8500,") == ("127.0.0.1:8500", "[::1]:8500")
    assert addresses_of("") == ()


@pytest.mark.parametrize("name", ["a..b", ".", "a" * 64, "no-such-host.invalid"])
def test_a_name_that_is_nobodys_is_told_of(name: str) -> None:
    with pytest.raises(UserError, match=f"servers: expected the address of a server, received '{name}:8500': "):
        addresses_of(f"{name}:8500")
