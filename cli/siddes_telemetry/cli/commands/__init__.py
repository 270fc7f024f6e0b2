"""What an operator or a developer types, and what is printed."""
