"""`python -m tydust_assetgen` is the `assetgen` command."""

import sys

from tydust_assetgen.cli import main

sys.exit(main())
