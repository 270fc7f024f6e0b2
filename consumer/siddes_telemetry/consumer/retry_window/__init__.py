"""The retry window: which client batches occurred lately, so that a repeated one is dropped."""
