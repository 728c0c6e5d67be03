"""The version of this package, alone here so that asking for it costs nothing."""

VERSION = "0.1.0"
