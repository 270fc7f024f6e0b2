"""What the services ask of a log and of a store: protocols, values and errors."""
