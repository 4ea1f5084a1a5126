"""The commands of `dialplane bot`, a module each, named as the command. What takes long is imported when one is run."""
