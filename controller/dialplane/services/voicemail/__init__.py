"""Voicemail by e-mail: messages are read in Asterisk's spool, mailed, and deleted only when they were taken."""
