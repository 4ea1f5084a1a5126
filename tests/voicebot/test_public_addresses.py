"""Which addresses a manifest may lead to without permission for the site's own networks."""

import aiohttp
import pytest

from dialplane.resources.public_address import is_permitted, is_public
from dialplane.services.voicebot.public_addresses import PrivateAddressRefused, connector


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
        ("64:ff9b:1::a00:1", False),
        ("::127.0.0.1", False),
        ("168.63.129.16", False),
    ],
)
def test_an_address_is_public_only_where_what_is_inside_it_is(address: str, public: bool) -> None:
    assert is_public(address) == public


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1]:1/", "https://10.0.0.1/"])
async def test_an_address_that_is_not_public_needs_permission(url: str) -> None:
    with pytest.raises(PrivateAddressRefused, match="allowPrivateAddress permits it"):
        connector(url, allow_private=False)
    await connector(url, allow_private=True).close()


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104 -- nothing binds it
        "ff02::1",
    ],
)
async def test_no_permission_leads_to_a_clouds_metadata(address: str) -> None:
    assert not is_permitted(address, allow_private=True)
    bare = address.partition("%")[0]
    url = f"http://[{bare}]/" if ":" in bare else f"http://{bare}/"
    with pytest.raises(PrivateAddressRefused, match="nobody may ask it"):
        connector(url, allow_private=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "fd00::1", "8.8.8.8"])
def test_permission_leads_to_the_sites_own_networks(address: str) -> None:
    assert is_permitted(address, allow_private=True)


async def test_a_name_that_leads_to_such_an_address_does_too() -> None:
    usable = connector("http://localhost:1/", allow_private=False)
    async with aiohttp.ClientSession(connector=usable) as session:
        with pytest.raises(aiohttp.ClientConnectorDNSError) as refused:
            await session.get("http://localhost:1/")
    assert isinstance(refused.value.os_error, PrivateAddressRefused)
