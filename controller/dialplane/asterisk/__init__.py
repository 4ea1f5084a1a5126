"""The wire to one Asterisk: AMI, reloads, read-back, live events. The only package that speaks to it."""
