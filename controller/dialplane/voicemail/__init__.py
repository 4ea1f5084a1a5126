"""Voicemail by e-mail: messages are read in Asterisk's spool, mailed, and deleted only when they were taken.

A service of the site: imports `resources`, `asterisk` and `store`, never another service.
"""
