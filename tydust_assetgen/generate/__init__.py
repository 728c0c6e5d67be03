"""Generators, which make takes of briefs; `protocol` says what one must be, and `registry` finds them."""
