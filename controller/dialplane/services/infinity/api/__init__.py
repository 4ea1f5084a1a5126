"""`/infinity`: outbound calls on leased extensions, one module for each kind of thing that is asked for.

`port` says what the paths need of the service that places the calls, `access` who may do what.
"""
