"""The room where performances are made. In walks a `Brief`, out walks a `Take`."""
