"""The log backends and the store backends. Each implements protocols of ports/; driver exceptions stop here."""
