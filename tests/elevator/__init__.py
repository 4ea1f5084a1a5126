"""Tests of devices in lifts."""
