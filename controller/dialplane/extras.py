"""Parts of Dialplane that not every installation has."""


def install_hint(error: ImportError, extra: str) -> str:
    """Say how to install what an import missed; empty where the module is our own, which is a bug."""
    if (error.name or "").startswith("dialplane"):
        return ""
    return f"{error.name} is not installed: pip install 'dialplane[{extra}]'"
