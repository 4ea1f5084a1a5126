"""What serves a site beside Asterisk: one folder a service, with its tables, routes, statuses, checks and metrics.

`contract` is what the site loop and a service know of each other; `runner` starts them. No service imports another.
"""
