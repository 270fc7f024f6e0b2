"""Whether the store holds what the log says, looked at from outside, while everything goes on."""
