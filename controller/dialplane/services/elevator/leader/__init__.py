"""The leader's half: what gateways are to serve, what devices and telephones did, and who hears of it."""
