"""The files in crds/ are what the models say, and say only what the API server keeps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from ruamel.yaml import YAML

from dialplane.resources.base import Part
from dialplane.resources.chart_kinds import chart_kinds
from dialplane.resources.crd import crd, crds
from dialplane.resources.crd_files import crd_files
from dialplane.resources.kinds import KINDS
from dialplane.resources.schema import SchemaError, schema_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "crds"


def test_the_kinds_in_the_role_of_the_chart_are_not_stale() -> None:
    on_disk = (ROOT / "charts/dialplane/templates/_kinds.tpl").read_text(encoding="utf-8")
    assert on_disk == chart_kinds(), "run `make crds`"
    assert [line for line in on_disk.splitlines() if "smsmessages" in line] == [
        "- smsmessages",
        "- smsmessages/status",
        "smsmessages",
    ]


def test_crds_are_not_stale() -> None:
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")}
    assert on_disk == crd_files(), "run `make crds`"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_files_read_alike_in_both_versions_of_yaml(version: str) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    assert {name: yaml.load(text) for name, text in crd_files().items()} == crds()


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    if "items" in schema:
        yield from nodes(schema["items"])
    for field in schema.get("properties", {}).values():
        yield from nodes(field)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_bounded(kind: str) -> None:
    for schema in nodes(KINDS[kind].spec_schema):
        if schema["type"] == "string":
            assert "enum" in schema or schema["maxLength"] <= 8192
        if schema["type"] == "array":
            assert schema["maxItems"] <= 256
        if schema["type"] == "integer":
            assert {"minimum", "maximum"} <= schema.keys()
        pattern = schema.get("pattern", "^$")
        assert pattern[0] == "^"
        assert pattern[-1] == "$"
        assert not any(shorthand in pattern for shorthand in (r"\d", r"\w", r"\s", r"\Z", "(?"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_status_has_generation_and_conditions_as_kubernetes_expects(kind: str) -> None:
    status = crd(KINDS[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert status["properties"]["observedGeneration"]["type"] == "integer"
    assert status["properties"]["conditions"]["x-kubernetes-list-map-keys"] == ["type"]
    assert not any("default" in schema for schema in nodes(status))


@pytest.mark.parametrize("kind", KINDS)
def test_no_default_stands_below_a_list(kind: str) -> None:
    """One that the server fills in there is a difference for ever to `kubectl apply` and whatever compares like it."""
    schema = crd(KINDS[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    lists = [node["items"] for node in nodes(schema) if "items" in node]
    assert lists
    assert [node for below in lists for node in nodes(below) if "default" in node] == []


def test_a_default_below_a_list_remains_in_words_and_in_the_model() -> None:
    route = crd(KINDS["SipTrunk"])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert route["properties"]["outbound"]["items"]["properties"]["priority"]["description"].endswith("Default `100`.")
    assert KINDS["SipTrunk"].spec_schema["properties"]["outbound"]["items"]["properties"]["priority"]["default"] == 100


def test_a_model_that_a_crd_cannot_express_is_refused_here_and_not_by_a_cluster() -> None:
    class Union(Part):
        value: int | str

    class Free(Part):
        value: dict[str, float] | list[Any]

    class Fine(Part):
        value: Literal["a"] | None = None

    for model in (Union, Free):
        with pytest.raises(SchemaError):
            schema_of(model)
    assert schema_of(Fine)["properties"] == {"value": {"type": "string", "enum": ["a"]}}
