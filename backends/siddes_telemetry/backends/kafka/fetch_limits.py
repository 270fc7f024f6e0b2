"""How much consumers fetch, and for how long a fetch may wait."""

FETCH_PARTITION_BYTES = 2 * 1024 * 1024  # held ready for each partition; smaller ones cost speed, larger ones memory
FETCH_BYTES = 32 * 1024 * 1024  # one answer of one broker
FETCH_WAIT_MS = 250  # an idle fetch; other requests on its connection wait until it ends
