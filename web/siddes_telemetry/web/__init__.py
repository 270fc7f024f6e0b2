"""What both HTTP services share: the server, authentication, errors, limits, health and metrics."""
