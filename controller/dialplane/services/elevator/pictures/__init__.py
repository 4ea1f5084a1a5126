"""Pictures of devices: received, checked, kept on this machine until they are stored, and shown.

Both halves use it: a gateway for what comes over the sockets, the leader for uploads and for the paths of the API.
"""
