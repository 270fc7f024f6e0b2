"""The operations of an operator on a log and its store, wherever these are.

what is typed and printed    commands/NAME.py
where an operation runs      run.py: on a cluster (cluster.py), on a data folder (embedded.py), or in the process
                             that has the data folder open (control_socket.py)
what an operation does       migrate.py, purge.py, dead_letters.py, verify.py
"""
