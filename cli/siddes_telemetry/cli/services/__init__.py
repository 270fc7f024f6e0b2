"""The services as processes: gateway, consumer, summary, and all three in embedded mode.

lifecycle.py has the order of start and stop, which all share; runtime.py has the event loop and the signals.
"""
