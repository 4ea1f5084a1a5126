import pytest

from dialplane.storage.errors import StorageUnusable
from dialplane.storage.options import check_public_url, check_storage_url

SECRET = "hunter2hunter2"


@pytest.mark.parametrize("url", ["file:///var/lib/dialplane/objects", "s3://lifts", "s3://my.lifts-1/site/pictures/"])
def test_a_place_is_taken(url: str) -> None:
    check_storage_url(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", r"scheme \(none\).*file:///a/folder or s3://bucket/prefix"),
        ("/var/objects", "scheme"),
        ("file://objects", "three slashes"),
        ("gs://lifts", "scheme gs"),
        ("http://s3.example.com/lifts", "scheme http"),
        ("s3://Lifts", "no bucket"),
        ("s3://lifts:9000", "AWS_ENDPOINT_URL"),
        ("s3://lifts/a//b", "prefix"),
        ("s3://lifts/../b", "prefix"),
        ("s3://[lifts", "cannot be read"),
        (f"s3://key:{SECRET}@lifts", "AWS_ACCESS_KEY_ID"),
        (f"s3://lifts?secret={SECRET}", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_anything_else_is_refused_with_the_cure_and_without_secrets(url: str, says: str) -> None:
    with pytest.raises(StorageUnusable, match=says) as refused:
        check_storage_url(url)
    assert SECRET not in str(refused.value)


def test_a_public_url_is_where_the_api_is_reached() -> None:
    assert check_public_url("https://lifts.example.com/pbx/") == "https://lifts.example.com/pbx"
    for url in (
        "lifts.example.com",
        "ftp://lifts.example.com",
        f"https://a:{SECRET}@b",
        "https://",
        "https://a/?b",
        "http://a\nb",
    ):
        with pytest.raises(StorageUnusable, match=r"https://lifts.example.com") as refused:
            check_public_url(url)
        assert SECRET not in str(refused.value)
