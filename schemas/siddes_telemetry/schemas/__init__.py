"""The contracts: requests, log records, tables and responses. Pure: no I/O, and no imports from other parts."""
