"""Records that an operator has set aside: requests (request.py), decisions (decisions.py), reading without them."""
