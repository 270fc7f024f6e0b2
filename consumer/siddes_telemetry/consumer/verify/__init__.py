"""Compares the store with the log, from outside, while consumers go on."""
