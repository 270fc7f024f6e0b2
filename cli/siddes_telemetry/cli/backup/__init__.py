"""Backups of an embedded instance: a folder that is a complete data folder, and a manifest beside its files."""
