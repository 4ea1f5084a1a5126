"""What the server of `testbed.fork` does once, for all commands of tests: it imports them, and plans a site."""

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import httpx

from dialplane import cli
from dialplane.cli.inputs import plan_site, read_input

for found in walk_packages(cli.__path__, "dialplane.cli."):
    if not found.name.endswith("__main__"):
        import_module(found.name)
for name in ("dialplane.api.application", "rich.progress", "tests.services.beacons"):
    import_module(name)
plan_site(read_input([str(Path(__file__).parents[1] / "examples" / "office")], None))
httpx.Client().close()
