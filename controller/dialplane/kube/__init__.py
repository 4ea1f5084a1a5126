"""Front door 1: Kubernetes. kopf events feed an inventory of our own; statuses go back as patches."""
