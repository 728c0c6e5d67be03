"""The git hook: is what git has staged as the staged manifest and lock file say?"""
