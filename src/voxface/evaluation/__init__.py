"""Metrics, baselines and reports on bundles as shipped."""
