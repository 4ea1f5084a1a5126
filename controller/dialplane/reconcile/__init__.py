"""The site loop: debounce, plan, write, reload, read back, report.

The front doors hand it snapshots through `ports.Source` and take reports through `ports.StatusSink`; it knows neither.
"""
