"""`dialplane operator`: the controller inside Kubernetes."""

from typing import Annotated

import typer

from dialplane.cli.errors import Unusable
from dialplane.cli.inputs import TemplatesDir


def operator(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", envvar="DIALPLANE_NAMESPACE", help="The namespace that is the site.")
    ] = "",
    metrics_address: Annotated[
        str, typer.Option("--metrics-address", metavar="HOST:PORT", help="Serve /metrics and /healthz there.")
    ] = "0.0.0.0:8080",
    lease: Annotated[str, typer.Option("--lease", help="The name of the Lease that says who leads.")] = "dialplane",
    templates: TemplatesDir = None,
) -> None:
    """Run as the operator of one namespace; the Helm chart does this. Needs dialplane[operator].

    Example:
        dialplane operator --namespace office
    """
    try:
        from dialplane.kube.operator import run_operator  # noqa: PLC0415 -- the extra is optional
    except ImportError as error:
        raise missing_extra(error, "operator") from None
    run_operator(namespace=namespace, metrics_address=metrics_address, lease=lease, templates=templates)


def missing_extra(error: ImportError, extra: str) -> Exception:
    """The error to raise for an import that failed: clear where an extra is missing, itself where it is our bug."""
    if (error.name or "").startswith("dialplane"):
        return error
    return Unusable(f"{error.name} is not installed: pip install 'dialplane[{extra}]'")
