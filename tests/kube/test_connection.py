"""Which cluster a kubeconfig leads to, and what is said of one that leads nowhere."""

from pathlib import Path

import pytest

from dialplane.kube.api import Connection, KubeApi
from dialplane.kube.errors import ConnectionUnknownError

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://192.0.2.1:6443", tls-server-name: api.example.com}}}}]
users: [{{name: u, user: {{tokenFile: {token}}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"""


@pytest.mark.parametrize("text", ["", "[]", "a: [", "users: [{name: u, user: {token: very-secret}}", "clusters: 1\n"])
async def test_a_file_that_is_no_kubeconfig_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConnectionUnknownError) as raised:
        await Connection(kubeconfig=str(path)).configuration()
    assert str(path) in str(raised.value)
    assert "very-secret" not in str(raised.value)


async def test_the_name_in_the_certificate_may_be_another_than_the_hosts(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token")
    path = tmp_path / "config"
    path.write_text(KUBECONFIG.format(token=tmp_path / "token"))
    async with KubeApi(await Connection(kubeconfig=str(path)).configuration()) as api:
        assert api.tls_server_name == "api.example.com"
        assert await api.authorization("GET", "/api") == {"authorization": "Bearer a-token"}
