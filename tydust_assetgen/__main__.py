"""`python -m tydust_assetgen` is the `assetgen` command."""

from tydust_assetgen.cli import command

command()
