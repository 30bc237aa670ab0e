"""The benchmark rig: servers, measurements, tables and plots."""
