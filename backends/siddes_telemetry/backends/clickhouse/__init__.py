"""The store on a ClickHouse server, or on chDB in the process."""
