"""The gateway's half: one of several replicas that devices connect to."""
