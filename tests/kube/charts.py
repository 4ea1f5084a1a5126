"""The charts, installed through Helm itself into a site of the tests' API server."""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import testbed.helm
from tests.kube.conftest import Site

sys.path.append(str(testbed.helm.folder()))
helm = importlib.import_module("helm_sdkpy")

CHARTS = Path(__file__).parents[2] / "charts"


async def install(site: Site, chart: str, **values: Any) -> None:
    config = helm.Configuration(namespace=site.namespace, kubeconfig=str(site.server.kubeconfig()))
    await helm.Install(config).run("office", str(CHARTS / chart), values=values, wait=False)


def apps(site: Site, kind: str, name: str) -> dict[str, Any]:
    return site.ok(site.server.request("GET", f"/apis/apps/v1/namespaces/{site.namespace}/{kind}/{name}"))


def declared(parameter: inspect.Parameter) -> list[str]:
    """The names of a typer option; the first stands where a default would."""
    (option,) = [m for m in getattr(parameter.annotation, "__metadata__", ()) if hasattr(m, "param_decls")]
    return [option.default, *option.param_decls]
