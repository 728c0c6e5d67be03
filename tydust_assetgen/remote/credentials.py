"""Who we are for an HTTP remote. In walks an address, out walks a header: from the environment or a netrc file, and
only for the host that it was meant for."""

from __future__ import annotations

import base64
import netrc
import os
from collections.abc import Mapping
from pathlib import Path

from tydust_assetgen.remote.address import Address
from tydust_assetgen.remote.errors import RemoteError

TOKEN = "ASSETGEN_CACHE_TOKEN"  # noqa: S105  the name of a variable
"""`HOST=TOKEN`: bound to a host, so that no manifest can send it elsewhere."""


def authorization(address: Address, environment: Mapping[str, str]) -> dict[str, str]:
    """The header, or none.

    Raises:
        RemoteError: the netrc file can't be read.
    """
    host, _, token = environment.get(TOKEN, "").partition("=")
    if token and host.strip().lower() in (address.host, f"{address.host}:{address.port}"):
        return {"Authorization": f"Bearer {token.strip()}"}
    found = (address.user, address.password) if address.user else _from_netrc(address.host, environment)
    if not found:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(found).encode()).decode()}


def _from_netrc(host: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    named = environment.get("NETRC", "")
    home = Path(os.path.expanduser("~"))
    files = [Path(named)] if named else [home / ".netrc", home / "_netrc"]
    file = next((file for file in files if file.is_file()), None)
    try:
        found = netrc.netrc(str(file)).authenticators(host) if file else None
    except (OSError, netrc.NetrcParseError):
        raise RemoteError("the netrc file can't be read") from None
    return (found[0], found[2] or "") if found else None
