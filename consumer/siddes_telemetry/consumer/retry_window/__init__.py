"""The retry window: which client batches occurred lately, so that a repeated one is dropped.

The window of a partition remembers the keys of the batches that occurred in its last ten minutes, 200,000 at most
(window.py). Time is the log's own: the sum of the steps between append times, each clamped to a minute (log_clock.py),
so a record from the future does not empty the window and one from the past does not freeze it. The window is a function
of the log alone: a replay, another owner and `verify` drop the same batches.

The owner of a partition holds its window in memory (partition_window.py), and keeps it for a while after the partition
has moved on (cache.py). After each block it appends a note of the block's keys to a journal (key_notes.py). A new owner
rebuilds the window from the notes, and from the log where notes are missing (rebuild.py). Notes only save reading: the
log alone gives the same window. How far back to begin is found by trying (start_search.py).
"""
