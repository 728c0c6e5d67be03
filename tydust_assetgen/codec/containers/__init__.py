"""Audio containers as bytes: their structure, checksums and damage."""
