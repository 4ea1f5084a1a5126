"""`dialplane operator`: the controller inside Kubernetes."""

from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli.errors import Unusable
from dialplane.cli.extras import missing_extra
from dialplane.cli.inputs import TemplatesDir, load_templates
from dialplane.cli.proxy_options import TrustedProxies, proxies
from dialplane.cli.site_options import ApiTokens, ami_defaults
from dialplane.cli.state import STORE, state_directory
from dialplane.cli.storage_options import PublicUrl, StorageUrl, storage_options
from dialplane.cli.store_options import StoreUrlFile, store_url
from dialplane.reconcile.config_dir import OWN
from dialplane.reconcile.site import SiteLoop
from dialplane.services.runner import ServiceOptions, site_services


def operator(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", envvar="DIALPLANE_NAMESPACE", help="The namespace that is the site.")
    ] = "",
    metrics_address: Annotated[
        str, typer.Option("--metrics-address", metavar="HOST:PORT", help="Serve /metrics and /healthz there.")
    ] = "0.0.0.0:8080",
    lease: Annotated[
        str, typer.Option("--lease", help="The name of the Lease that says who leads; '' none, for one that is alone.")
    ] = "dialplane",
    asterisk_pod: Annotated[
        str,
        typer.Option(
            "--asterisk-pod",
            metavar="POD",
            envvar="DIALPLANE_ASTERISK_POD",
            help="The pod to delete when a restart of Asterisk is asked for.",
        ),
    ] = "",
    log_level: Annotated[
        str, typer.Option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")
    ] = "INFO",
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Serve the HTTP API there while this process leads, once the site has a use for it.",
        ),
    ] = "",
    api_tokens: ApiTokens = None,
    trusted_proxies: TrustedProxies = None,
    store_url_file: StoreUrlFile = None,
    storage_url: StorageUrl = "",
    public_url: PublicUrl = "",
    config_dir: Annotated[
        Path | None,
        typer.Option(
            "--config-dir", metavar="DIR", help="Where to write Asterisk's files, in place of what the manifest says."
        ),
    ] = None,
    templates: TemplatesDir = None,
    webhook_listen: Annotated[
        str,
        typer.Option("--webhook-listen", metavar="HOST:PORT", help="Answer the API server's admission reviews there."),
    ] = "",
    webhook_cert: Annotated[
        Path | None,
        typer.Option(
            "--webhook-cert", metavar="FILE", help="The certificate there, PEM; it may be renewed at any time."
        ),
    ] = None,
    webhook_key: Annotated[
        Path | None, typer.Option("--webhook-key", metavar="FILE", help="The key of that certificate, PEM.")
    ] = None,
) -> None:
    """Run as the operator of one namespace; the Helm chart does this. Needs dialplane[operator].

    Example:
        dialplane operator --namespace office
    """
    try:
        from dialplane.kube.operator import Options, run_operator
        from dialplane.kube.webhook import Webhook
    except ImportError as error:
        raise missing_extra(error, "operator") from None
    if not namespace:
        raise Unusable("say which namespace is the site: --namespace, or DIALPLANE_NAMESPACE")
    if log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise Unusable(f"--log-level {log_level}: it must be DEBUG, INFO, WARNING or ERROR")
    if listen and api_tokens is None:
        raise Unusable("--listen needs --api-tokens: nobody could call the API")
    webhook = None
    if webhook_listen:
        host, _, port = webhook_listen.rpartition(":")
        if not port.isdigit() or int(port) not in range(1, 65536):
            raise Unusable(f"--webhook-listen {webhook_listen}: it must be HOST:PORT, or :PORT for all addresses")
        if webhook_cert is None or webhook_key is None:
            raise Unusable("--webhook-listen needs --webhook-cert and --webhook-key: the API server speaks TLS alone")
        webhook = Webhook(host.strip("[]"), int(port), webhook_cert, webhook_key)
    loaded, defaults = load_templates(templates), ami_defaults()
    state = config_dir / OWN if config_dir else state_directory(None)
    url = store_url(store_url_file, state / STORE)
    storage = storage_options(storage_url, public_url, state)
    services = ServiceOptions(url, listen, api_tokens or Path(), proxies(trusted_proxies), storage=storage)
    options = Options(
        namespace,
        lambda ports: SiteLoop(ports, loaded, config_directory=config_dir, defaults=defaults),
        services=lambda notices: site_services(services, notices.tell),
        listen=metrics_address,
        lease=bool(lease),
        lease_name=lease,
        asterisk_pod=asterisk_pod,
        log_level=log_level,
        webhook=webhook,
    )
    raise typer.Exit(run_operator(options))
