"""Records that an operator has set aside."""
