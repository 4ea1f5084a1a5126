"""Notifications: what happened on the site, told to whoever a Notifier names.

A service of the site: imports `resources` and `store`, never another service.
"""
