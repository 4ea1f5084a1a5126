"""Dialplane: a GitOps control plane for Asterisk."""
