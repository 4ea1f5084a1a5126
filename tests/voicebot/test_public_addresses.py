"""Which addresses a manifest may lead to without permission for the site's own networks."""

import aiohttp
import pytest

from dialplane.services.voicebot.public_addresses import PrivateAddressRefused, connector, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 -- nothing binds it
        ("224.0.1.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:a00:1::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
    ],
)
def test_an_address_is_public_only_where_what_is_inside_it_is(address: str, public: bool) -> None:
    assert is_public(address) == public


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1]:1/", "https://10.0.0.1/"])
async def test_an_address_that_is_not_public_needs_permission(url: str) -> None:
    with pytest.raises(PrivateAddressRefused, match="allowPrivateAddress permits it"):
        connector(url, allow_private=False)
    await connector(url, allow_private=True).close()


async def test_a_name_that_leads_to_such_an_address_does_too() -> None:
    usable = connector("http://localhost:1/", allow_private=False)
    async with aiohttp.ClientSession(connector=usable) as session:
        with pytest.raises(aiohttp.ClientConnectorDNSError) as refused:
            await session.get("http://localhost:1/")
    assert isinstance(refused.value.os_error, PrivateAddressRefused)
