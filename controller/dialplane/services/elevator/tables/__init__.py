"""What the store keeps of devices, one module a table."""
