"""The logs and the stores, behind the protocols of ports.py. Driver exceptions stop here."""
