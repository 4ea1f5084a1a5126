"""promtool, which checks and tests alert rules: from PATH, else Debian's package, unpacked into the cache."""

import shutil
from functools import cache as once

from testbed import debian


@once
def locate_promtool() -> tuple[str, ...]:
    """The beginning of promtool's command line.

    Raises:
        BuildError: it could not be fetched.
    """
    if found := shutil.which("promtool"):
        return (found,)
    return tuple(debian.command(debian.tree("prometheus", "forky", ("prometheus",)), "usr/bin/promtool"))
