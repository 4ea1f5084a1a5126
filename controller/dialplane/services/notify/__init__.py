"""Notifications: what happened on the site, told to whoever a Notifier names."""
